package gaps

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"

	"github.com/netcaliper/caliper/pacer"
)

// A Pattern says which flows are meant. It is a flow as Flow.String writes it, in which
// parts may be left out:
//
//	tcp 10.0.0.1:4000 > 10.0.0.2:5201     one flow
//	tcp > :5201                           all TCP to port 5201
//	10.0.0.1 >                            all that 10.0.0.1 sends
//	udp                                   all UDP
//	not IP                                what is not IP
//
// The zero Pattern means every flow.
type Pattern struct {
	notIP    bool
	proto    [2]uint8 // either of them; 0 is any
	src, dst endpoint
}

// An endpoint is one side of a Pattern. Zeros stand for any.
type endpoint struct {
	addr netip.Addr // not in its IPv6-mapped form
	port uint16
}

// ParsePattern reads a pattern.
func ParsePattern(s string) (Pattern, error) {
	var p Pattern
	if strings.TrimSpace(s) == (pacer.Flow{}).String() {
		return Pattern{notIP: true}, nil
	}
	left, right, arrow := strings.Cut(s, ">")
	words := strings.Fields(left)
	if len(words) > 0 && (!arrow || !strings.ContainsAny(words[0], ".:")) {
		var ok bool
		if p.proto, ok = protocols(words[0]); !ok {
			return p, fmt.Errorf("%q is no protocol such as tcp, udp, icmp or ip-47, and addresses need a > before or behind them", words[0])
		}
		words = words[1:]
	}
	for _, end := range []struct {
		is    *endpoint
		words []string
	}{{&p.src, words}, {&p.dst, strings.Fields(right)}} {
		if len(end.words) > 1 {
			return p, fmt.Errorf("%q is one word too many", end.words[1])
		}
		for _, word := range end.words {
			if err := end.is.parse(word); err != nil {
				return p, err
			}
		}
	}
	return p, nil
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

// Match tells whether f is meant.
func (p *Pattern) Match(f pacer.Flow) bool {
	if p.notIP {
		return f == pacer.Flow{}
	}
	return (p.proto[0] == 0 || p.proto[0] == f.Proto || p.proto[1] == f.Proto) &&
		p.src.match(f.Src, f.SrcPort) && p.dst.match(f.Dst, f.DstPort)
}

func (e *endpoint) match(addr [16]byte, port uint16) bool {
	return (e.port == 0 || e.port == port) && (!e.addr.IsValid() || e.addr.As16() == addr)
}
