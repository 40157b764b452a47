package stack

import (
	"bufio"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"
)

// world makes two hosts in virtual time with a cable between them.
func world(t testing.TB, seed uint64) (w *World, near, far *Host) {
	t.Helper()
	w = NewWorld(seed)
	a, b := newCable(w.Clock(), 1500)
	near, err := w.NewHost(Config{Device: a, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		t.Fatal(err)
	}
	far, err = w.NewHost(Config{Device: b, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.Close() })
	return w, near, far
}

// connected runs f in a world, with a connection from near to a listener of far.
func connected(t *testing.T, f func(w *World, near *Host, c *TCPConn, l *Listener)) error {
	t.Helper()
	w, near, far := world(t, 1)
	l, err := far.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	return w.Run(func() {
		c, err := near.Dial("tcp", "10.0.0.2:80")
		if err != nil {
			t.Error(err)
			return
		}
		f(w, near, c.(*TCPConn), l.(*Listener))
	})
}

func TestWorldHTTP(t *testing.T) {
	w, near, far := world(t, 1)
	l, err := far.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	w.Go(func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			t.Error(err)
			return
		}
		resp := http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Request: r,
			Body: io.NopCloser(strings.NewReader("hello " + r.URL.Path)), ContentLength: -1, Close: true}
		resp.Write(c)
	})
	var body []byte
	err = w.Run(func() {
		c, err := near.Dial("tcp", "10.0.0.2:80")
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		r, _ := http.NewRequest("GET", "http://far/index", nil)
		r.Write(c)
		resp, err := http.ReadResponse(bufio.NewReader(c), r)
		if err != nil {
			t.Error(err)
			return
		}
		body, err = io.ReadAll(resp.Body)
		if err != nil {
			t.Error(err)
		}
	})
	if err != nil || string(body) != "hello /index" {
		t.Errorf("body %q, %v", body, err)
	}
}

func TestWorldDeadlineAndSleep(t *testing.T) {
	w, near, _ := world(t, 1)
	start := near.Now()
	err := w.Run(func() {
		// # nobody sends: a read gives up after one virtual second
		c, err := near.ListenPacket("udp", ":9")
		if err != nil {
			t.Error(err)
			return
		}
		c.SetReadDeadline(near.Now().Add(time.Second))
		_, _, err = c.ReadFrom(make([]byte, 1))
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read: %v", err)
		}
		if d := near.Now().Sub(start); d != time.Second {
			t.Errorf("gave up after %v", d)
		}
		w.Sleep(time.Hour)
		if d := near.Now().Sub(start); d != time.Hour+time.Second {
			t.Errorf("woke after %v", d)
		}
	})
	if err != nil {
		t.Error(err)
	}
}

func TestWorldBlocksNobodyOutsideProcesses(t *testing.T) {
	w, near, far := world(t, 1)
	l, err := far.Listen("tcp", ":80")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.Accept(); !errors.Is(err, ErrWouldBlock) {
		t.Fatalf("accept without a process: %v", err)
	}
	// # by callbacks: accept when the listener says that it may be ready
	var accepted net.Conn
	accept := w.Clock().AfterFunc(0, func() {
		if c, err := l.Accept(); err == nil {
			accepted = c
		}
	})
	stop := l.(*Listener).Notify(func() { accept.Reset(0) })
	defer stop()
	err = w.Run(func() {
		if _, err := near.Dial("tcp", "10.0.0.2:80"); err != nil {
			t.Error(err)
		}
		w.Sleep(time.Millisecond)
	})
	if err != nil || accepted == nil {
		t.Errorf("accepted %v, %v", accepted, err)
	}
}

// TestWorldEndsManyProcesses has so many processes wait at the end that the list of them is
// cleared up while they are ended.
func TestWorldEndsManyProcesses(t *testing.T) {
	w, _, _ := world(t, 1)
	ended := 0
	for range 100 {
		w.Go(func() {
			defer func() { ended++ }()
			w.Sleep(time.Hour)
		})
	}
	w.RunFor(time.Second)
	w.Close()
	if ended != 100 {
		t.Errorf("%d of 100 processes have ended", ended)
	}
}
