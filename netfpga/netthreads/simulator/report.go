package simulator

import (
	"errors"
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// A Report is what came of a run.
type Report struct {
	End          End          `json:"end"`
	Cycles       uint64       `json:"cycles"` // of 8 ns
	Instructions uint64       `json:"instructions"`
	Skipped      uint64       `json:"skipped"`           // of these, that went by without being executed
	Seconds      float64      `json:"seconds"`           // that the simulation took
	Ports        []PortReport `json:"ports"`             // that are connected or were sent to
	Nowhere      uint64       `json:"nowhere"`           // packets sent to no port that a card has
	Ignored      []Ignored    `json:"ignored,omitempty"` // faults that it went on at
	Fault        *Fault       `json:"fault,omitempty"`
	Error        string       `json:"error,omitempty"`

	Threads   []Thread   `json:"threads,omitempty"`   // with a profile
	Functions []Function `json:"functions,omitempty"` // with a profile
}

// A Thread says where the issue slots of a thread went: one every fourth cycle, with four
// threads a CPU.
type Thread struct {
	Thread       int    `json:"thread"`
	Instructions uint64 `json:"instructions"`
	Spin         uint64 `json:"spin"` // instructions of these, that only looked at time or input
	Lock         uint64 `json:"lock"`
	Engine       uint64 `json:"engine"`
	Fetch        uint64 `json:"fetch"`
	Data         uint64 `json:"data"`
}

// A Function counts the instructions of a function.
type Function struct {
	Function     string   `json:"function"` // "" is what no symbol names
	Instructions uint64   `json:"instructions"`
	Threads      []uint64 `json:"threads"`
}

// A Fault is what a program did that it must not.
type Fault struct {
	Reason string `json:"reason"`
	Thread int    `json:"thread"`
	Cycle  uint64 `json:"cycle"`
	PC     uint32 `json:"pc"`
	Report string `json:"report"` // with the last instructions, and the registers
}

// An Ignored is a place where a program did what it must not, and went on.
type Ignored struct {
	Reason string `json:"reason"` // of the first time
	PC     uint32 `json:"pc"`
	Place  string `json:"place,omitempty"` // the same by a symbol, where there is one
	Count  uint64 `json:"count"`
	Thread int    `json:"thread"` // that was the first
	Cycle  uint64 `json:"cycle"`
}

// Report returns the outcome of a run that took so long and ended with an error or nil.
func (s *Simulation) Report(took time.Duration, err error) *Report {
	profile := s.machine.Profile()
	r := &Report{End: s.end, Cycles: s.machine.Cycle(), Seconds: took.Seconds(), Nowhere: s.nowhere, Skipped: s.machine.Skipped(), Ports: []PortReport{}}
	for _, t := range profile.Threads {
		r.Instructions += t.Issued
	}
	for i := range s.ports {
		if p := &s.ports[i]; p.used() {
			c := p.report
			c.Left = uint64(len(p.queue))
			if p.next != nil && p.at <= r.Cycles {
				c.Left++
			}
			r.Ports = append(r.Ports, c)
		}
	}
	for _, i := range s.machine.Ignored() {
		r.Ignored = append(r.Ignored, Ignored(i))
	}
	var f *netthreads.Fault
	switch {
	case errors.As(err, &f):
		r.Fault = &Fault{Reason: f.Reason, Thread: f.Thread, Cycle: f.Cycle, PC: f.PC, Report: f.Report()}
	case err != nil:
		r.Error = err.Error()
	}
	if s.config.Machine.Profile {
		for n, t := range profile.Threads {
			r.Threads = append(r.Threads, Thread{n, t.Issued, t.Spin, t.Lock, t.Engine, t.Fetch, t.Data})
		}
		for _, f := range profile.Functions {
			r.Functions = append(r.Functions, Function{f.Name, f.Issued, f.Thread})
		}
	}
	return r
}

var ends = map[End]string{
	Idle:        "idle: nothing can happen any more",
	Quiet:       "quiet: nothing was seen to happen for 2^32 cycles",
	Limit:       "stopped at the last cycle asked for",
	Faulted:     "stopped by a fault",
	Interrupted: "interrupted",
	Broken:      "stopped by an error",
}

// WriteText writes the report for people.
func (r *Report) WriteText(to io.Writer) error {
	w := tabwriter.NewWriter(to, 0, 0, 2, ' ', tabwriter.AlignRight)
	simulated := float64(r.Cycles) * netthreads.Tick * 1e-9
	fmt.Fprintf(w, "%s, after %d cycles (%.6g s)\n", ends[r.End], r.Cycles, simulated)
	executed := r.Instructions - r.Skipped
	fmt.Fprintf(w, "%d instructions executed, %d skipped", executed, r.Skipped)
	if r.Seconds > 0 {
		fmt.Fprintf(w, ", in %.3g s: %.3g M executed a second, %.3g times as fast as the card", r.Seconds, float64(executed)/r.Seconds/1e6, simulated/r.Seconds)
	}
	fmt.Fprintln(w)
	if len(r.Ports) > 0 {
		fmt.Fprintln(w, "\nport\tin\tbytes\tdropped\toversize\tcut\tleft\tout\tbytes\tlost\t")
		for _, p := range r.Ports {
			fmt.Fprintf(w, "%s\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t%d\t\n", p.Port, p.In, p.InBytes, p.Dropped, p.Oversize, p.Cut, p.Left, p.Out, p.OutBytes, p.OutLost)
		}
	}
	if r.Nowhere > 0 {
		fmt.Fprintf(w, "%d packets sent to no port\n", r.Nowhere)
	}
	for _, i := range r.Ignored {
		place := fmt.Sprintf("0x%08x", i.PC)
		if i.Place != "" {
			place += " (" + i.Place + ")"
		}
		fmt.Fprintf(w, "%d times ignored at %s, first by thread %d in cycle %d: %s\n", i.Count, place, i.Thread, i.Cycle, i.Reason)
	}
	if len(r.Threads) > 0 {
		r.writeProfile(w)
	}
	return w.Flush()
}

// writeProfile writes where the threads' issue slots went, as shares, and the functions.
func (r *Report) writeProfile(w io.Writer) {
	fmt.Fprintln(w, "\n% of slots\tworks\tspins\tlock\tengine\tfetch\tdata\t")
	for _, t := range r.Threads {
		all := float64(max(1, t.Instructions+t.Lock+t.Engine+t.Fetch+t.Data)) / 100
		fmt.Fprintf(w, "thread %d\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t%.1f\t\n", t.Thread, float64(t.Instructions-min(t.Spin, t.Instructions))/all,
			float64(t.Spin)/all, float64(t.Lock)/all, float64(t.Engine)/all, float64(t.Fetch)/all, float64(t.Data)/all)
	}
	fmt.Fprint(w, "\nfunction\tinstructions\t%\t")
	for n := range r.Threads {
		fmt.Fprintf(w, "thread %d\t", n)
	}
	fmt.Fprintln(w)
	for _, f := range r.Functions {
		name := f.Function
		if name == "" {
			name = "(no symbol)"
		}
		fmt.Fprintf(w, "%s\t%d\t%.1f\t", name, f.Instructions, 100*float64(f.Instructions)/float64(max(1, r.Instructions)))
		for _, n := range f.Threads {
			fmt.Fprintf(w, "%d\t", n)
		}
		fmt.Fprintln(w)
	}
}
