package iperf3

import (
	"bytes"
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"time"
)

// A localServer is a Server on a port of the loopback interface that the kernel chose.
type localServer struct {
	Server
	text bytes.Buffer
	addr string

	wait   func()
	err    error
	result *Result
}

// listenTwice is a KernelHost that has listened already.
type listenTwice struct {
	KernelHost
	ln net.Listener
}

func (h listenTwice) Listen(string, string) (net.Listener, error) { return h.ln, nil }

// serveLocal starts a server on the loopback address ip.
func serveLocal(t *testing.T, ip string, oneOff bool, format Format) *localServer {
	t.Helper()
	ln, err := net.Listen("tcp", net.JoinHostPort(ip, "0"))
	if err != nil {
		t.Skipf("no loopback address: %v", err)
	}
	s := &localServer{addr: ln.Addr().String()}
	s.Server = Server{
		Host: listenTwice{ln: ln}, Address: s.addr, OneOff: oneOff, Report: Report{Out: &s.text, Format: format},
		OnTest: func(r *Result, err error) {
			if r != nil {
				s.result = r
			}
			if err != nil {
				t.Logf("server: %v", err)
			}
		},
	}
	s.wait = KernelHost{}.Go(func() { s.err = s.Serve(context.Background()) })
	t.Cleanup(func() {
		s.Stop()
		s.wait()
	})
	return s
}

func TestKernel(t *testing.T) {
	for _, test := range []struct {
		name   string
		params Params
	}{
		{"tcp", Params{Bytes: 8 << 20}},
		{"tcp-reverse", Params{Bytes: 8 << 20, Reverse: true, NoDelay: true}},
		{"tcp-bidir", Params{Bytes: 8 << 20, Bidir: true}},
		{"tcp-parallel", Params{Blocks: 64, Streams: 3}},
		{"tcp-rate", Params{Bytes: 1 << 20, Bitrate: 100e6}},
		{"tcp-omit", Params{Duration: time.Second, Omit: time.Second, Bitrate: 100e6, GetServerOutput: true}},
		{"udp", Params{UDP: true, Blocks: 50, Bitrate: 10e6}},
		{"udp-reverse", Params{UDP: true, Blocks: 50, Bitrate: 10e6, Reverse: true}},
		{"udp-bidir", Params{UDP: true, Blocks: 50, Bitrate: 10e6, Bidir: true, UDPCounters64: true}},
		{"udp-parallel", Params{UDP: true, Blocks: 150, Streams: 3, Bitrate: 10e6}},
	} {
		for _, ip := range []string{"127.0.0.1", "::1"} {
			if test.params.Omit > 0 && ip == "::1" {
				continue // seconds, for nothing new
			}
			t.Run(test.name+"/"+ip, func(t *testing.T) {
				t.Parallel()
				s := serveLocal(t, ip, true, FormatText)
				var text bytes.Buffer
				intervals := 0
				c := Client{Host: KernelHost{}, Address: s.addr, Params: test.params, Report: Report{
					Out: &text, OnInterval: func(*Interval) { intervals++ },
				}}
				r, err := c.Run(context.Background())
				if err != nil {
					t.Fatal(err)
				}
				s.wait()
				if s.err != nil {
					t.Fatal(s.err)
				}
				if !strings.HasSuffix(text.String(), "\niperf Done.\n") || intervals == 0 {
					t.Errorf("%d intervals, and text:\n%s", intervals, &text)
				}
				p := test.params.complete(ip == "::1")
				want := max(p.Bytes, p.Blocks*int64(p.Length))
				got := max(r.End.SumSent.Bytes, r.End.SumReceived.Bytes)
				if p.Bidir {
					got = max(got, r.End.SumReceivedReverse.Bytes)
				}
				if got < want {
					t.Errorf("%d bytes passed, want %d", got, want)
				}
				if len(r.End.Streams) != p.streams() || len(r.Start.Connected) != p.streams() {
					t.Errorf("got %d streams, want %d", len(r.End.Streams), p.streams())
				}
				if p.GetServerOutput && !strings.Contains(r.ServerOutputText, "Accepted connection") {
					t.Errorf("server output: %q", r.ServerOutputText)
				}
				if rx := r.End.SumReceived; p.UDP && (rx.Loss == nil || *rx.Packets == 0 || rx.LostPackets < 0) {
					t.Errorf("received: %+v", rx)
				}
			})
		}
	}
}

// TestKernelTCPInfo checks that the kernel is asked the right questions.
func TestKernelTCPInfo(t *testing.T) {
	s := serveLocal(t, "127.0.0.1", true, FormatText)
	c := Client{Host: KernelHost{}, Address: s.addr, Params: Params{Bytes: 1 << 20}, Report: Report{Format: FormatJSON}}
	r, err := c.Run(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	m := r.Intervals[0].Streams[0]
	if m.SenderState == nil || m.Cwnd == 0 || m.PMTU == 0 || *r.Start.MSS == 0 || r.Start.SendBuffer == 0 || r.End.SenderCongestion == "" {
		t.Errorf("start %+v, interval %+v, end %+v", r.Start, m, r.End)
	}
}

func TestKernelInterrupted(t *testing.T) {
	for _, reverse := range []bool{false, true} {
		s := serveLocal(t, "127.0.0.1", true, FormatText)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		c := Client{Host: KernelHost{}, Address: s.addr, Params: Params{Reverse: reverse}, Report: Report{
			Interval: 100 * time.Millisecond, OnInterval: func(*Interval) { cancel() },
		}}
		r, err := c.Run(ctx)
		if !errors.Is(err, ErrInterrupted) || r.Error != "interrupt - the client has terminated" {
			t.Errorf("got %v and %q", err, r.Error)
		}
		if r.End.SumSent == nil {
			t.Error("there is no summary")
		}
		s.wait()
		if s.err == nil || !strings.Contains(s.err.Error(), "the client has terminated") {
			t.Errorf("server: %v", s.err)
		}
	}
}

func TestKernelServerInterrupted(t *testing.T) {
	s := serveLocal(t, "127.0.0.1", false, FormatText)
	c := Client{Host: KernelHost{}, Address: s.addr, Params: Params{}, Report: Report{
		Interval: 100 * time.Millisecond, OnInterval: func(*Interval) { s.Stop() },
	}}
	_, err := c.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "the server has terminated") {
		t.Errorf("client: %v", err)
	}
	s.wait()
	if !errors.Is(s.err, ErrInterrupted) {
		t.Errorf("server: %v", s.err)
	}
}

// TestKernelRepeatedly runs one test after another without a pause: none must find the
// server busy with the one before.
func TestKernelRepeatedly(t *testing.T) {
	s := serveLocal(t, "127.0.0.1", false, FormatText)
	for i := range 30 {
		c := Client{Host: KernelHost{}, Address: s.addr, Params: Params{UDP: i%2 == 1, Blocks: 1, Bitrate: Unlimited}}
		if _, err := c.Run(context.Background()); err != nil {
			t.Fatalf("test %d: %v", i, err)
		}
	}
}

func TestKernelRefused(t *testing.T) {
	c := Client{Host: KernelHost{}, Address: freePort(t, "127.0.0.1")}
	r, err := c.Run(context.Background())
	if err == nil || !strings.Contains(err.Error(), "nothing listens there: ") || r.Error == "" {
		t.Errorf("got %v and %q", err, r.Error)
	}
}
