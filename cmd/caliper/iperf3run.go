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
)

// findings are what no iperf3 prints: the key caliper of the JSON.
type findings struct {
	Clock      string      `json:"clock"` // virtual or real
	Card       string      `json:"card"`  // native or none
	Port       string      `json:"port"`
	Pacer      string      `json:"pacer"`
	Congestion string      `json:"congestion,omitempty"` // control of TCP
	MinRTO     float64     `json:"min_rto_ms,omitempty"` // of TCP: the minimum retransmission timeout
	Seed       uint64      `json:"seed"`
	Departures link.Report `json:"departures"`
	Wire       *wireReport `json:"wire,omitempty"`

	Interface *interfaceReport `json:"interface,omitempty"`  // of a real port, where there is something to report
	TraceHash string           `json:"trace_hash,omitempty"` // of time, device and bytes of every frame
}

// findings gathers what was written down of a test that is over. What comes next, on a
// server, is another test's.
func (t *iperf3Test) findings(b *bench, pacer, congestion string) *findings {
	f := &findings{Clock: "real", Card: t.bench.card.kind, Port: t.bench.port.String(), Pacer: pacer, Congestion: congestion, Seed: t.bench.seed,
		MinRTO: float64(t.bench.minRTO()) / 1e6}
	senders := []*rig{b.near}
	if b.world != nil {
		f.Clock = "virtual"
		if t.bench.farSend {
			senders = append(senders, b.far)
			if t.params.Reverse {
				senders = senders[1:]
			}
		}
		f.Wire = b.wireReport()
	}
	b.onClock(func() {
		first := &senders[0].trace.Departures
		all := link.Departures{Tick: first.Tick, Software: first.Software}
		for _, r := range senders {
			all.Merge(&r.trace.Departures)
			drops := r.dropped()
			for why, n := range drops {
				all.Dropped[why] += n
			}
			if r.hold != nil {
				all.Waiting += uint64(r.hold.Waiting())
			}
		}
		if b.out != nil {
			sent := b.out.Counters().Sent
			all.Dropped.Add(&sent)
		}
		f.Interface = b.interfaceReport()
		all.Dropped, t.dropped = all.Dropped.Since(t.dropped), all.Dropped
		for _, r := range senders {
			r.trace.Departures = link.Departures{Tick: all.Tick, Software: all.Software}
		}
		f.Departures = all.Report()
		f.TraceHash = b.traceHash()
	})
	return f
}

// dropped returns how many frames the host's chain lost before they left. What was sent
// again while it waited is not lost.
func (r *rig) dropped() (d link.Drops) {
	sent := r.node.Host.Sent()
	d.Add(&sent)
	d[link.Duplicate] = 0
	if r.hold != nil {
		d.Add(&r.hold.Stats.Stats)
	}
	if r.card != nil {
		s := r.card.Stats()
		d.Add(&s.Stats)
	}
	return d
}

func pacerName(bitrate int64) string {
	if bitrate <= 0 {
		return "none"
	}
	return fmt.Sprintf("rate %sbit/s of payload a stream", pacer.FormatRate(bitrate))
}

// print writes the findings below iperf3's summary.
func (f *findings) print(w io.Writer) {
	fmt.Fprintf(w, "\n%s", f.Departures)
	fmt.Fprintf(w, "pacer: %s; ", f.Pacer)
	if f.Congestion != "" {
		fmt.Fprintf(w, "congestion control: %s, minimum RTO %v ms; ", f.Congestion, f.MinRTO)
	}
	fmt.Fprintf(w, "card: %s; port: %s\n", f.Card, f.Port)
	if f.Wire != nil {
		fmt.Fprintln(w, f.Wire)
	}
	if f.Interface != nil {
		fmt.Fprintln(w, f.Interface)
	}
	if f.Clock == "virtual" {
		fmt.Fprintf(w, "clock: virtual, seed %d, trace %s\n", f.Seed, f.TraceHash)
	} else {
		fmt.Fprintln(w, realClock(f.TraceHash))
	}
}

// realClock says that a run was in real time, with the fingerprint if there is one.
func realClock(hash string) string {
	if hash == "" {
		return "clock: real"
	}
	return "clock: real, trace " + hash
}

// effectiveRate is the rate that the test ran at, where iperf3 has a default.
func (t *iperf3Test) effectiveRate() int64 {
	if t.params.Bitrate == 0 && t.params.UDP {
		return iperf3.DefaultUDPRate
	}
	return t.params.Bitrate
}

// test runs a client.
func (t *iperf3Test) test(b *bench, signalled context.Context) error {
	client := &iperf3.Client{
		Host: b.near.node, Address: t.address, Family: t.family,
		Params: t.params, Report: t.report, ConnectTimeout: t.timeout,
	}
	var result *iperf3.Result
	var err error
	if b.world != nil {
		result, err = t.inWorld(b, client, signalled)
	} else {
		result, err = client.Run(signalled)
		if lost := b.lost(); lost != nil && err != nil { // which is why the peer went silent
			err, result.Error = lost, lost.Error()
		}
	}
	congestion := result.Congestion
	if t.params.Reverse && b.world != nil { // far is ours, too
		congestion = result.End.SenderCongestion
	}
	found := t.findings(b, t.clientPacer(), congestion)
	t.console.done()
	for _, r := range []*rig{b.near, b.far} {
		if r != nil {
			if fault := t.bench.card.firmwareFault(t.console, r.card, found.Departures.Packets); fault != nil {
				err = fault
			}
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
func (t *iperf3Test) inWorld(b *bench, client *iperf3.Client, signalled context.Context) (result *iperf3.Result, err error) {
	w := b.world
	var seed [32]byte
	binary.LittleEndian.PutUint64(seed[:], t.bench.seed)
	client.Rand = rand.NewChaCha8(seed)
	client.Cut = t.bench.card.cut()
	server := &iperf3.Server{Host: b.far.node, Cut: client.Cut, Address: ":" + port(t.address), OneOff: true, Report: iperf3.Report{System: inVirtualTime}}
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

// serve runs a server until it is interrupted, or for one test.
func (t *iperf3Test) serve(b *bench, signalled context.Context) error {
	server := &iperf3.Server{
		Host: b.near.node, Address: t.address, Family: t.family, OneOff: t.oneOff, Report: t.report,
		OnTest: func(r *iperf3.Result, err error) {
			last := t.oneOff && r != nil // whose error is the program's
			if err != nil && !last && !errors.Is(err, iperf3.ErrInterrupted) {
				t.console.remark(err)
			}
			if r == nil {
				return
			}
			b.settle()
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
