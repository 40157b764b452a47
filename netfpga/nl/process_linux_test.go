package nl

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/linktest"
)

// children are what the test binary can be instead of running tests. Each sends to the
// server of the namespace that it was started in.
var children = map[string]func(*Client) error{
	"stream": func(c *Client) error {
		return c.Stream(context.Background(), Window{}, packets(manyPackets, 0, 8))
	},
	"endless": func(c *Client) error {
		for {
			if err := c.Stream(context.Background(), Window{}, packets(1000, 0, 8)); err != nil {
				return err
			}
		}
	},
	// hasty sends and ends, without waiting for a mark.
	"hasty": func(c *Client) error {
		if _, err := c.Mark(context.Background()); err != nil {
			return err
		}
		return c.Send(context.Background(), list(packets(hastyPackets, 1000, 80_000)))
	},
}

const (
	manyPackets  = 100_000
	hastyPackets = 1000
)

func runChild(name string) int {
	c, err := Dial(Address{})
	if err == nil {
		err = children[name](c)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

type child struct {
	cmd  *exec.Cmd
	says bytes.Buffer
	done chan struct{}
	err  error // when it is done
}

// start starts a child in the test's namespace.
func start(t *testing.T, name string) *child {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	c := &child{cmd: linktest.Command(t, exe), done: make(chan struct{})}
	c.cmd.Env = append(os.Environ(), childVariable+"="+name)
	c.cmd.Stderr = &c.says
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		c.err = c.cmd.Wait()
		close(c.done)
	}()
	t.Cleanup(func() {
		c.cmd.Process.Kill()
		<-c.done
	})
	return c
}

func (c *child) ended() bool {
	select {
	case <-c.done:
		return true
	default:
		return false
	}
}

// Nothing is lost between processes, and nothing changes its place.
func TestTwoProcesses(t *testing.T) {
	r := newCard(t)
	c := start(t, "stream")
	r.until(c.ended)
	if c.err != nil {
		t.Fatalf("%v: %s", c.err, &c.says)
	}
	r.until(func() bool { return len(r.wire.left) == manyPackets })
	r.expect(manyPackets)
	if s := r.server.Stats(); s.Packets != manyPackets || s.Hits != manyPackets/100 || s.Lost+s.Refused+s.Gone != 0 {
		t.Errorf("%+v", s)
	}
}

// Of a sender that is killed its packets leave, its marks are forgotten, and others are
// served as if it had not been.
func TestKilledSender(t *testing.T) {
	r := newCard(t)
	c := start(t, "endless")
	r.until(func() bool { return len(r.wire.left) >= 5000 || c.ended() })
	r.wire.full = true
	r.until(func() bool { return r.stuck() || c.ended() })
	if c.ended() {
		t.Fatalf("%v: %s", c.err, &c.says)
	}
	before := r.server.Stats()
	if before.Marks == before.Hits {
		t.Error("no mark waits")
	}
	c.cmd.Process.Kill()
	r.until(c.ended)
	r.end = r.clk.Now().Add(2 * lookAfter)
	r.until(func() bool { return r.server.Stats().Gone == 1 })
	for port, p := range r.server.peers {
		if p.waiting() != 0 || p.sender != nil {
			t.Errorf("%d has %d marks", port, p.waiting())
		}
	}
	r.end = r.clk.Now().Add(4 * time.Second)
	r.wire.open()
	other := r.dial()
	defer other.Close()
	if err := r.while(func() error { return other.Stream(context.Background(), Window{}, packets(1000, 0, 8)) }); err != nil {
		t.Fatal(err)
	}
	after := r.server.Stats()
	r.until(func() bool { return uint64(len(r.wire.left)) == after.Packets })
	if after.Hits-before.Hits != 10 { // the other's
		t.Errorf("before %+v, after %+v", before, after)
	}
}

// Of one that ends before its packets were even read, every packet leaves at its time.
func TestHastySender(t *testing.T) {
	r := newCard(t)
	r.wire.full = true
	c := start(t, "hasty")
	r.until(c.ended)
	if c.err != nil {
		t.Fatalf("%v: %s", c.err, &c.says)
	}
	r.until(func() bool { return r.server.Stats().Stalls > 0 })
	r.wire.full = false
	r.wire.open()
	r.until(func() bool { return len(r.wire.left) == hastyPackets })
	r.expect(hastyPackets)
	for i, d := range r.wire.left[900:] {
		if want := int64(1000 + (900+i)*80_000); int64(d.at) != want {
			t.Fatalf("packet %d left at %v, want %d ns", 900+i, d.at, want)
		}
	}
}

// Senders that come and go do not fill the server up.
func TestManySenders(t *testing.T) {
	r := newCard(t)
	open := descriptors(t)
	for range 3 * maxPeers {
		c := r.dial()
		err := r.while(func() error {
			_, err := mark(c)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	if n := len(r.server.peers); n > maxPeers {
		t.Errorf("%d senders are kept", n)
	}
	if n := descriptors(t); n != open {
		t.Errorf("%d files are open, were %d", n, open)
	}
	// So many that live are too many.
	var last *socket
	for range maxPeers + 1 {
		last = r.raw()
		if err := last.send(Append(nil, Header{Type: Mark}, nil), DefaultPort, true); err != nil {
			t.Fatal(err)
		}
	}
	r.until(func() bool { return r.server.Stats().Refused == 1 })
	if _, refused := r.answers(last); len(refused) != 1 || refused[0].Code != NoRoom {
		t.Errorf("answered with %v", refused)
	}
}
