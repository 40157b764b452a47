package stack

import (
	"encoding/binary"
	"net"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
)

// TestSYNFlood has more SYNs come than a listener keeps, from hosts that do not answer, and
// connections that say nothing: a client is served at once all the same (RFC 4987, SYN
// cookies).
func TestSYNFlood(t *testing.T) {
	for seed := range uint64(3) {
		w := NewWorld(seed)
		a, b := newCable(w.Clock(), 1500)
		near, err := w.NewHost(Config{Device: a, Addrs: hostAddrs(1)})
		if err != nil {
			t.Fatal(err)
		}
		s := &spy{Device: b}
		far, err := w.NewHost(Config{Device: s, Addrs: hostAddrs(2)})
		if err != nil {
			t.Fatal(err)
		}
		l, err := far.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		w.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				w.Go(func() {
					b := make([]byte, 1)
					if _, err := c.Read(b); err == nil {
						c.Write(b)
					}
					c.Close()
				})
			}
		})
		err = w.Run(func() {
			silent := make([]net.Conn, 320)
			for i := range silent {
				if silent[i], err = near.Dial("tcp", "10.0.0.2:80"); err != nil {
					t.Fatal(err)
				}
			}
			for i := range 2 * backlog {
				s.arrive(flooding(uint16(i), uint32(seed)+uint32(i)*2654435761))
				if i%100 == 0 {
					w.Sleep(time.Microsecond)
				}
			}
			for range 20 {
				start := near.Now()
				c, err := near.Dial("tcp", "10.0.0.2:80")
				if err != nil {
					t.Fatal(err)
				}
				c.Write([]byte{7})
				if n, err := c.Read(make([]byte, 1)); n != 1 || near.Now().Sub(start) > 100*time.Millisecond {
					t.Errorf("seed %d: %d bytes, %v, after %v", seed, n, err, near.Now().Sub(start))
				}
				c.Close()
			}
			if far.Stats().TCP.ListenOverflowSynCookieSent.Value() == 0 {
				t.Error("it was no flood")
			}
		})
		if err != nil {
			t.Error(err)
		}
		w.Close()
	}
}

// flooding is a SYN to 10.0.0.2:80 of a host that is not there.
func flooding(port uint16, seq uint32) []byte {
	b := tcpSegment(seq, 0, 2, []byte{2, 4, 5, 180})
	copy(b[12:], []byte{10, 0, 0, 77, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(b[20:], port+1024)
	b[36], b[37] = 0, 0
	fix(b)
	sum := link.Sum(uint64(6+len(b)-20), b[12:20])
	binary.BigEndian.PutUint16(b[36:], ^link.Fold(link.Sum(sum, b[20:])))
	return b
}
