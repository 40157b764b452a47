package pacer

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"
	"strings"
)

// A Rule says which packets are meant. A packet must have all that the rule asks for; a
// field that is zero asks for nothing, and the zero Rule means every packet. Rules are
// comparable.
type Rule struct {
	Proto            uint8        // IP protocol number
	Src, Dst         netip.Prefix // an IPv6 prefix means no IPv4 address, ::/0 neither
	SrcPort, DstPort Ports        // fragments have no ports
	DSCP             Bits         // of 6 bits
	Mark             Bits
	Owner            Bits
	Label            Bits // of 20 bits
}

// Ports is a range of ports, with both ends. The zero Ports asks for nothing.
type Ports struct{ First, Last uint16 }

// Bits asks for a number whose bits under Mask are those of Value, which has no others. The
// zero Bits asks for nothing; to ask for 0 is to have a Mask alone.
type Bits struct{ Value, Mask uint32 }

// The masks of all bits that the numbers of a Tag have.
const (
	allDSCP  = 1<<6 - 1
	allLabel = 1<<20 - 1
	allBits  = math.MaxUint32
)

// Rules is a list of rules of which the first that matches counts.
type Rules []Rule

// Match returns the index of the first rule that means a packet of the flow f with the tag
// t; -1 if none does.
func (rs Rules) Match(f *Flow, t *Tag) int {
	for i := range rs {
		if rs[i].Matches(f, t) {
			return i
		}
	}
	return -1
}

// Matches reports whether the rule means a packet of the flow f with the tag t.
func (r *Rule) Matches(f *Flow, t *Tag) bool {
	return (r.Proto == 0 || r.Proto == f.Proto) &&
		r.DstPort.match(f.DstPort) && r.SrcPort.match(f.SrcPort) &&
		r.Mark.match(t.Mark) && r.Owner.match(t.Owner) && r.DSCP.match(uint32(t.DSCP)) && r.Label.match(t.Label) &&
		(!r.Dst.IsValid() || within(&r.Dst, f, &f.Dst)) && (!r.Src.IsValid() || within(&r.Src, f, &f.Src))
}

func (p Ports) match(port uint16) bool {
	return p == Ports{} || p.First <= port && port <= p.Last
}

func (b Bits) match(v uint32) bool { return v&b.Mask == b.Value }

// within reports whether the prefix holds an address of the flow f.
func within(p *netip.Prefix, f *Flow, addr *[16]byte) bool {
	in, length := p.Addr().As16(), p.Bits()
	if p.Addr().Is4() {
		length += 96 // of the IPv6-mapped form
	} else if is4(addr) || *f == (Flow{}) {
		return false
	}
	for i := 0; i < 16 && length > 0; i, length = i+8, length-64 {
		differ := binary.BigEndian.Uint64(in[i:]) ^ binary.BigEndian.Uint64(addr[i:])
		if differ>>max(0, 64-length) != 0 {
			return false
		}
	}
	return true
}

// is4 reports whether the address is an IPv4 address in its IPv6-mapped form.
func is4(addr *[16]byte) bool {
	return binary.BigEndian.Uint64(addr[:]) == 0 && binary.BigEndian.Uint32(addr[8:]) == 0xffff
}

// protocols are those that rules have names for.
var protocols = []struct {
	name   string
	number uint8
}{{"tcp", ProtoTCP}, {"udp", ProtoUDP}, {"icmp", 1}, {"icmpv6", 58}}

// ParseRule reads a rule, what it asks for separated by commas, or any for the zero Rule:
//
//	proto=tcp           tcp, udp, icmp, icmpv6 or a number from 1 to 255
//	src=10.0.0.0/8      a prefix or an address of IPv4 or IPv6, and dst the same
//	dport=5000-6000     a port from 1 on or a range of them, and sport the same
//	dscp=46             with a mask as in mark=0x10/0xff; numbers may be written as 0x2e
//	mark=0x10/0xff      the bits under the mask 0xff are 0x10
//	owner=1000          the number of a user
//	label=0x12345       the flow label of IPv6
//
// It returns an error where something else is found, or a thing twice.
func ParseRule(s string) (Rule, error) {
	r, err := parseRule(s)
	if err != nil {
		return Rule{}, fmt.Errorf("pacer: rule %q: %w", short(s), err)
	}
	return r, nil
}

func parseRule(s string) (r Rule, err error) {
	if s == "any" {
		return r, nil
	}
	seen := make(map[string]bool)
	for word := range strings.SplitSeq(s, ",") {
		key, value, _ := strings.Cut(word, "=")
		if seen[key] {
			return r, fmt.Errorf("%s is given twice", short(key))
		}
		seen[key] = true
		switch key {
		case "proto":
			r.Proto, err = parseProto(value)
		case "src":
			r.Src, err = parsePrefix(value)
		case "dst":
			r.Dst, err = parsePrefix(value)
		case "sport":
			r.SrcPort, err = parsePorts(value)
		case "dport":
			r.DstPort, err = parsePorts(value)
		case "dscp":
			r.DSCP, err = parseBits(value, allDSCP)
		case "mark":
			r.Mark, err = parseBits(value, allBits)
		case "owner":
			r.Owner, err = parseBits(value, allBits)
		case "label":
			r.Label, err = parseBits(value, allLabel)
		default:
			return r, fmt.Errorf("%q is not one of proto, src, dst, sport, dport, dscp, mark, owner, label with = and a value, or any alone", short(word))
		}
		if err != nil {
			return r, fmt.Errorf("%s: %w", key, err)
		}
	}
	return r, nil
}

func parseProto(s string) (uint8, error) {
	for _, p := range protocols {
		if s == p.name {
			return p.number, nil
		}
	}
	n, err := strconv.ParseUint(s, 10, 8)
	if err != nil || n == 0 {
		return 0, fmt.Errorf("%q is not tcp, udp, icmp, icmpv6 or a number from 1 to 255", short(s))
	}
	return uint8(n), nil
}

func parsePrefix(s string) (netip.Prefix, error) {
	p, err := netip.ParsePrefix(s)
	if err != nil {
		addr, bad := netip.ParseAddr(s)
		if bad != nil || addr.Zone() != "" {
			return p, fmt.Errorf("%q is not a prefix or address such as 10.0.0.0/8 or 2001:db8::1", short(s))
		}
		p = netip.PrefixFrom(addr, addr.BitLen())
	}
	switch {
	case p.Addr().Is4In6():
		return p, fmt.Errorf("%s is an IPv4 address written as IPv6; write it as IPv4", p)
	case p != p.Masked():
		return p, fmt.Errorf("%s has bits behind its prefix; write %s", p, p.Masked())
	}
	return p, nil
}

func parsePorts(s string) (Ports, error) {
	low, high, isRange := strings.Cut(s, "-")
	if !isRange {
		high = low
	}
	first, err := strconv.ParseUint(low, 10, 16)
	last, bad := strconv.ParseUint(high, 10, 16)
	if err != nil || bad != nil || first == 0 || first > last {
		return Ports{}, fmt.Errorf("%q is not a port from 1 to 65535 or a range of them such as 5000-6000", short(s))
	}
	return Ports{uint16(first), uint16(last)}, nil
}

// parseBits reads a number, perhaps with a mask, of which neither may have bits that are not
// in all.
func parseBits(s string, all uint32) (Bits, error) {
	number, mask, masked := strings.Cut(s, "/")
	value, err := parseNumber(number, all)
	b := Bits{value, all}
	if err == nil && masked {
		b.Mask, err = parseNumber(mask, all)
	}
	switch {
	case err != nil:
		return b, err
	case b.Mask == 0:
		return b, errors.New("a mask of 0 asks for nothing; leave it out")
	case b.Value&^b.Mask != 0:
		return b, fmt.Errorf("%s has bits outside of its mask and would never match", short(s))
	}
	return b, nil
}

func parseNumber(s string, most uint32) (uint32, error) {
	digits, base := s, 10
	if rest, hex := strings.CutPrefix(s, "0x"); hex {
		digits, base = rest, 16
	}
	n, err := strconv.ParseUint(digits, base, 32)
	if err != nil || n > uint64(most) {
		return 0, fmt.Errorf("%q is not a number up to %d, in decimal or behind 0x in hexadecimal", short(s), most)
	}
	return uint32(n), nil
}

// String writes the rule so that ParseRule reads the same.
func (r Rule) String() string {
	var words []string
	add := func(asked bool, key string, value any) {
		if asked {
			words = append(words, fmt.Sprint(key, "=", value))
		}
	}
	add(r.Proto != 0, "proto", protoName(r.Proto))
	add(r.Src.IsValid(), "src", r.Src)
	add(r.Dst.IsValid(), "dst", r.Dst)
	add(r.SrcPort != Ports{}, "sport", r.SrcPort)
	add(r.DstPort != Ports{}, "dport", r.DstPort)
	add(r.DSCP != Bits{}, "dscp", r.DSCP.text("%d", allDSCP))
	add(r.Mark != Bits{}, "mark", r.Mark.text("%#x", allBits))
	add(r.Owner != Bits{}, "owner", r.Owner.text("%d", allBits))
	add(r.Label != Bits{}, "label", r.Label.text("%#x", allLabel))
	if len(words) == 0 {
		return "any"
	}
	return strings.Join(words, ",")
}

func protoName(number uint8) string {
	for _, p := range protocols {
		if p.number == number {
			return p.name
		}
	}
	return strconv.Itoa(int(number))
}

// String writes the range as 5000-6000, or as one port.
func (p Ports) String() string {
	if p.First == p.Last {
		return strconv.Itoa(int(p.First))
	}
	return fmt.Sprintf("%d-%d", p.First, p.Last)
}

// text writes the value in the given format, and the mask if it is not all.
func (b Bits) text(format string, all uint32) string {
	text := fmt.Sprintf(format, b.Value)
	if b.Mask != all {
		text += fmt.Sprintf("/%#x", b.Mask)
	}
	return text
}
