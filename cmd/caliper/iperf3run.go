package main

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/netcaliper/caliper/cmd/caliper/internal/iperf3"
	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/stack/testbed"
)

// findings gathers what was written down of a test that is over. What comes next, on a
// server, is another test's.
func (t *iperf3Test) findings(b *testbed.Testbed, pacer, congestion string) *findings {
	f := t.setup.findings(pacer)
	f.Congestion, f.MinRTO = congestion, float64(t.minRTO)/1e6
	senders := []*testbed.Host{b.Host("near")}
	if far := b.Host("far"); far != nil && far.Hold != nil || far != nil && t.params.Reverse {
		senders = append(senders, far)
		if t.params.Reverse {
			senders = senders[1:]
		}
	}
	b.Do(func() {
		f.counted, t.dropped = count(b, t.dropped, senders...)
		for _, h := range senders {
			d := h.Departures()
			*d = link.Departures{Tick: d.Tick, Software: d.Software}
		}
	})
	return &f
}

// effectiveRate is the rate that the test ran at, where iperf3 has a default.
func (t *iperf3Test) effectiveRate() int64 {
	if t.params.Bitrate == 0 && t.params.UDP {
		return iperf3.DefaultUDPRate
	}
	return t.params.Bitrate
}

func pacerName(bitrate int64) string {
	if bitrate <= 0 {
		return "none"
	}
	return fmt.Sprintf("rate %sbit/s of payload a stream", pacer.FormatRate(bitrate))
}

// clientPacer names who asks for the departures of the data of a client's test.
func (t *iperf3Test) clientPacer() string {
	switch {
	case t.setup.port.kind != "wire" && t.params.Reverse:
		return "none: the other side sends"
	case t.unpaced:
		return "none"
	case t.policy.String() != "none":
		return t.policy.String()
	case t.params.Congestion == "bbr":
		return "delivery"
	}
	return pacerName(t.effectiveRate())
}

// serverPacer is clientPacer for a server's test.
func (t *iperf3Test) serverPacer(r *iperf3.Result) string {
	switch {
	case t.policy.String() != "none" && r.Paced:
		return t.policy.String()
	case !r.Paced || r.Start.TestStart == nil:
		return "none"
	}
	return pacerName(r.Start.TestStart.TargetBitrate)
}

// test runs a client.
func (t *iperf3Test) test(b *testbed.Testbed, signalled context.Context) error {
	client := &iperf3.Client{
		Host: t.host(b, "near"), Address: t.address, Family: t.family,
		Params: t.params, Report: t.report, ConnectTimeout: t.timeout,
	}
	var result *iperf3.Result
	var err error
	if b.World() != nil {
		result, err = t.inWorld(b, client, signalled)
	} else {
		result, err = client.Run(signalled)
		if lost := lost(b); lost != nil && err != nil { // which is why the peer went silent
			err, result.Error = lost, lost.Error()
		}
	}
	congestion := result.Congestion
	if t.params.Reverse && b.World() != nil { // far is ours, too
		congestion = result.End.SenderCongestion
	}
	found := t.findings(b, t.clientPacer(), congestion)
	t.console.done()
	for _, h := range b.Hosts() {
		if fault := t.setup.firmwareFault(t.console, h.Card, found.Departures.Packets); fault != nil {
			err = fault
		}
	}
	if wrote := t.tell(result, found); wrote != nil && err == nil {
		err = failed(wrote, "write the result")
	}
	return t.explain(err)
}

// tell prints the findings, and in JSON the whole result.
func (t *iperf3Test) tell(result *iperf3.Result, found *findings) error {
	switch {
	case t.json:
		result.Caliper = found
		return result.Write(t.console)
	case t.stream:
		return iperf3.WriteEvent(t.console, "caliper", found)
	case len(result.Start.Connected) > 0:
		var b strings.Builder
		found.print(&b)
		_, err := io.WriteString(t.console, iperf3.Title(t.params.Title).Before(b.String()))
		return err
	}
	return nil
}

// inWorld runs the client and a server in virtual time.
func (t *iperf3Test) inWorld(b *testbed.Testbed, client *iperf3.Client, signalled context.Context) (result *iperf3.Result, err error) {
	w := b.World()
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], t.setup.Seed)
	client.Rand = rand.NewChaCha8(seed)
	client.Cut = t.setup.cut()
	server := &iperf3.Server{Host: t.host(b, "far"), Cut: client.Cut, Address: ":" + port(t.address), OneOff: true, Report: iperf3.Report{System: inVirtualTime}}
	var far error // why the far host has given up
	server.OnTest = func(_ *iperf3.Result, err error) { far = err }
	served := w.Go(func() { server.Serve(context.Background()) })

	began := time.Now()
	over := false
	w.Go(func() {
		for !over {
			w.Sleep(10 * time.Millisecond)
			if signalled.Err() != nil {
				client.Stop()
				return
			}
			t.progress(w.Clock().Now().Sub(0), time.Since(began))
		}
	})
	ran := w.Run(func() {
		result, err = client.Run(context.Background())
		over = true
		if err == nil {
			served()
		}
	})
	switch {
	case err == nil:
		err = ran
	case far != nil && signalled.Err() == nil:
		err = fmt.Errorf("%w; far says: %v", err, far)
		result.Error = err.Error()
		if t.stream {
			iperf3.WriteEvent(t.console, "error", result.Error)
		}
	}
	return result, err
}

// progress shows how far the virtual time has come.
func (t *iperf3Test) progress(virtual, real time.Duration) {
	whole := ""
	if d := t.params.Duration; d > 0 {
		whole = fmt.Sprintf(" of %v", d+t.params.Omit)
	}
	t.console.show("%.1f s%s in virtual time, %.1f x real time", virtual.Seconds(), whole, virtual.Seconds()/real.Seconds())
}

// lastPackets is for how long a server waits for the last packets of a test.
const lastPackets = 500 * time.Millisecond

// serve runs a server until it is interrupted, or for one test.
func (t *iperf3Test) serve(b *testbed.Testbed, signalled context.Context) error {
	server := &iperf3.Server{
		Host: t.host(b, "near"), Address: t.address, Family: t.family, OneOff: t.oneOff, Report: t.report,
		OnTest: func(r *iperf3.Result, err error) {
			last := t.oneOff && r != nil // whose error is the program's
			if err != nil && !last && !errors.Is(err, iperf3.ErrInterrupted) {
				t.console.remark(err)
			}
			if r == nil {
				return
			}
			b.Drain(lastPackets)
			if err := t.tell(r, t.findings(b, t.serverPacer(r), r.Congestion)); err != nil {
				t.console.remark(err)
			}
		},
	}
	return t.explain(server.Serve(signalled))
}

// explain adds to an error what can be done about it.
func (t *iperf3Test) explain(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, iperf3.ErrInterrupted):
		return &problem{err: err, code: exitInterrupted}
	case errors.Is(err, iperf3.ErrBusy):
		return failed(err, "").hint("wait for the other test to end, or use another server with -p")
	case errors.Is(err, syscall.ECONNREFUSED):
		return failed(err, "").hint("is a server running there? iperf3 -s -p %s", port(t.address))
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ETIMEDOUT):
		return failed(err, "").hint("nothing answers at %s: check -c, -p, --addr and --peer, and whether a firewall is in the way", t.address)
	}
	var p *problem
	if errors.As(err, &p) {
		return err
	}
	return failed(err, "")
}

// port returns the port of host:port.
func port(address string) string {
	_, p, _ := net.SplitHostPort(address)
	return p
}
