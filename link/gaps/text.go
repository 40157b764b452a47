package gaps

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer"
)

// String writes what was asked for, such as "500Mbit/s of payload".
func (s *Schedule) String() string {
	if s.Gaps != nil {
		return "a list of " + link.Count(uint64(len(s.Gaps)), "gap")
	}
	return fmt.Sprintf("%sbit/s of %v", pacer.FormatRate(s.Rate), s.Unit)
}

// burstsOf says which packets make a burst.
func (c *Config) burstsOf() string {
	switch {
	case c.BurstGap > 0:
		return fmt.Sprintf("packets at most %s apart", duration(int64(c.BurstGap)))
	case c.Line > 0:
		return fmt.Sprintf("packets closer than 1.05 times their time on a line of %sbit/s", pacer.FormatRate(c.Line))
	}
	return fmt.Sprintf("packets closer than 1.05 times their time on the line (%sbit/s where the file does not tell)", pacer.FormatRate(DefaultLine))
}

// WriteText writes the report for a terminal, with the first top flows.
func (r *Report) WriteText(w io.Writer, top int) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s in %s, %s, time stamps to %v\n", r.Format, link.Count(r.Packets, "packet"), seconds(r.Duration),
		link.Count(uint64(len(r.Flows)), "flow"), duration(r.Resolution))
	if n := r.Skipped.LinkType; n > 0 {
		fmt.Fprintf(&b, "and %s of %s, which is not known: %s are\n", link.Count(n, "packet"), r.Skipped.Links, pcap.Known)
	}
	if n := r.Skipped.Untimed; n > 0 {
		fmt.Fprintf(&b, "and %s without a time stamp\n", link.Count(n, "packet"))
	}
	if r.Selected < r.Packets {
		fmt.Fprintf(&b, "%s of the flows looked at\n", link.Count(r.Selected, "packet"))
	}
	if r.Asked != "" && len(r.Flows) > 0 {
		fmt.Fprintf(&b, "asked: %s\n", r.Asked)
	}
	if len(r.Flows) > 0 {
		fmt.Fprintf(&b, "bursts: %s\n", r.BurstsOf)
	}
	for _, f := range r.Flows[:min(top, len(r.Flows))] {
		b.WriteByte('\n')
		f.write(&b, r)
	}
	if len(r.Flows) > top {
		packets := uint64(0)
		for _, f := range r.Flows[top:] {
			packets += f.Packets
		}
		fmt.Fprintf(&b, "\nand %s more, with %s\n", link.Count(uint64(len(r.Flows)-top), "flow"), link.Count(packets, "packet"))
	}
	if r.NotKept > 0 {
		fmt.Fprintf(&b, "and %s of flows behind the first %d, which were only counted\n", link.Count(r.NotKept, "packet"), maxSeries)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// Name returns the flow, with where it was captured.
func (f *Flow) Name() string {
	name := f.Flow
	if f.Direction != "" {
		name += ", " + f.Direction
	}
	if f.Interface != "" {
		name += " at " + f.Interface
	}
	if f.Index != 0 {
		name += fmt.Sprintf(", interface %d", f.Index)
	}
	return name
}

func (f *Flow) write(b *strings.Builder, r *Report) {
	fmt.Fprintf(b, "%s\n  %s", f.Name(), link.Count(f.Packets, "packet"))
	if f.Counted < f.Packets {
		fmt.Fprintf(b, ", %d of them compared,", f.Counted)
	}
	fmt.Fprintf(b, " in %s from %s on", seconds(f.Duration), seconds(f.Start))
	if f.Duration > 0 {
		fmt.Fprintf(b, "; %.3f Mbit/s of wire, %.3f of payload", f.WireRate/1e6, f.PayloadRate/1e6)
	}
	b.WriteByte('\n')
	if f.Pauses > 0 {
		fmt.Fprintf(b, "  %s longer than %v left out, %s in all\n", link.Count(f.Pauses, "pause"), duration(r.Pause), seconds(f.Paused))
	}
	if f.Gaps == 0 {
		return
	}
	row(b, "ns", "min", "p50", "p95", "p99", "p99.9", "max", "mean")
	f.Gap.write(b, "gap")
	if f.Asked != nil {
		f.Asked.write(b)
	}
	if f.Backwards > 0 {
		fmt.Fprintf(b, "  %s stamped earlier than the one before\n", link.Count(f.Backwards, "packet"))
	}
	if n := f.Bursts.Length; f.Bursts.Bursts > 0 {
		fmt.Fprintf(b, "  %s with %s; length p50 %d, p95 %d, p99 %d, max %d\n", link.Count(f.Bursts.Bursts, "burst"),
			link.Count(f.Bursts.Packets, "packet"), n.P50, n.P95, n.P99, n.Max)
	} else {
		b.WriteString("  no bursts\n")
	}
}

func (c *Comparison) write(b *strings.Builder) {
	c.Gap.write(b, "asked")
	q := c.GapError
	row(b, "gap error", "", q.P50, q.P95, q.P99, q.P999, q.Max, "")
	fmt.Fprintf(b, "  rate error %v; drift from %d to %d ns, at the end %d ns; CDFs at most %d ns apart\n",
		c.RateError, c.Drift.Min, c.Drift.Max, c.Drift.End, c.CDFDistance)
}

func (s *Spread) write(b *strings.Builder, name string) {
	q := link.Quantiles(s.Quantiles)
	row(b, name, s.Min, q.P50, q.P95, q.P99, q.P999, q.Max, strconv.FormatFloat(s.Mean, 'f', 2, 64))
}

// row writes a line of a table, without spaces at its end.
func row(b *strings.Builder, name string, columns ...any) {
	line := fmt.Sprintf("  %-9s"+strings.Repeat(" %11v", len(columns)), append([]any{name}, columns...)...)
	b.WriteString(strings.TrimRight(line, " ") + "\n")
}

func seconds(ns int64) string { return fmt.Sprintf("%.6f s", float64(ns)/1e9) }

// duration writes a time in the unit that suits it.
func duration(ns int64) string { return strings.ReplaceAll(time.Duration(ns).String(), "µ", "u") }
