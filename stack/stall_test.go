package stack

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/cc"
)

// TestWorldDeadlockNamesWhoWaits has Run end, also while other processes go on and on, and
// say which process waits in which call.
func TestWorldDeadlockNamesWhoWaits(t *testing.T) {
	for _, test := range []struct {
		name   string
		ticker func(w *World, h *Host)
	}{
		{"nobody else", func(*World, *Host) {}},
		{"one who sleeps for ever", func(w *World, h *Host) {
			for {
				w.Sleep(time.Second)
			}
		}},
		{"one whose reads time out", func(w *World, h *Host) {
			c, _ := h.ListenPacket("udp", ":10")
			for {
				c.SetReadDeadline(h.Now().Add(time.Second))
				c.ReadFrom(make([]byte, 1))
			}
		}},
		{"one who writes to nobody", func(w *World, h *Host) {
			c, _ := h.Dial("udp", "10.0.0.1:10")
			for {
				c.Write([]byte{1})
				w.Sleep(10 * time.Second)
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			w, _, far := world(t, 1)
			w.Go(func() { test.ticker(w, far) })
			c, err := far.ListenPacket("udp", ":9")
			if err != nil {
				t.Fatal(err)
			}
			reader := w.Go(func() { c.ReadFrom(make([]byte, 1)) })
			// # main waits for the reader, for whom nothing ever comes
			err = w.Run(reader)
			if !errors.Is(err, ErrDeadlock) {
				t.Fatalf("got %v", err)
			}
			for _, want := range []string{
				"func5.2 waits in (*UDPConn).ReadFrom, called by stack.TestWorldDeadlockNamesWhoWaits.func5.2 (stall_test.go:",
				"stack.(*World).Go.func1 waits in (*World).Go.func1",
			} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("the report lacks %q:\n%v", want, err)
				}
			}
			if now := w.Clock().Now().Sub(0); now > patience+time.Minute {
				t.Errorf("told after %v", now)
			}
		})
	}
}

// TestWorldIsPatient has a world that goes on for longer than Patience and is no deadlock.
func TestWorldIsPatient(t *testing.T) {
	w, near, far := world(t, 1)
	w.Patience = time.Minute
	c, err := far.ListenPacket("udp", ":9")
	if err != nil {
		t.Fatal(err)
	}
	reader := w.Go(func() { c.ReadFrom(make([]byte, 1)) })
	err = w.Run(func() {
		w.Sleep(time.Hour) // # main sleeps
		sleeper := w.Go(func() { w.Sleep(time.Hour) })
		sleeper() // # main waits for one who sleeps
		d, _ := near.Dial("udp", "10.0.0.2:9")
		d.Write([]byte{1})
		reader() // # and for one who is woken
	})
	if err != nil {
		t.Error(err)
	}
}

// TestWorldTellsOfAGoChannel has a process wait for something that is not of the world.
func TestWorldTellsOfAGoChannel(t *testing.T) {
	w, _, _ := world(t, 1)
	w.StallLimit = time.Millisecond
	c, told := make(chan int), make(chan string, 1)
	w.onStall = func(report string) { told <- report; c <- 1 }
	if err := w.Run(func() { <-c }); err != nil {
		t.Error(err)
	}
	report := <-told
	for _, want := range []string{"[chan receive]", "at stack.TestWorldTellsOfAGoChannel.func2 (stall_test.go:", "StallLimit"} {
		if !strings.Contains(report, want) {
			t.Errorf("the report lacks %q:\n%s", want, report)
		}
	}
}

// TestWorldNamesTheFirstGoroutine has a process that started several goroutines: the report is
// the same every time.
func TestWorldNamesTheFirstGoroutine(t *testing.T) {
	end := make(chan int)
	defer close(end)
	var first string
	for range 10 {
		w, _, far := world(t, 1)
		l, err := far.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		err = w.Run(func() {
			go func() { <-end }()
			go func() { <-end }()
			go func() { <-end }()
			go func() { <-end }()
			l.Accept()
		})
		if err == nil || !strings.Contains(err.Error(), "it started a goroutine in ") {
			t.Fatalf("got %v", err)
		}
		if first == "" {
			first = err.Error()
		}
		if err.Error() != first {
			t.Fatalf("got %v, and before that %v", err, first)
		}
	}
}

// TestWatchdogIsStopped stops one that looks just then.
func TestWatchdogIsStopped(t *testing.T) {
	w, _, _ := world(t, 1)
	d := &watchdog{world: w, limit: time.Hour}
	timer := time.AfterFunc(time.Hour, func() {})
	d.timer = timer
	d.look()
	if !timer.Stop() {
		t.Error("it looks only once")
	}
	timer.Reset(time.Hour)
	d.stop()
	d.look()
	if timer.Stop() {
		t.Error("it looks again")
	}
}

// TestWorldRefusesOtherGoroutines has net/http's Server, whose connections have goroutines
// of their own, inside a world.
func TestWorldRefusesOtherGoroutines(t *testing.T) {
	w, near, far := world(t, 1)
	l, err := far.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{}
	w.Go(func() { server.Serve(l) })
	err = w.Run(func() {
		c, err := near.Dial("tcp", "10.0.0.2:80")
		if err != nil {
			t.Error(err)
			return
		}
		c.Write([]byte("GET / HTTP/1.0\r\n\r\n"))
		c.Read(make([]byte, 100))
	})
	// # whether it has called already, or is about to
	switch {
	case errors.Is(err, ErrOutside):
		if !strings.Contains(err.Error(), "(*TCPConn).") || !strings.Contains(err.Error(), "called by http.(*") {
			t.Errorf("got %v", err)
		}
	case !errors.Is(err, ErrDeadlock) || !strings.Contains(err.Error(), "it started a goroutine in http.(*Server).Serve (server.go:"):
		t.Errorf("got %v", err)
	}
	if err != nil && !strings.Contains(err.Error(), "World.Go") {
		t.Errorf("no hint in %v", err)
	}
}

// TestWorldRefusesEveryCallFromOutside has another goroutine make every call while a process
// runs.
func TestWorldRefusesEveryCallFromOutside(t *testing.T) {
	err := connected(t, func(w *World, near *Host, c *TCPConn, l *Listener) {
		u, err := near.ListenPacket("udp", ":9")
		if err != nil {
			t.Error(err)
			return
		}
		calls := map[string]func() error{
			"Dial":             func() error { _, err := near.Dial("tcp", "10.0.0.2:80"); return err },
			"Listen":           func() error { _, err := near.Listen("tcp", ":1"); return err },
			"ListenPacket":     func() error { _, err := near.ListenPacket("udp", ":1"); return err },
			"Accept":           func() error { _, err := l.Accept(); return err },
			"Listener.Close":   l.Close,
			"Read":             func() error { _, err := c.Read(make([]byte, 1)); return err },
			"Write":            func() error { _, err := c.Write(make([]byte, 1)); return err },
			"CloseWrite":       c.CloseWrite,
			"SetNoDelay":       func() error { return c.SetNoDelay(true) },
			"SetDeadline":      func() error { return c.SetDeadline(time.Time{}) },
			"Close":            c.Close,
			"ReadFrom":         func() error { _, _, err := u.ReadFrom(nil); return err },
			"WriteTo":          func() error { _, err := u.WriteTo(nil, u.LocalAddr()); return err },
			"PacketConn.Close": u.Close,
			"Host.Close":       near.Close,
			"SetPacing":        func() error { return c.SetPacing(nil) },
			"SetPacingRate":    func() error { return c.SetPacingRate(1e6, pacer.Wire) },
			"SetCongestion":    func() error { return c.SetCongestion(new(cc.Reno)) },
			"Drain":            func() error { return c.Drain(near.Now()) },
			"UDP Outgoing":     func() error { _, err := u.(*UDPConn).Outgoing(u.LocalAddr()); return err },
			"UDP Drain":        func() error { return u.(*UDPConn).Drain(u.LocalAddr(), near.Now()) },
			"Sleep": func() (err error) {
				defer func() { err, _ = recover().(error) }()
				w.Sleep(1)
				return nil
			},
		}
		for name, call := range calls {
			got := make(chan error)
			go func() { got <- call() }()
			if err := <-got; !errors.Is(err, ErrOutside) {
				t.Errorf("%s: %v", name, err)
			}
		}
		// # for the process itself all is as it was
		if _, err := c.Write([]byte{1}); err != nil {
			t.Error(err)
		}
		w.Sleep(1)
	})
	if !errors.Is(err, ErrOutside) {
		t.Errorf("run: %v", err)
	}
}
