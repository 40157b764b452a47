package pcap

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/netcaliper/caliper/pacer"
)

// A Filter says which packets are meant. It is a flow as Flow.String writes it, the
// direction, and where the packet was captured, in which parts may be left out:
//
//	tcp 10.0.0.1:4000 > 10.0.0.2:5201     one flow
//	tcp > :5201                           all TCP to port 5201
//	10.0.0.1 >                            all that 10.0.0.1 sends
//	udp                                   all UDP
//	not IP                                what is not IP
//	sent                                  what the machine sent, where the file tells
//	at near                               what the interface near saw
//	udp, received at any, interface 3     of a capture of all interfaces, that number
//
// The zero Filter means every packet.
type Filter struct {
	notIP     bool
	proto     [2]uint8 // either of them; 0 is any
	src, dst  endpoint
	direction Direction
	face      string // name of the interface; "" is any
	index     uint32 // 0 is any
}

// An endpoint is one side of a flow. Zeros stand for any.
type endpoint struct {
	addr netip.Addr // not in its IPv6-mapped form
	port uint16
}

// ParseFilter reads a filter.
func ParseFilter(s string) (Filter, error) {
	var f Filter
	s, err := f.where(strings.TrimSpace(s))
	if err != nil {
		return f, err
	}
	if s == (pacer.Flow{}).String() {
		f.notIP = true
		return f, nil
	}
	left, right, arrow := strings.Cut(s, ">")
	words := strings.Fields(left)
	if len(words) > 0 && (!arrow || !strings.ContainsAny(words[0], ".:")) {
		var ok bool
		if f.proto, ok = protocols(words[0]); !ok {
			return f, fmt.Errorf("%q is no protocol such as tcp, udp, icmp or ip-47, and addresses need a > before or behind them", words[0])
		}
		words = words[1:]
	}
	for _, end := range []struct {
		is    *endpoint
		words []string
	}{{&f.src, words}, {&f.dst, strings.Fields(right)}} {
		if len(end.words) > 1 {
			return f, fmt.Errorf("%q is one word too many", end.words[1])
		}
		for _, word := range end.words {
			if err := end.is.parse(word); err != nil {
				return f, err
			}
		}
	}
	return f, nil
}

// where takes from the end of s what is said of the interface and the direction, and
// returns what is before it: the flow.
func (f *Filter) where(s string) (flow string, err error) {
	const number = ", interface " // behind the name of one there is a comma
	if i := strings.LastIndex(", "+s, number); i >= 0 {
		rest, number := s[:max(0, i-2)], (", " + s)[i+len(number):]
		n, err := strconv.ParseUint(number, 10, 32)
		if err != nil || n == 0 {
			return s, fmt.Errorf("%q is not the number of an interface", number)
		}
		f.index, s = uint32(n), rest
	}
	if rest, name, ok := cutWord(s, "at"); ok {
		if name == "" {
			return s, fmt.Errorf("the name of an interface is missing behind \"at\"")
		}
		f.face, s = name, rest
	}
	for _, d := range []Direction{Received, Sent} {
		if rest, behind, ok := cutWord(s, d.String()); ok && behind == "" {
			f.direction = d
			return rest, nil
		}
	}
	return s, nil
}

// cutWord cuts s around the first place where it has the word, and takes a comma before it
// away.
func cutWord(s, word string) (before, behind string, ok bool) {
	before, behind, ok = strings.Cut(" "+s+" ", " "+word+" ")
	if !ok {
		return s, "", false
	}
	before = strings.TrimSpace(before)
	return strings.TrimSpace(strings.TrimSuffix(before, ",")), strings.TrimSpace(behind), true
}

// protocols returns the protocol numbers that Flow.String writes as name.
func protocols(name string) (n [2]uint8, ok bool) {
	switch name {
	case "tcp":
		return [2]uint8{pacer.ProtoTCP, pacer.ProtoTCP}, true
	case "udp":
		return [2]uint8{pacer.ProtoUDP, pacer.ProtoUDP}, true
	case "icmp":
		return [2]uint8{1, 58}, true
	}
	digits, ok := strings.CutPrefix(name, "ip-")
	v, err := strconv.ParseUint(digits, 10, 8)
	return [2]uint8{uint8(v), uint8(v)}, ok && err == nil
}

// parse reads "ADDRESS:PORT", or one of the two, an IPv6 address before a port in brackets.
func (e *endpoint) parse(s string) error {
	address, port := s, ""
	bare := strings.Count(s, ":") > 1 && !strings.HasPrefix(s, "[")
	if i := strings.LastIndexByte(s, ':'); i >= 0 && !bare && i > strings.LastIndexByte(s, ']') {
		address, port = s[:i], s[i+1:]
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return fmt.Errorf("%q is no port in %q", port, s)
		}
		e.port = uint16(n)
	}
	if address == "" {
		return nil
	}
	if inner, ok := strings.CutPrefix(address, "["); ok && strings.HasSuffix(inner, "]") {
		address = strings.TrimSuffix(inner, "]")
	}
	a, err := netip.ParseAddr(address)
	if err != nil || a.Zone() != "" {
		return fmt.Errorf("%q is no IP address", address)
	}
	e.addr = a.Unmap()
	return nil
}

// Match tells whether a packet of that flow, captured at an interface of that name, is
// meant.
func (f *Filter) Match(flow pacer.Flow, d Direction, face string, index uint32) bool {
	switch {
	case f.direction != Unknown && f.direction != d, f.face != "" && f.face != face, f.index != 0 && f.index != index:
		return false
	case f.notIP:
		return flow == pacer.Flow{}
	}
	return (f.proto[0] == 0 || f.proto[0] == flow.Proto || f.proto[1] == flow.Proto) &&
		f.src.match(flow.Src, flow.SrcPort) && f.dst.match(flow.Dst, flow.DstPort)
}

func (e *endpoint) match(addr [16]byte, port uint16) bool {
	return (e.port == 0 || e.port == port) && (!e.addr.IsValid() || e.addr.As16() == addr)
}
