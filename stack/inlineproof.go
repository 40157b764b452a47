package stack

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// resting is how the hosts of a world are brought to rest.
type resting int

const (
	restProven resting = iota // inline if proveInline finds that it does the same, else by Pause
	restInline
	restPause
)

// restsInline tells how the world's hosts are brought to rest.
func (w *World) restsInline() bool {
	return w.resting == restInline || w.resting == restProven && inlineProven() == nil
}

// inlineProof is why this netstack cannot process segments inline; nil if it can.
var inlineProof struct {
	sync.Once
	err error
}

// inlineProven returns inlineProof, which is found out when the first world has its first
// host.
func inlineProven() error {
	inlineProof.Do(func() { inlineProof.err = proveInline() })
	return inlineProof.err
}

// proveInline compares the frames of a small world either way: there and back, with losses,
// to the end of the connection and after it.
func proveInline() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("stack: netstack's handleConnected is not what it was: %v", r)
		}
	}()
	paused, err := provenTrace(restPause)
	if err != nil {
		return err
	}
	inline, err := provenTrace(restInline)
	if err == nil && inline != paused {
		err = errors.New("stack: netstack's handleConnected does something else than its goroutine")
	}
	return err
}

// provenTrace returns the fingerprint of the small world.
func provenTrace(how resting) (trace string, err error) {
	w := NewWorld(1)
	w.resting = how
	defer w.Close()
	var r link.Recorder
	var hosts [2]*Host
	lines := newDelayLines(w.clk)
	for i, line := range lines {
		lossy := link.NewFault(line, w.clk, &link.FaultConfig{Seed: uint64(i), Sent: link.Faults{Drop: 0.02, Reorder: 0.02}})
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, 0, byte(i + 1)}), 24)
		hosts[i], err = w.NewHost(Config{Device: link.NewTrace(lossy, w.clk, &r), Addrs: []netip.Prefix{prefix}, MinRTO: 5 * time.Millisecond})
		if err != nil {
			return "", err
		}
	}
	l, err := hosts[1].Listen("tcp", ":1")
	if err != nil {
		return "", err
	}
	const size = 64 << 10
	var far error
	answered := w.Go(func() {
		c, err := l.Accept()
		if err == nil {
			_, err = io.ReadFull(c, make([]byte, size))
		}
		if err == nil {
			_, err = c.Write(make([]byte, size))
			c.Close()
		}
		far = err
	})
	var near error
	err = w.Run(func() {
		c, err := hosts[0].Dial("tcp", "10.0.0.2:1")
		if err == nil {
			_, err = c.Write(make([]byte, size))
		}
		if err == nil {
			_, err = io.Copy(io.Discard, c)
			c.Close()
		}
		near = err
		answered()
		w.Sleep(time.Second)
	})
	return r.Hash(), errors.Join(err, near, far)
}

// delayLine is one end of a line that delivers after 100 us.
type delayLine struct {
	link.Bottom
	clk     clock.Clock
	name    string
	peer    *delayLine
	above   link.Handler
	arrives []arrival
	timer   clock.Timer
	shut    bool
}

type arrival struct {
	frame *link.Frame
	at    clock.Time
}

func newDelayLines(clk clock.Clock) [2]*delayLine {
	a, b := &delayLine{clk: clk, name: "a"}, &delayLine{clk: clk, name: "b"}
	a.peer, b.peer = b, a
	for _, d := range []*delayLine{a, b} {
		d.timer = clk.AfterFunc(0, d.arrive)
	}
	return [2]*delayLine{a, b}
}

func (d *delayLine) Info() link.Info       { return link.Info{Name: d.name, MTU: 1500} }
func (d *delayLine) Attach(h link.Handler) { d.above = h }
func (d *delayLine) Close() error          { d.shut = true; return nil }

// Transmit implements link.Device.
func (d *delayLine) Transmit(frames []*link.Frame) (int, error) {
	if d.shut {
		return 0, net.ErrClosed
	}
	now, p := d.clk.Now(), d.peer
	at := now.Add(100 * time.Microsecond)
	for _, f := range frames {
		f.Left(now)
		if len(p.arrives) == 0 {
			p.timer.ResetAt(at)
		}
		p.arrives = append(p.arrives, arrival{f, at})
	}
	return len(frames), nil
}

func (d *delayLine) arrive() {
	for len(d.arrives) > 0 && !d.shut {
		first := d.arrives[0]
		if first.at > d.clk.Now() {
			d.timer.ResetAt(first.at)
			return
		}
		d.arrives = d.arrives[1:]
		d.above.Receive([]*link.Frame{first.frame})
	}
}
