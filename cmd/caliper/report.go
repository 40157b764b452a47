package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/stack/testbed"
)

// counted is what a testbed has counted: one walk down the chains of its hosts.
type counted struct {
	Departures link.Report      `json:"departures"`
	Wire       *wireReport      `json:"wire,omitempty"`
	Interface  *interfaceReport `json:"interface,omitempty"` // of a real port, where there is something to report
	Devices    []deviceReport   `json:"devices,omitempty"`
	TraceHash  string           `json:"trace_hash,omitempty"` // of time, device and bytes of every frame
}

// count counts, with the departures of the senders. What was dropped before they began is
// taken off, and the sum until now returned. It is called on the clock's goroutine.
func count(b *testbed.Testbed, before link.Drops, senders ...*testbed.Host) (c counted, dropped link.Drops) {
	first := senders[0].Departures()
	all := link.Departures{Tick: first.Tick, Software: first.Software}
	for _, h := range senders {
		all.Merge(h.Departures())
		drops, waiting := unsent(h)
		for why, n := range drops {
			dropped[why] += n
		}
		all.Waiting += uint64(waiting)
	}
	all.Dropped = dropped.Since(before)
	c.Departures, c.TraceHash = all.Report(), b.Hash()
	for _, h := range b.Hosts() {
		for _, d := range h.Counters() {
			switch d.Kind {
			case "wire":
				c.onWire(&d, b)
			case "tun", "packet", "tap":
				c.onInterface(&d)
			}
			if report := reportOf(h.Name, &d); !report.idle() {
				c.Devices = append(c.Devices, report)
			}
		}
	}
	return c, dropped
}

// unsent returns what a host and its devices dropped of what it was to send, and how much
// waits there. What was sent again while it waited is not lost, and what is on the emulated
// path has left.
func unsent(h *testbed.Host) (drops link.Drops, waiting int) {
	for _, d := range h.Counters() {
		switch d.Kind {
		case "wire", "fault":
			continue
		case "endpoint":
			d.Sent.Drops[link.Duplicate] = 0
		}
		drops.Add(&d.Sent)
		waiting += d.Waiting
	}
	return drops, waiting
}

// A deviceReport is what one device has counted since the start.
type deviceReport struct {
	Host     string           `json:"host"`
	Kind     string           `json:"kind"`
	Name     string           `json:"name,omitempty"`
	Sent     directionReport  `json:"sent"`
	Received directionReport  `json:"received"`
	Waiting  int              `json:"waiting"` // to be sent
	More     map[string]int64 `json:"more,omitempty"`
}

type directionReport struct {
	Frames uint64     `json:"frames"`
	Bytes  uint64     `json:"bytes"`
	Drops  link.Drops `json:"drops,omitzero"` // by cause
}

func reportOf(host string, c *link.Counters) deviceReport {
	d := deviceReport{
		Host: host, Kind: c.Kind, Name: c.Name, Waiting: c.Waiting,
		Sent:     directionReport{c.Sent.Frames, c.Sent.Bytes, c.Sent.Drops},
		Received: directionReport{c.Received.Frames, c.Received.Bytes, c.Received.Drops},
	}
	for _, m := range c.More {
		if d.More == nil {
			d.More = make(map[string]int64)
		}
		d.More[m.Name] = m.Value
	}
	return d
}

// idle tells whether the device counts nothing.
func (d *deviceReport) idle() bool {
	return d.Sent == directionReport{} && d.Received == directionReport{} && d.Waiting == 0 && d.More == nil
}

// wireReport is what the emulated wire did to the frames.
type wireReport struct {
	Frames    uint64 `json:"frames"` // both directions
	Dropped   uint64 `json:"dropped"`
	Waiting   uint64 `json:"waiting"`    // for the wire when the test was over
	QueuePeak int    `json:"queue_peak"` // frames
	// QueueMean is how many frames waited on average, at the fuller end.
	QueueMean float64 `json:"queue_mean"`
}

// onWire adds one end of the wire. Where one end sends nearly all, its queue is the fuller
// one.
func (c *counted) onWire(d *link.Counters, b *testbed.Testbed) {
	if c.Wire == nil {
		c.Wire = new(wireReport)
	}
	r := c.Wire
	r.Frames += d.Sent.Frames
	r.Dropped += d.Sent.Dropped()
	r.Waiting += uint64(d.Waiting)
	r.QueuePeak = max(r.QueuePeak, int(d.Get("queue_frames_peak")))
	if ran := b.Clock().Now().Sub(0); ran > 0 {
		r.QueueMean = max(r.QueueMean, float64(d.Get("queue_frame_us"))*1e3/float64(ran))
	}
}

func (r *wireReport) String() string {
	waiting := ""
	if r.Waiting > 0 {
		waiting = fmt.Sprintf(", %d waiting at the end", r.Waiting)
	}
	return fmt.Sprintf("wire: %d frames, %d dropped%s, in the queue %.1f on average and at most %d",
		r.Frames, r.Dropped, waiting, r.QueueMean, r.QueuePeak)
}

// interfaceReport is what became of a real port since it was opened, and what could not be
// sent to it.
type interfaceReport struct {
	Downs       uint64            `json:"downs"` // it went down, or lost its carrier
	DownSeconds float64           `json:"down_seconds"`
	MTUChanges  uint64            `json:"mtu_changes"`
	Dropped     map[string]uint64 `json:"dropped,omitempty"` // frames, by cause
}

// onInterface reports a real port, if there is something to report.
func (c *counted) onInterface(d *link.Counters) {
	r := &interfaceReport{
		Downs: uint64(d.Get("downs")), MTUChanges: uint64(d.Get("mtu_changes")),
		DownSeconds: time.Duration(d.Get("down_ns")).Seconds(), Dropped: make(map[string]uint64),
	}
	for why, n := range d.Sent.Drops {
		if n > 0 {
			r.Dropped[link.Cause(why).String()] = n
		}
	}
	if r.Downs > 0 || r.MTUChanges > 0 || len(r.Dropped) > 0 {
		c.Interface = r
	}
}

func (r *interfaceReport) String() string {
	var what, unsent []string
	if r.Downs > 0 {
		what = append(what, fmt.Sprintf("down %dx for %v", r.Downs, time.Duration(r.DownSeconds*1e9).Round(time.Millisecond)))
	}
	if r.MTUChanges > 0 {
		what = append(what, fmt.Sprintf("MTU changed %dx", r.MTUChanges))
	}
	for why := range link.NumCauses {
		if n := r.Dropped[why.String()]; n > 0 {
			unsent = append(unsent, fmt.Sprintf("%d %v", n, why))
		}
	}
	if unsent != nil {
		what = append(what, "not sent: "+strings.Join(unsent, ", "))
	}
	return "interface: " + strings.Join(what, "; ")
}

// findings are what no iperf3 prints: the key caliper of the JSON.
type findings struct {
	Clock      string  `json:"clock"` // virtual or real
	Card       string  `json:"card"`  // native or none
	Port       string  `json:"port"`
	Pacer      string  `json:"pacer"`
	Congestion string  `json:"congestion,omitempty"` // control of TCP
	MinRTO     float64 `json:"min_rto_ms,omitempty"` // of TCP: the minimum retransmission timeout
	Seed       uint64  `json:"seed"`
	counted
}

// findings returns what can be said before anything was counted.
func (s *setup) findings(pacer string) findings {
	f := findings{Clock: "virtual", Card: s.card, Port: s.port.String(), Pacer: pacer, Seed: s.Seed}
	if s.InRealTime() {
		f.Clock = "real"
	}
	return f
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

func writeJSON(w io.Writer, v any) error {
	enc := json.NewEncoder(w)
	enc.SetIndent("", "\t")
	enc.SetEscapeHTML(false)
	return enc.Encode(v)
}
