package stack

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/cc"
)

// TestDialThatSucceedsIsNotPoisoned cancels the context of a Dial when it is connected
// already and has not returned: whatever follows from that comes after Dial has succeeded.
func TestDialThatSucceedsIsNotPoisoned(t *testing.T) {
	for _, deadline := range []time.Duration{0, time.Hour} {
		clk := clock.NewReal()
		a, b := newCable(clk, 1500)
		ctx, cancel := context.WithCancel(context.Background())
		if deadline > 0 {
			var end context.CancelFunc
			ctx, end = context.WithTimeout(ctx, deadline)
			defer end()
		}
		dialling := false
		near, err := New(clk, Config{Device: a, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")},
			Congestion: func() cc.Controller {
				if dialling { // the connection has been made, and is being given its controller
					cancel()
				}
				return new(cc.Cubic)
			}})
		if err != nil {
			t.Fatal(err)
		}
		far, err := New(clk, Config{Device: b, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := far.Listen("tcp", ":80"); err != nil {
			t.Fatal(err)
		}
		dialling = true
		c, err := near.DialContext(ctx, "tcp", "10.0.0.2:80")
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 { // whoever wants to hear of the end does
			runtime.Gosched()
		}
		if _, err := c.Write([]byte{1}); err != nil {
			t.Errorf("a dial succeeded, and a write fails: %v", err)
		}
		near.Close()
		far.Close()
		clk.Close()
	}
}

// TestDialReturnsTheContextsError ends dials to nobody in every way, in virtual and in real
// time.
func TestDialReturnsTheContextsError(t *testing.T) {
	check := func(t *testing.T, err, want error, timeout bool) {
		t.Helper()
		var op *net.OpError
		if !errors.Is(err, want) || errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &op) || op.Op != "dial" || op.Timeout() != timeout {
			t.Errorf("got %v, want %v", err, want)
		}
	}
	t.Run("virtual", func(t *testing.T) {
		w, near, _ := world(t, 1)
		bg := context.Background()
		err := w.Run(func() {
			start := near.Now()
			ctx, cancel := w.WithTimeout(bg, 20*time.Millisecond)
			_, err := near.DialContext(ctx, "tcp", "10.0.0.9:80")
			check(t, err, context.DeadlineExceeded, true)
			if d := near.Now().Sub(start); d != 20*time.Millisecond {
				t.Errorf("ended after %v", d)
			}
			cancel()
			// # cancelled by another process: a world's context, a child of one, and a plain one
			for _, make := range []func() (context.Context, context.CancelFunc){
				func() (context.Context, context.CancelFunc) { return w.WithTimeout(bg, time.Hour) },
				func() (context.Context, context.CancelFunc) {
					parent, cancel := w.WithTimeout(bg, time.Hour)
					child, stop := context.WithCancel(parent)
					return child, func() { cancel(); stop() }
				},
				func() (context.Context, context.CancelFunc) {
					parent, cancel := context.WithCancel(bg)
					child, _ := w.WithTimeout(parent, time.Hour)
					return child, cancel
				},
				func() (context.Context, context.CancelFunc) { // nobody asks those in between
					ctx, cancel := context.WithCancel(bg)
					for range 3 {
						ctx, _ = w.WithTimeout(ctx, time.Hour)
						child, stop := context.WithCancel(ctx)
						t.Cleanup(stop)
						ctx = child
					}
					return ctx, cancel
				},
				func() (context.Context, context.CancelFunc) { return context.WithCancel(bg) },
			} {
				ctx, cancel := make()
				start := near.Now()
				w.Go(func() { w.Sleep(7 * time.Millisecond); cancel() })
				_, err = near.DialContext(ctx, "tcp", "10.0.0.9:80")
				check(t, err, context.Canceled, false)
				if d := near.Now().Sub(start); d != 7*time.Millisecond {
					t.Errorf("ended after %v", d)
				}
				// # and one that has ended before
				_, err = near.DialContext(ctx, "tcp", "10.0.0.9:80")
				check(t, err, context.Canceled, false)
				if w.Sleep(1); len(w.parents) > 0 {
					t.Errorf("%d contexts that have ended are still looked after", len(w.parents))
				}
			}
		})
		if err != nil {
			t.Error(err)
		}
	})
	t.Run("real", func(t *testing.T) {
		near, _, stop := pair(t)
		defer stop()
		for range 20 {
			ctx, cancel := context.WithTimeout(context.Background(), time.Millisecond)
			_, err := near.DialContext(ctx, "tcp", "10.0.0.9:80")
			check(t, err, context.DeadlineExceeded, true)
			cancel()
			ctx, cancel = context.WithCancel(context.Background())
			go cancel()
			_, err = near.DialContext(ctx, "tcp", "10.0.0.9:80")
			check(t, err, context.Canceled, false)
		}
	})
}

func TestWorldContextIsAContext(t *testing.T) {
	w, near, _ := world(t, 1)
	type key struct{}
	parent := context.WithValue(context.Background(), key{}, 7)
	err := w.Run(func() {
		ctx, cancel := w.WithTimeout(parent, time.Second)
		child, stop := context.WithCancel(ctx)
		defer stop()
		earlier, _ := w.WithDeadline(ctx, near.Now().Add(time.Hour))
		if d, ok := earlier.Deadline(); !ok || !d.Equal(near.Now().Add(time.Second)) || earlier.Value(key{}) != 7 {
			t.Errorf("deadline %v, value %v", d, earlier.Value(key{}))
		}
		w.Sleep(time.Second - 1)
		if ctx.Err() != nil || child.Err() != nil {
			t.Errorf("ended early: %v, %v", ctx.Err(), child.Err())
		}
		w.Sleep(1)
		for _, c := range []context.Context{ctx, child, earlier} {
			if c.Err() != context.DeadlineExceeded || context.Cause(c) != context.DeadlineExceeded {
				t.Errorf("%v, cause %v", c.Err(), context.Cause(c))
			}
			select {
			case <-c.Done():
			default:
				t.Error("not done")
			}
		}
		cancel()
		past, _ := w.WithDeadline(parent, near.Now().Add(-1))
		if past.Err() != context.DeadlineExceeded {
			t.Errorf("a deadline that has passed: %v", past.Err())
		}
	})
	if err != nil {
		t.Error(err)
	}
}

// TestWorldRefusesTheMachinesDates takes deadlines made with time.Now, whose dates are of
// another clock, and takes all that a world's own code could mean.
func TestWorldRefusesTheMachinesDates(t *testing.T) {
	err := connected(t, func(w *World, near *Host, c *TCPConn, l *Listener) {
		for _, date := range []time.Time{time.Now(), time.Now().Add(time.Second), time.Now().UTC(), time.Now().Add(-time.Hour).Round(0)} {
			for _, set := range []func(time.Time) error{c.SetDeadline, c.SetReadDeadline, c.SetWriteDeadline, l.SetDeadline} {
				if err := set(date); !errors.Is(err, errWallClock) {
					t.Errorf("%v: %v", date, err)
				}
			}
		}
		for _, date := range []time.Time{{}, near.Now(), near.Now().Add(-time.Hour), near.Now().Add(10 * 365 * 24 * time.Hour),
			time.Unix(1, 0), near.Now().Local().Add(time.Hour)} {
			if err := c.SetDeadline(date); err != nil {
				t.Errorf("%v: %v", date, err)
			}
		}
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if _, err := near.DialContext(ctx, "tcp", "10.0.0.2:80"); !errors.Is(err, errWallClock) {
			t.Errorf("dial: %v", err)
		}
	})
	if err != nil {
		t.Error(err)
	}
}
