package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/traffic"
)

// lead is how long before the first departure the generator begins, so that the first
// packets are on the card in time.
const lead = 10 * time.Millisecond

// pktgenFindings are what the command prints.
type pktgenFindings struct {
	findings
	Flow   string            `json:"flow,omitempty"` // none in a replay
	Sent   traffic.Summary   `json:"sent"`
	Replay *traffic.Replayed `json:"replay,omitempty"`
	NoRoom uint64            `json:"no_room,omitempty"` // how often the kernel's socket had none
	Error  string            `json:"error,omitempty"`
}

// run sends the packets and prints what came of it.
func (t *pktgenTest) run() error {
	virtual := t.netfpga && t.netlink == nil && !t.bench.port.real()
	defer tuneRuntime(virtual)()
	stop, signalled := t.console.watch()
	defer stop()
	switch {
	case !t.netfpga:
		return t.throughKernel(signalled)
	case t.netlink != nil:
		return t.overNetlink(signalled)
	}
	return t.throughCard(signalled)
}

func (t *pktgenTest) throughKernel(signalled context.Context) error {
	g, err := newPktgenKernel(t)
	if err != nil {
		return err
	}
	defer g.close()
	g.clk.Do(func() { g.Start(lead) })
	t.await(g.counters, signalled)
	f := &pktgenFindings{findings: findings{Clock: "real", Card: "none", Port: "kernel", Pacer: t.describe(), Seed: t.bench.seed}}
	g.clk.Do(func() {
		g.Stop()
		f.Departures, f.Sent, f.NoRoom = g.Departures.Report(), g.counters.Summary(), g.Full
	})
	f.Flow = g.Flow().String()
	if err = g.counters.Err(); err != nil {
		err = failed(err, "")
	}
	return t.finish(f, err, signalled)
}

func (t *pktgenTest) throughCard(signalled context.Context) error {
	t.bench.tell = t.console.remark
	g, err := newPktgenRig(t)
	if err != nil {
		if t.capture != nil && g.player == nil {
			t.capture.Close()
		}
		return err
	}
	if t.capture != nil { // a read of it may wait, and in virtual time the run with it
		defer context.AfterFunc(signalled, func() { t.capture.Close() })()
	}
	g.onClock(func() { g.generator.Start(lead) })
	if g.virtual != nil {
		t.advance(g, signalled)
	} else {
		up, cancel := g.whileUp(signalled)
		t.await(g.counters, up)
		cancel()
	}
	f := t.findings(g)
	closed := g.close()
	if g.player != nil {
		r := g.player.Replayed()
		f.Replay = &r
	}
	if err = t.bench.card.firmwareFault(t.console, g.card, f.Departures.Packets); err == nil {
		err = t.failure(g, signalled)
	}
	if err = t.finish(f, err, signalled); err == nil {
		err = closed
	}
	return err
}

// failure returns what ended a run before its end.
func (t *pktgenTest) failure(g *pktgenRig, signalled context.Context) error {
	err := g.counters.Err()
	switch {
	case err != nil && t.capture != nil && signalled.Err() != nil: // the signal closed the file
		return nil
	case err != nil && t.capture != nil:
		return failed(err, "--replay %s", t.file)
	case err != nil:
		return failed(err, "")
	}
	return g.lost()
}

// await waits for the end of a run in real time, or of the context.
func (t *pktgenTest) await(counters *traffic.Counters, ctx context.Context) {
	began := time.Now()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-counters.Over():
			return
		case <-ctx.Done():
			return
		case <-tick.C:
			t.console.show("%s, %.1f s", t.progress(counters.Left()), time.Since(began).Seconds())
		}
	}
}

// advance runs the virtual time until all has left, and what waits at the wire is on it.
func (t *pktgenTest) advance(g *pktgenRig, signalled context.Context) {
	began := time.Now()
	over := func() bool {
		select {
		case <-g.counters.Over():
			return true
		default:
			return false
		}
	}
	for n := 1; !over() && g.virtual.Step(); n++ {
		if n%4096 != 0 {
			continue
		}
		if signalled.Err() != nil {
			return
		}
		virtual := g.virtual.Now().Sub(0)
		t.console.show("%s, %.1f s in virtual time, %.1f x real time", t.progress(g.counters.Left()), virtual.Seconds(), virtual.Seconds()/time.Since(began).Seconds())
	}
	for len(g.wires) > 0 && g.wires[0].Queue().Frames > 0 && g.virtual.Step() {
	}
}

// progress says how many packets have left.
func (t *pktgenTest) progress(packets uint64) string {
	if t.plan.Packets > 0 {
		return fmt.Sprintf("%d of %s", packets, link.Count(t.plan.Packets, "packet"))
	}
	return link.Count(packets, "packet")
}

// findings gathers what was written down, on the clock's goroutine.
func (t *pktgenTest) findings(g *pktgenRig) *pktgenFindings {
	f := &pktgenFindings{findings: findings{Clock: "real", Card: t.bench.card.name(), Port: t.bench.port.String(), Pacer: t.describe(), Seed: t.bench.seed}}
	if g.virtual != nil {
		f.Clock = "virtual"
	}
	if len(g.wires) > 0 {
		f.Wire = g.wireReport()
	}
	if t.capture == nil {
		f.Flow = pacer.FlowOf(pacer.ProtoUDP, t.src, t.dst).String()
	}
	g.onClock(func() {
		g.generator.Stop()
		f.Interface = g.interfaceReport()
		g.trace.Departures.Dropped = g.dropped()
		f.Departures = g.trace.Departures.Report()
		f.TraceHash = g.traceHash()
		f.Sent = g.counters.Summary()
	})
	return f
}

// finish prints the findings and returns how the run ended.
func (t *pktgenTest) finish(f *pktgenFindings, err error, signalled context.Context) error {
	if err == nil && signalled.Err() != nil {
		err = wasInterrupted()
	}
	if err != nil {
		f.Error = err.Error()
	}
	t.console.done()
	if wrote := f.write(t.console, t.json); wrote != nil {
		return failed(wrote, "write the result")
	}
	return err
}

// write writes the findings as text or as JSON.
func (f *pktgenFindings) write(v *console, asJSON bool) error {
	if asJSON {
		return writeJSON(v, f)
	}
	_, err := v.Write([]byte(f.text()))
	return err
}

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "\t")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}

func (f *pktgenFindings) text() string {
	var b strings.Builder
	s := &f.Sent
	if f.Error != "" && s.Packets == 0 && f.Departures.Packets == 0 && f.Departures.Dropped == 0 { // which says it all
		if f.Replay != nil && f.Replay.PassedOver() > 0 {
			return f.Replay.String()
		}
		return ""
	}
	if f.Flow != "" {
		fmt.Fprintf(&b, "%s\n", f.Flow)
	}
	b.WriteString(link.Count(s.Packets, "packet"))
	if s.Packets > 1 { // or else there is neither a gap nor a rate
		fmt.Fprintf(&b, " in %.6f s, %.3f Mbit/s of payload, %.3f Mbit/s on the wire\n", s.Seconds, s.PayloadRate/1e6, s.WireRate/1e6)
		fmt.Fprintf(&b, "gaps: mean %.3f ns, asked %.3f ns, average error %.3f ns", s.Gap, s.AskedGap, s.GapError)
	}
	b.WriteByte('\n')
	if f.Replay != nil {
		b.WriteString(f.Replay.String())
	}
	if f.Port != "kernel" {
		f.print(&b)
		return b.String()
	}
	fmt.Fprintf(&b, "\n%spacer: %s; card: none; port: kernel\nclock: real; a packet has left when it is handed to the kernel", f.Departures, f.Pacer)
	if f.NoRoom > 0 {
		fmt.Fprintf(&b, ", which had no room %dx", f.NoRoom)
	}
	b.WriteString("\n")
	return b.String()
}
