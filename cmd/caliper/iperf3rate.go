package main

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/netcaliper/caliper/cmd/caliper/internal/iperf3"
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// checkRate refuses what the port cannot carry. What is behind the port may well be too
// slow: that is a bottleneck.
func (t *iperf3Test) checkRate(target netip.Addr) error {
	p := &t.params
	speed, what := t.setup.port.Rate, "the wire's"
	if t.setup.port.Line != 0 {
		speed, what = t.setup.port.Line, "the port's"
	}
	if t.setup.card != "none" && (speed == 0 || speed > 1e9) {
		speed, what = 1e9, "the card's"
	}
	if p.Bitrate <= 0 || speed == 0 {
		return nil
	}
	most := payloadRate(speed, t.setup.near().MTU, p.Length, p.UDP, target.Is6(), p.Bidir) / int64(p.Streams)
	if p.Bitrate <= most {
		return nil
	}
	streams := ""
	if p.Streams > 1 {
		streams = fmt.Sprintf(" each with %d streams", p.Streams)
	}
	instead := "raise --port wire:rate=... together with --card none"
	switch {
	case what == "the card's":
		instead = "send with --card none"
	case what == "the port's":
		instead = "raise --port wire:line=..., above 1G together with --card none"
	case speed < 1e9: // to be overloaded, perhaps
		instead = "let a faster port feed the wire, --port wire:line=1G,rate=" + pacer.FormatRate(speed)
	}
	return badInput(nil, "-b %s is above %s line speed of %sbit/s: %s carry at most %sbit/s%s",
		pacer.FormatRate(p.Bitrate), what, pacer.FormatRate(speed), describePayload(p.UDP, p.Length), pacer.FormatRate(most), streams).
		hint("lower -b, or %s", instead)
}

// payloadRate returns the highest rate of payload in bit/s that fits a port of the given
// speed in bit/s, where length bytes are written at a time: a datagram, or a block that
// TCP cuts into full segments and a short one. With acks the same port carries the ACKs of
// as much data in the other direction, one a segment.
func payloadRate(speed int64, mtu, length int, udp, ipv6, acks bool) int64 {
	ip := ipHeader(ipv6)
	wire := func(payload, headers int) int64 {
		return int64(link.WireBytes(link.EthernetHeader + ip + headers + payload))
	}
	if udp {
		return speed * int64(length) / datagram(length+8, mtu-ip, ipv6, wire)
	}
	if length == 0 {
		length = 128 << 10
	}
	const tcp, options = 20, 12 // time stamps
	mss := mtu - ip - tcp - options
	segments := int64(length / mss)
	total := segments * wire(mss, tcp+options)
	if rest := length % mss; rest > 0 {
		segments++
		total += wire(rest, tcp+options)
	}
	if acks {
		total += segments * wire(0, tcp+options)
	}
	return speed * int64(length) / total
}

// datagram returns how many byte times a UDP datagram of n bytes with its header takes, in
// one packet with room for so many or in fragments; wire tells it of each.
func datagram(n, room int, ipv6 bool, wire func(payload, headers int) int64) (total int64) {
	if n <= room {
		return wire(n, 0)
	}
	header := 0
	if ipv6 {
		header = 8
	}
	for most := (room - header) &^ 7; n > 0; n -= most {
		total += wire(min(n, most), header)
	}
	return total
}

// describePayload says what a rate was computed for, for errors.
func describePayload(udp bool, length int) string {
	if udp {
		return fmt.Sprintf("datagrams of %d bytes", length)
	}
	return "TCP segments"
}

// departures tells when datagrams leave by p, which is a pacer of the writer's own and like
// the flow's. One that is sent in fragments has left with the last of them, as it arrives.
func departures(p pacer.Pacer, mtu int, ipv6 bool) iperf3.Departures {
	var start time.Time
	return func(n int, now time.Time) time.Time {
		if start.IsZero() {
			start = now
		}
		at := clock.Time(now.Sub(start))
		udp := 8 // the header, of the first fragment
		datagram(n+udp, mtu-ipHeader(ipv6), ipv6, func(payload, headers int) int64 {
			size := pacer.Size{IP: ipHeader(ipv6) + headers + payload, Payload: payload - udp}
			size.Wire, udp = link.WireBytes(link.EthernetHeader+size.IP), 0
			at = p.Depart(size, at)
			return 0
		})
		return start.Add(time.Duration(at))
	}
}

// ipHeader returns the length of an IP header without options.
func ipHeader(ipv6 bool) int {
	if ipv6 {
		return 40
	}
	return 20
}
