package stack

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// lossyWorld is near and far, joined by 100 Mbit/s without an end to its queue, where some
// of near's frames are dropped before they leave.
func lossyWorld(t *testing.T, seed uint64, drop float64) (w *World, near, far *Host, h *hold.Hold) {
	t.Helper()
	return faultyWorld(t, seed, link.FaultConfig{Sent: link.Faults{Drop: drop}})
}

// faultyWorld is lossyWorld with any faults at near's device.
func faultyWorld(t *testing.T, seed uint64, faults link.FaultConfig) (w *World, near, far *Host, h *hold.Hold) {
	t.Helper()
	faults.Seed = seed
	w = NewWorld(seed)
	a, b := wire.New(w.Clock(), &wire.Config{Rate: 100e6, Delay: time.Millisecond}, &wire.Config{Rate: 100e6})
	h = hold.New(link.NewFault(a, w.Clock(), &faults), w.Clock(), nil)
	addrs := func(last string) []netip.Prefix {
		return []netip.Prefix{netip.MustParsePrefix("10.0.0." + last + "/24"), netip.MustParsePrefix("fd00::" + last + "/64")}
	}
	near, err := w.NewHost(Config{Device: h, Addrs: addrs("1"), MinRTO: 10 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if far, err = w.NewHost(Config{Device: b, Addrs: addrs("2")}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, near, far, h
}

// Whatever is written to a UDP socket has left, was dropped, or waits, and what has left
// is what the other side has: datagrams of all sizes, in fragments or not, paced or not.
func TestDatagramsAreAccountedFor(t *testing.T) {
	for seed := range uint64(8) {
		for _, remote := range []string{"10.0.0.2:9", "[fd00::2]:9"} {
			for _, connected := range []bool{true, false} {
				w, near, far, h := lossyWorld(t, seed, 0.05)
				sink, err := far.ListenPacket("udp", ":9")
				if err != nil {
					t.Fatal(err)
				}
				var got Outgoing
				w.Go(func() {
					b := make([]byte, 1<<16)
					for {
						n, _, err := sink.ReadFrom(b)
						if err != nil {
							return
						}
						got.Left.Packets++
						got.Left.Bytes += int64(n)
					}
				})
				random := rand.New(rand.NewPCG(seed, 1))
				err = w.Run(func() {
					to := net.UDPAddrFromAddrPort(netip.MustParseAddrPort(remote))
					var c *UDPConn
					if connected {
						conn, err := near.Dial("udp", remote)
						if err != nil {
							t.Error(err)
							return
						}
						c = conn.(*UDPConn)
					} else {
						conn, err := near.ListenPacket("udp", ":0")
						if err != nil {
							t.Error(err)
							return
						}
						c = conn.(*UDPConn)
					}
					check := func() Outgoing {
						t.Helper()
						o, err := c.Outgoing(to)
						account, _ := c.ask(to)
						left, dropped, waiting := account.Counts()
						if err != nil || o.Left != left || o.Dropped != dropped || o.Waiting != waiting {
							t.Fatalf("seed %d, %s: %+v, and the account has left %v, dropped %v, waiting %v; %v", seed, remote, o, left, dropped, waiting, err)
						}
						return o
					}
					check()
					most := 0
					for i := range 300 {
						switch {
						case i%100 == 50:
							rate, _ := pacer.NewRate(int64(1e6+random.IntN(50e6)), pacer.Payload)
							if err := c.SetPacing(to, rate); err != nil {
								t.Error(err)
							}
						case i%100 == 0:
							if err := c.SetPacing(to, nil); err != nil {
								t.Error(err)
							}
						}
						n := 1 + random.IntN(6000)
						if _, err := c.send2(make([]byte, n), to); err != nil {
							t.Errorf("%d bytes: %v", n, err)
						}
						check()
						if random.IntN(10) == 0 {
							w.Sleep(time.Duration(random.IntN(3e6)))
						}
						most = max(most, h.Waiting())
					}
					if err := c.Drain(to, near.Now().Add(time.Minute)); err != nil {
						t.Error(err)
					}
					o := check()
					w.Sleep(time.Second)
					if o.Written.Packets != 300 || o.Waiting.Packets != 0 || o.Dropped.Packets == 0 || o.Left != got.Left {
						t.Errorf("seed %d, %s: %+v, and %+v have arrived", seed, remote, o, got.Left)
					}
					if most > 250 {
						t.Errorf("%d frames waited at once", most)
					}
				})
				if err != nil {
					t.Error(err)
				}
			}
		}
	}
}

// send2 is Write of a socket that is connected, and else WriteTo.
func (c *UDPConn) send2(b []byte, to net.Addr) (int, error) {
	if c.remote.IsValid() {
		return c.Write(b)
	}
	return c.WriteTo(b, to)
}

// A writer whose datagrams are sent in fragments is held back by what waits, as any other,
// without having asked for it.
func TestFragmentsHoldTheWriterBack(t *testing.T) {
	for _, remote := range []string{"10.0.0.2:9", "[fd00::2]:9"} {
		w, near, far, h := lossyWorld(t, 1, 0)
		sink, err := far.ListenPacket("udp", ":9")
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		w.Go(func() {
			b := make([]byte, 1<<16)
			for {
				if n, _, err := sink.ReadFrom(b); err != nil || n != 8000 {
					return
				}
				got++
			}
		})
		err = w.Run(func() {
			c, err := near.ListenPacket("udp", ":0")
			if err != nil {
				t.Error(err)
				return
			}
			start, most := near.Now(), 0
			for range 2000 {
				if _, err := c.WriteTo(make([]byte, 8000), net.UDPAddrFromAddrPort(netip.MustParseAddrPort(remote))); err != nil {
					t.Error(err)
					return
				}
				most = max(most, h.Waiting())
			}
			// # 16 MB at 100 Mbit/s, but for what may wait
			if d := near.Now().Sub(start); d < 1200*time.Millisecond || most > 200 {
				t.Errorf("%s: written within %v, and up to %d frames waited", remote, d, most)
			}
			w.Sleep(time.Second)
		})
		if err != nil || got != 2000 || h.Counters().Sent.Drops.Total() > 0 {
			t.Errorf("%s: %d of 2000 datagrams arrived, %d frames dropped, %v", remote, got, h.Counters().Sent.Drops.Total(), err)
		}
	}
}

// What is written to a connection has left and was acknowledged when Drain returns, however
// much is lost on the way and before it.
func TestDrain(t *testing.T) {
	for seed := range uint64(6) {
		for _, drop := range []float64{0, 0.03} {
			w, near, far, _ := lossyWorld(t, seed, drop)
			ln, err := far.Listen("tcp", ":80")
			if err != nil {
				t.Fatal(err)
			}
			got := int64(0)
			w.Go(func() {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				b := make([]byte, 1<<16)
				for err == nil {
					var n int
					n, err = c.Read(b)
					got += int64(n)
				}
			})
			err = w.Run(func() {
				conn, err := near.Dial("tcp", "10.0.0.2:80")
				if err != nil {
					t.Error(err)
					return
				}
				c := conn.(*TCPConn)
				if seed%2 == 1 {
					c.SetPacingRate(5e6, pacer.Payload)
				}
				random := rand.New(rand.NewPCG(seed, 2))
				total := int64(0)
				for range 5 {
					n := 1 + random.IntN(300e3)
					c.Write(make([]byte, n))
					total += int64(n)
					o := c.Outgoing()
					if o.Written.Bytes != total || o.Left.Bytes+o.Waiting.Bytes != total || o.Acknowledged > o.Left.Bytes {
						t.Errorf("seed %d: %+v after %d bytes", seed, o, total)
					}
					if err := c.Drain(near.Now().Add(time.Microsecond)); !errors.Is(err, os.ErrDeadlineExceeded) {
						t.Errorf("seed %d: within a microsecond: %v", seed, err)
					}
					if err := c.Drain(near.Now().Add(time.Hour)); err != nil {
						t.Errorf("seed %d: %v", seed, err)
					}
					if o := c.Outgoing(); o.Left.Bytes != total || o.Acknowledged != total || got != total {
						t.Errorf("seed %d: %+v after %d bytes, and %d have arrived", seed, o, total, got)
					}
				}
				// # nobody takes it any more
				w.Go(func() { w.Sleep(time.Second); c.Close() })
				far.Close()
				c.Write(make([]byte, 1000))
				if err := c.Drain(near.Now().Add(time.Hour)); !errors.Is(err, net.ErrClosed) {
					t.Errorf("seed %d: the connection was closed, and Drain says %v", seed, err)
				}
			})
			if err != nil {
				t.Error(fmt.Errorf("seed %d: %w", seed, err))
			}
		}
	}
}

// Drain hears of an acknowledgement that is of the data and of the FIN behind it, as it comes
// where those before it are lost, or where the peer delays them.
func TestDrainBehindCloseWrite(t *testing.T) {
	for seed := range uint64(10) {
		w, near, far, _ := faultyWorld(t, seed, link.FaultConfig{Received: link.Faults{Drop: 0.5}})
		ln, err := far.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		w.Go(func() {
			c, err := ln.Accept()
			for b := make([]byte, 1<<16); err == nil; {
				_, err = c.Read(b)
			}
		})
		err = w.Run(func() {
			conn, err := near.Dial("tcp", "10.0.0.2:80")
			if err != nil {
				t.Error(err)
				return
			}
			c := conn.(*TCPConn)
			c.Write(make([]byte, 10_000))
			c.CloseWrite()
			err = c.Drain(near.Now().Add(time.Minute))
			if o := c.Outgoing(); err != nil || o.Acknowledged != 10_000 || o.Left.Bytes != 10_000 {
				t.Errorf("seed %d: %v, %+v", seed, err, o)
			}
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// Of what was dropped, each byte leaves once, however it is cut when it is sent again, and
// wherever the sequence numbers wrap.
func TestGapsAreFilledByParts(t *testing.T) {
	for seed := range uint64(20) {
		random := rand.New(rand.NewPCG(seed, 3))
		first := pacer.Seq(random.Uint32())
		if seed%2 == 0 {
			first = -pacer.Seq(random.IntN(10_000))
		}
		o, total := &outgoing{left: first}, int64(0)
		const most = 20_000
		var has [most]bool
		end := 0
		for end < most-1500 {
			n := 1 + random.IntN(1500)
			left := random.IntN(3) > 0
			total += o.departed(first+pacer.Seq(end), first+pacer.Seq(end+n), left)
			for i := end; i < end+n; i++ {
				has[i] = left
			}
			end += n
		}
		for range 300 {
			at := random.IntN(end)
			n := 1 + random.IntN(min(1500, end-at))
			left := random.IntN(4) > 0
			total += o.departed(first+pacer.Seq(at), first+pacer.Seq(at+n), left)
			for i := at; i < at+n; i++ {
				has[i] = has[i] || left
			}
			want := int64(0)
			for i := range end {
				if has[i] {
					want++
				}
			}
			if total != want {
				t.Fatalf("seed %d: %d bytes have left, want %d", seed, total, want)
			}
		}
		total += o.departed(first, first+pacer.Seq(end), true)
		if total != int64(end) || len(o.lost) != 0 {
			t.Errorf("seed %d: %d of %d bytes have left, and there are still %v", seed, total, end, o.lost)
		}
	}
}

// Frames are dropped behind others that still wait, as a flow's bound does, and at the door,
// where nobody is told: each byte that leaves counts once all the same.
func TestDropsOutOfOrder(t *testing.T) {
	for seed := range uint64(50) {
		random := rand.New(rand.NewPCG(seed, 4))
		first := pacer.Seq(random.Uint32())
		o, total := &outgoing{left: first}, int64(0)
		depart := func(i int, left bool) { total += o.departed(first+pacer.Seq(100*i), first+pacer.Seq(100*i+100), left) }
		const frames = 200
		var waiting, again []int
		for i := range frames {
			switch random.IntN(4) {
			case 0: // the bound
				depart(i, false)
				again = append(again, i)
			case 1: // the door
				again = append(again, i)
			default:
				waiting = append(waiting, i)
			}
			for len(waiting) > random.IntN(20) {
				depart(waiting[0], true)
				waiting = waiting[1:]
			}
		}
		for _, i := range append(waiting, again...) {
			depart(i, true)
			depart(i, random.IntN(2) == 0)
		}
		if total != 100*frames || len(o.lost) != 0 {
			t.Errorf("seed %d: %d of %d bytes have left, and there are still %v", seed, total, 100*frames, o.lost)
		}
	}
}

// TestPacingBesideWriting changes the pacing of a UDP socket while another goroutine writes.
func TestPacingBesideWriting(t *testing.T) {
	clk := clock.NewReal()
	defer clk.Close()
	a, b := newCable(clk, 1500)
	b.Attach(&linktest.Collector{Clock: clk})
	h, err := New(clk, Config{Device: hold.New(a, clk, nil), Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	defer h.Close()
	conn, err := h.Dial("udp", "10.0.0.2:9")
	if err != nil {
		t.Fatal(err)
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		for range 5000 {
			if _, err := conn.Write(make([]byte, 100)); err != nil {
				t.Error(err)
			}
		}
	})
	for range 5000 {
		rate, _ := pacer.NewRate(1e9, pacer.Wire)
		if err := conn.(*UDPConn).SetPacing(nil, rate); err != nil {
			t.Error(err)
		}
	}
	writer.Wait()
}
