package stack

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer"
)

// holes is a device that loses the segment with given first byte numbers of each flow.
type holes struct {
	link.Device
	from  map[pacer.Flow]pacer.Seq // the first number that was sent
	after int                      // bytes that pass before the hole
	sent  map[pacer.Flow]int       // bytes beyond the hole, the farthest
}

func (h *holes) Transmit(frames []*link.Frame) (int, error) {
	for i, f := range frames {
		seg, ok := pacer.ParseSegment(f.Bytes())
		if ok && seg.Payload > 0 {
			first, known := h.from[f.Flow]
			if !known {
				first = seg.Seq
				h.from[f.Flow] = first
			}
			h.sent[f.Flow] = max(h.sent[f.Flow], seg.End().From(first))
			if at := seg.Seq.From(first); at <= h.after && at+seg.Payload > h.after {
				f.Left(0)
				f.Free()
				continue
			}
		}
		if n, err := h.Device.Transmit(frames[i : i+1]); err != nil {
			return i + n, err
		}
	}
	return len(frames), nil
}

// TestHolesAreCheap has peers of which a segment never arrives send all that they may: what
// the receiver keeps is in proportion to what its application has read.
func TestHolesAreCheap(t *testing.T) {
	for _, after := range []int{0, 37, 20_000, 300_000} {
		w := NewWorld(1)
		a, b := newCable(w.Clock(), 1500)
		h := &holes{Device: a, from: map[pacer.Flow]pacer.Seq{}, sent: map[pacer.Flow]int{}, after: after}
		near, err := w.NewHost(Config{Device: h, Addrs: hostAddrs(1)})
		if err != nil {
			t.Fatal(err)
		}
		far, err := w.NewHost(Config{Device: b, Addrs: hostAddrs(2)})
		if err != nil {
			t.Fatal(err)
		}
		got := sink(t, w, far)
		const conns = 5
		for i := range conns {
			w.Go(func() {
				c, err := near.Dial("tcp", []string{"10.0.0.2:80", "[fd00::2]:80"}[i%2])
				if err != nil {
					t.Error(err)
					return
				}
				for err == nil {
					_, err = c.Write(make([]byte, 1<<16))
				}
			})
		}
		w.RunFor(3 * time.Second)
		if *got > int64(conns*after) {
			t.Errorf("%d bytes were read, and %d were sent before the holes", *got, conns*after)
		}
		most := 0
		for _, n := range h.sent {
			most = max(most, n-after)
		}
		if limit := max(firstReceive/2, receiveGrowth*after); most > limit || len(h.sent) != conns {
			t.Errorf("behind a hole after %d bytes %d were sent, want at most %d", after, most, limit)
		}
		w.Close()
	}
}

// TestReceiveBuffers opens, reads and closes at random: all together stay within the budget,
// nobody has less than at the beginning, and one that is alone gets all.
func TestReceiveBuffers(t *testing.T) {
	for seed := range uint64(4) {
		rng := rand.New(rand.NewPCG(seed, 0))
		r := receiveBuffers{most: 8 << 20}
		var open []*receiveBuffer
		for range 5000 {
			switch k := rng.IntN(4); {
			case k == 0 || len(open) == 0:
				b := r.begin(rng.IntN(8) != 0)
				open = append(open, &b)
			case k == 1 && rng.IntN(2) == 0:
				i := rng.IntN(len(open))
				r.end(open[i])
				open = append(open[:i], open[i+1:]...)
			default:
				r.took(open[rng.IntN(len(open))], rng.IntN(1<<21))
			}
			total, accepted := 0, 0
			for _, b := range open {
				if b.size < firstReceive || b.size > r.most {
					t.Fatalf("a buffer of %d", b.size)
				}
				if b.counted {
					total += b.size
					accepted++
				}
			}
			if total != r.total || r.open != accepted || total > receiveBudgetOf*r.most+accepted*firstReceive {
				t.Fatalf("%d bytes of %d connections, counted %d of %d", total, accepted, r.total, r.open)
			}
		}
		for _, b := range open {
			r.end(b)
		}
		b := r.begin(true)
		for read := 0; b.size < r.most; read += 1448 {
			if b.size < 4*read {
				t.Fatalf("%d bytes were read, and the buffer has %d", read, b.size)
			}
			r.took(&b, 1448)
		}
		r.end(&b)
		if r.total != 0 || r.open != 0 {
			t.Errorf("%d bytes of %d connections are left", r.total, r.open)
		}
	}
}

// TestDialledLeaveRoom has more dialled connections than the budget has buffers of the
// largest size: those that were accepted grow all the same, to their share.
func TestDialledLeaveRoom(t *testing.T) {
	r := receiveBuffers{most: 8 << 20}
	for range receiveBudgetOf + 31 {
		r.begin(false)
	}
	var accepted [receiveBudgetOf]receiveBuffer
	for i := range accepted {
		accepted[i] = r.begin(true)
	}
	for i := range accepted {
		for range 1000 {
			r.took(&accepted[i], 1<<20)
		}
		if accepted[i].size != r.most {
			t.Errorf("a buffer of %d bytes, want %d", accepted[i].size, r.most)
		}
	}
}

// far20 is a world of two hosts at 1 Gbit/s, 20 ms apart.
func far20(t *testing.T) (w *World, near, far *Host) {
	w = NewWorld(1)
	c := &wire.Config{Rate: 1e9, Delay: 10 * time.Millisecond, QueueFrames: 4000}
	a, b := wire.New(w.Clock(), c, c)
	var err error
	if near, err = w.NewHost(Config{Device: a, Addrs: hostAddrs(1)}); err != nil {
		t.Fatal(err)
	}
	if far, err = w.NewHost(Config{Device: b, Addrs: hostAddrs(2)}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, near, far
}

// TestSlowStartIsNotLimited has an accepted connection receive as a dialled one does, whose
// buffer is large from the beginning.
func TestSlowStartIsNotLimited(t *testing.T) {
	var times []string
	for _, accepted := range []bool{true, false} {
		w, near, far := far20(t)
		var took time.Duration
		l, err := near.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		send := func(c interface{ Write([]byte) (int, error) }) {
			for range 64 {
				c.Write(make([]byte, 1<<18))
			}
		}
		receive := func(h *Host, c interface{ Read([]byte) (int, error) }) {
			var start time.Time
			b := make([]byte, 1<<16)
			for n := 0; n < 64<<18; {
				k, err := c.Read(b)
				if n == 0 {
					start = h.Now()
				}
				if n += k; err != nil {
					t.Error(err)
					return
				}
			}
			took = h.Now().Sub(start)
		}
		done := w.Go(func() {
			c, err := l.Accept()
			if err != nil {
				t.Error(err)
				return
			}
			if accepted {
				receive(near, c)
			} else {
				send(c)
			}
		})
		err = w.Run(func() {
			c, err := far.Dial("tcp", "10.0.0.1:80")
			if err != nil {
				t.Error(err)
				return
			}
			if accepted {
				send(c)
				done()
			} else {
				receive(far, c)
			}
		})
		if err != nil {
			t.Error(err)
		}
		times = append(times, fmt.Sprint(took))
	}
	if times[0] != times[1] {
		t.Errorf("accepted %s, dialled %s", times[0], times[1])
	}
}
