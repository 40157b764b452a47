package stack

import (
	"testing"

	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"
)

// Only plain and valid segments of known connections go to them directly; netstack has all
// others.
func TestDirectIsForPlainSegments(t *testing.T) {
	w, near, far := world(t, 1)
	l, err := far.Listen("tcp", ":1")
	if err != nil {
		t.Fatal(err)
	}
	w.Go(func() {
		if c, err := l.Accept(); err == nil {
			c.Write(make([]byte, 1000))
		}
	})
	err = w.Run(func() {
		c, err := near.Dial("tcp", "10.0.0.2:1")
		if err == nil {
			_, err = c.Read(make([]byte, 1000))
		}
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	id := near.inline.known.last
	const size = header.IPv4MinimumSize + header.TCPMinimumSize + 4
	for _, c := range []struct {
		name   string
		change func(ip header.IPv4, s header.TCP)
		cut    int // bytes that are missing
		want   bool
	}{
		{"a segment", func(header.IPv4, header.TCP) {}, 0, true},
		{"too short", func(header.IPv4, header.TCP) {}, 1, false},
		{"shorter than headers", func(header.IPv4, header.TCP) {}, 10, false},
		{"more fragments", func(ip header.IPv4, _ header.TCP) { ip.SetFlagsFragmentOffset(header.IPv4FlagMoreFragments, 0) }, 0, false},
		{"the last fragment", func(ip header.IPv4, _ header.TCP) { ip.SetFlagsFragmentOffset(0, 8) }, 0, false},
		{"not to be fragmented", func(ip header.IPv4, _ header.TCP) { ip.SetFlagsFragmentOffset(header.IPv4FlagDontFragment, 0) }, 0, true},
		{"UDP", func(ip header.IPv4, _ header.TCP) { ip[9] = uint8(header.UDPProtocolNumber) }, 0, false},
		{"IP options", func(ip header.IPv4, _ header.TCP) { ip.SetHeaderLength(24) }, 0, false},
		{"another version", func(ip header.IPv4, _ header.TCP) { ip[0] = 5<<4 | 5 }, 0, false},
		{"an offset below the header", func(_ header.IPv4, s header.TCP) { s.SetDataOffset(16) }, 0, false},
		{"an offset behind the data", func(_ header.IPv4, s header.TCP) { s.SetDataOffset(28) }, 0, false},
		{"another connection", func(_ header.IPv4, s header.TCP) { s.SetSourcePort(7) }, 0, false},
	} {
		for _, valid := range []bool{true, false} {
			b := make([]byte, size)
			ip, s := header.IPv4(b), header.TCP(b[header.IPv4MinimumSize:])
			ip.Encode(&header.IPv4Fields{TotalLength: size, TTL: 64, Protocol: uint8(header.TCPProtocolNumber),
				SrcAddr: id.RemoteAddress, DstAddr: id.LocalAddress})
			s.Encode(&header.TCPFields{SrcPort: id.RemotePort, DstPort: id.LocalPort, DataOffset: header.TCPMinimumSize})
			c.change(ip, s)
			ip.SetChecksum(0)
			ip.SetChecksum(^ip.CalculateChecksum())
			if !valid {
				ip.SetChecksum(ip.Checksum() ^ 1)
			}
			pkt := gstack.NewPacketBuffer(gstack.PacketBufferOptions{Payload: buffer.MakeWithData(b[:size-c.cut])})
			near.enter()
			if got, want := near.direct(header.IPv4ProtocolNumber, pkt), c.want && valid; got != want {
				t.Errorf("%s, with a valid checksum %v: taken %v, want %v", c.name, valid, got, want)
			}
			pkt.DecRef()
			w.settle()
		}
	}
	near.enter()
	if near.direct(header.IPv6ProtocolNumber, nil) {
		t.Error("IPv6 was taken")
	}
}

// Connections that are closed are forgotten, and open ones kept.
func TestKnownConnectionsAreForgotten(t *testing.T) {
	w, near, far := world(t, 1)
	l, err := far.Listen("tcp", ":1")
	if err != nil {
		t.Fatal(err)
	}
	w.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.Write(make([]byte, 10))
		}
	})
	err = w.Run(func() {
		for range 600 {
			c, err := near.Dial("tcp", "10.0.0.2:1")
			if err == nil {
				_, err = c.Read(make([]byte, 10))
			}
			if err != nil {
				t.Error(err)
				return
			}
			c.(*TCPConn).Abort()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, h := range []*Host{near, far} {
		if n := len(h.inline.known.connections); n == 0 || n > 257 {
			t.Errorf("%d connections are known", n)
		}
	}
}
