package main

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/netcaliper/caliper/link"
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
	virtual := t.netfpga && t.netlink == nil && !t.setup.port.real()
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

// progress says how many packets have left.
func (t *pktgenTest) progress(packets uint64) string {
	if t.plan.Packets > 0 {
		return fmt.Sprintf("%d of %s", packets, link.Count(t.plan.Packets, "packet"))
	}
	return link.Count(packets, "packet")
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
