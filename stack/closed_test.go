package stack

import (
	"errors"
	"io"
	"net"
	"syscall"
	"testing"
	"time"
)

func TestPortInUse(t *testing.T) {
	_, near, _ := world(t, 1)
	open := func(network, address string) error {
		var err error
		if network[0] == 't' {
			_, err = near.Listen(network, address)
		} else {
			_, err = near.ListenPacket(network, address)
		}
		return err
	}
	for _, test := range []struct {
		network, address string
		taken            bool
	}{
		{"udp", ":9", false}, {"udp", ":9", true}, {"udp4", ":9", true}, {"udp6", ":9", true}, {"udp", "10.0.0.1:9", true},
		{"udp4", "10.0.0.1:10", false}, {"udp", "10.0.0.1:10", true}, {"udp", ":10", true}, {"udp6", ":10", false},
		{"tcp", ":9", false}, {"tcp", ":9", true}, {"tcp4", "10.0.0.1:9", true}, {"tcp", ":10", false},
		{"tcp4", "10.0.0.1:11", false}, {"tcp", "[::]:11", true}, {"tcp6", ":11", false}, {"tcp4", "10.0.0.1:11", true}, {"tcp", ":0", false}, {"tcp", ":0", false},
	} {
		err := open(test.network, test.address)
		if test.taken != errors.Is(err, syscall.EADDRINUSE) || !test.taken && err != nil {
			t.Errorf("%s %s: taken %v, got %v", test.network, test.address, test.taken, err)
		}
	}
}

// TestClosedHost has everything that waits in a host's sockets, and all that is called
// later, return net.ErrClosed.
func TestClosedHost(t *testing.T) {
	// calls returns what is called on a host's sockets, each from its own goroutine, and
	// blocks until the host is closed.
	calls := func(t *testing.T, near, far *Host) map[string]func() error {
		l, err := near.Listen("tcp", ":80")
		if err != nil {
			t.Fatal(err)
		}
		u, err := near.ListenPacket("udp", ":9")
		if err != nil {
			t.Fatal(err)
		}
		d, err := near.Dial("udp", "10.0.0.2:9")
		if err != nil {
			t.Fatal(err)
		}
		return map[string]func() error{
			"accept":   func() error { _, err := l.Accept(); return err },
			"readfrom": func() error { _, _, err := u.ReadFrom(make([]byte, 1)); return err },
			"read":     func() error { _, err := d.Read(make([]byte, 1)); return err },
			"dial":     func() error { _, err := near.Dial("tcp", "10.0.0.9:80"); return err },
			"stream": func() error {
				c, err := near.Dial("tcp", "10.0.0.2:80")
				if err != nil {
					return err
				}
				if _, err = io.Copy(io.Discard, c); err == nil {
					err = io.EOF
				}
				return err
			},
			"full": func() error {
				c, err := near.Dial("tcp", "10.0.0.2:80")
				for err == nil { // nobody reads
					_, err = c.Write(make([]byte, 1<<16))
				}
				return err
			},
		}
	}
	after := func(t *testing.T, near *Host, l map[string]func() error) {
		_, dial := near.Dial("tcp", "10.0.0.2:80")
		_, dialUDP := near.Dial("udp", "10.0.0.2:80")
		_, listen := near.Listen("tcp", ":81")
		_, packets := near.ListenPacket("udp", ":81")
		for name, err := range map[string]error{"dial": dial, "dial udp": dialUDP, "listen": listen, "listen packet": packets,
			"accept": l["accept"](), "readfrom": l["readfrom"](), "read": l["read"]()} {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s after close: %v", name, err)
			}
		}
	}
	t.Run("virtual", func(t *testing.T) {
		w, near, far := world(t, 1)
		if _, err := far.Listen("tcp", ":80"); err != nil {
			t.Fatal(err)
		}
		all := calls(t, near, far)
		ended := map[string]error{}
		var waits []func()
		for name, call := range all {
			waits = append(waits, w.Go(func() { ended[name] = call() }))
		}
		err := w.Run(func() {
			w.Sleep(100 * time.Millisecond)
			if len(ended) > 0 {
				t.Errorf("ended before: %v", ended)
			}
			near.Close()
			for _, wait := range waits {
				wait()
			}
			after(t, near, all)
		})
		if err != nil {
			t.Error(err)
		}
		for name, err := range ended {
			if !errors.Is(err, net.ErrClosed) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
	t.Run("real", func(t *testing.T) {
		near, far, stop := pair(t)
		defer stop()
		if _, err := far.Listen("tcp", ":80"); err != nil {
			t.Fatal(err)
		}
		all := calls(t, near, far)
		type result struct {
			name string
			err  error
		}
		ended := make(chan result)
		for name, call := range all {
			go func() { ended <- result{name, call()} }()
		}
		near.Close() // whether they wait already or are about to
		for range all {
			select {
			case r := <-ended:
				if !errors.Is(r.err, net.ErrClosed) {
					t.Errorf("%s: %v", r.name, r.err)
				}
			case <-time.After(20 * time.Second):
				t.Fatal("a call still waits in a closed host")
			}
		}
		after(t, near, all)
	})
}

// TestAcceptPassesOverResets has a peer connect and reset, before anybody accepts and in
// between, and a server that ends on the first error go on.
func TestAcceptPassesOverResets(t *testing.T) {
	w, near, far := world(t, 1)
	l, err := far.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	reset := func(n int) {
		for range n {
			c, err := near.Dial("tcp", "10.0.0.2:80")
			if err != nil {
				t.Error(err)
				return
			}
			c.(*TCPConn).Abort()
		}
	}
	accepted := 0
	err = w.Run(func() {
		reset(20)
		server := w.Go(func() {
			for {
				c, err := l.Accept()
				if err != nil {
					if !errors.Is(err, net.ErrClosed) {
						t.Errorf("accept: %v", err)
					}
					return
				}
				c.Read(make([]byte, 1))
				c.Close()
				accepted++
			}
		})
		for range 10 {
			reset(3)
			c, err := near.Dial("tcp", "10.0.0.2:80")
			if err != nil {
				t.Error(err)
				return
			}
			c.Write([]byte{1})
			c.Read(make([]byte, 1))
			c.Close()
		}
		w.Sleep(time.Second)
		l.Close()
		server()
	})
	if err != nil || accepted < 10 {
		t.Errorf("%d of 10 connections were accepted, %v", accepted, err)
	}
}
