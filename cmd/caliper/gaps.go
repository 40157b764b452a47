package main

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/link/gaps"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer"
)

const gapsHelp = `FILE is a capture in pcapng or pcap format, of Ethernet, raw IP, Linux cooked or BSD loopback
packets; - is standard input. For each flow the command prints the times between its packets,
and bursts. With --asked or --rate it compares them with that schedule, gap by gap:

   caliper iperf3 -c far -b 500M -t 1 --pcap run.pcapng
   caliper gaps run.pcapng --rate 500M --pause 100us --plot run.png

--flow takes a flow as it is printed, in which parts may be left out: "udp", "10.0.0.1 >",
"tcp > :5201", "tcp 10.0.0.1:4000 > 10.0.0.2:5201", "udp, sent at near", "received".

A capture does not tell when a sender had nothing to send, as TCP without a window. With
--pause a longer gap counts as that: it is left out, and the schedule starts afresh.

The picture shows the flow with the most packets.`

func gapsCommand(v *console) *cli.Command {
	return &cli.Command{
		Name:            "gaps",
		Usage:           "show the times between the packets of a capture, against what was asked for",
		ArgsUsage:       "FILE",
		Description:     gapsHelp,
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action: func(c *cli.Context) error {
			g, err := newGapsRun(c, v)
			if err != nil {
				return err
			}
			return g.run()
		},
		Flags: []cli.Flag{
			&cli.StringFlag{Name: "flow", Usage: "look at `FLOW` only, as it is printed or parts of that"},
			&cli.StringFlag{Name: "asked", Usage: "compare with the gaps in `DELAYS`, a file of nanoseconds, from its beginning again after the last"},
			&cli.StringFlag{Name: "rate", Usage: "compare with a rate in `BIT/S`, with K, M, G"},
			&cli.StringFlag{Name: "unit", Value: "payload", Usage: "what the rate counts: `UNIT` is payload, as iperf3's -b, ip or wire; packets without any are not compared"},
			&cli.StringFlag{Name: "pause", DefaultText: "none", Usage: "a gap longer than `TIME` is a pause of the sender, and is left out"},
			&cli.StringFlag{Name: "line", Usage: "speed of the line in `BIT/S`; with --rate, no packet is asked to leave faster", DefaultText: "what the file says, or 1G"},
			&cli.StringFlag{Name: "burst-gap", DefaultText: "1.05 times their time on the line", Usage: "packets at most `TIME` apart make a burst"},
			&cli.IntFlag{Name: "top", Value: 10, Usage: "print the `N` flows with the most packets"},
			jsonFlag(),
			&cli.StringFlag{Name: "plot", Usage: "draw distributions, drift and bursts into `FILE`.png or .svg"},
			&cli.BoolFlag{Name: "log", Usage: "a logarithmic axis of the times between packets in the picture"},
		},
	}
}

// gapsRun is one call of the command.
type gapsRun struct {
	console *console
	file    string
	config  gaps.Config
	top     int
	json    bool
	plot    string
	format  gaps.Format
	log     bool
}

// newGapsRun reads the flags.
func newGapsRun(c *cli.Context, v *console) (*gapsRun, error) {
	if !c.Args().Present() {
		return nil, badInput(nil, "a capture is missing").hint("for instance: caliper gaps run.pcapng --rate 500M")
	}
	if c.NArg() > 1 {
		return nil, badInput(nil, "%q is a second file", c.Args().Get(1)).hint("give one capture; caliper gaps --help lists the flags")
	}
	g := &gapsRun{
		console: v, file: c.Args().First(), top: c.Int("top"), json: c.Bool("json"),
		plot: c.String("plot"), log: c.Bool("log"),
	}
	var err error
	for name, to := range map[string]*time.Duration{"pause": &g.config.Pause, "burst-gap": &g.config.BurstGap} {
		if !c.IsSet(name) {
			continue
		}
		if *to, err = pacer.ParseDuration(c.String(name)); err != nil || *to == 0 {
			return nil, badInput(err, "--%s %s is not a time above 0", name, c.String(name)).hint("for instance --%s 100us", name)
		}
	}
	if g.top < 1 {
		return nil, badInput(nil, "--top %d is not a number of flows from 1 on", g.top).hint("--json prints all flows")
	}
	if g.config.Filter, err = pcap.ParseFilter(c.String("flow")); err != nil {
		return nil, badInput(err, "--flow %s", c.String("flow")).hint(`for instance --flow "tcp > :5201"`)
	}
	if err := g.readSchedule(c); err != nil {
		return nil, err
	}
	return g, g.readPlot(c)
}

// readSchedule reads what was asked for.
func (g *gapsRun) readSchedule(c *cli.Context) error {
	if c.IsSet("line") {
		line, err := pacer.ParseRate(c.String("line"))
		if err != nil || line < 1 {
			return badInput(err, "--line %s is not a speed in bit/s", c.String("line")).hint("for instance --line 10G")
		}
		g.config.Line = line
	}
	switch {
	case c.IsSet("asked") && c.IsSet("rate"):
		return badInput(nil, "--asked and --rate exclude each other").hint("give the file of gaps or the rate that the packets were sent with")
	case c.IsSet("unit") && !c.IsSet("rate"):
		return badInput(nil, "--unit is for --rate").hint("for instance --rate 500M --unit wire")
	case c.IsSet("asked"):
		file, err := os.Open(c.String("asked"))
		if err != nil {
			return badInput(err, "--asked").hint("give a file of gaps in nanoseconds, separated by white space")
		}
		defer file.Close()
		list, err := pacer.ParseGaps(file)
		if err != nil {
			return badInput(err, "--asked %s", c.String("asked")).hint("give gaps in nanoseconds, separated by white space")
		}
		g.config.Asked = &gaps.Schedule{Gaps: list}
	case c.IsSet("rate"):
		rate, err := pacer.ParseRate(c.String("rate"))
		if err != nil || rate < 1 {
			return badInput(err, "--rate %s is not a rate from 1 bit/s on", c.String("rate")).hint("for instance --rate 500M")
		}
		unit, err := pacer.ParseUnit(c.String("unit"))
		if err != nil {
			return badInput(err, "--unit").hint("give payload, ip or wire")
		}
		g.config.Asked = &gaps.Schedule{Rate: rate, Unit: unit, Line: g.config.Line}
	}
	return nil
}

// readPlot reads where the picture goes.
func (g *gapsRun) readPlot(c *cli.Context) error {
	if g.plot == "" {
		if c.IsSet("plot") || g.log {
			return badInput(nil, "--plot needs the name of a file").hint("for instance --plot gaps.png")
		}
		return nil
	}
	switch strings.ToLower(filepath.Ext(g.plot)) {
	case ".png":
		g.format = gaps.PNG
	case ".svg":
		g.format = gaps.SVG
	default:
		return badInput(nil, "--plot %s: the name must end in .png or .svg", g.plot).hint("for instance --plot gaps.png")
	}
	if dir, err := os.Stat(filepath.Dir(g.plot)); err != nil || !dir.IsDir() {
		return badInput(err, "--plot %s: there is no such directory", g.plot).hint("make it first")
	}
	return nil
}

// run reads the file and prints what it shows. A file that is damaged is shown up to there.
func (g *gapsRun) run() error {
	stop, signalled := g.console.watch()
	defer stop()
	file, err := pcap.Open(g.file, pcap.Headers)
	if err != nil {
		return badInput(err, "").hint("give a capture in pcapng or pcap format")
	}
	defer file.Close()
	defer context.AfterFunc(signalled, func() { file.Close() })() // which ends a read that waits
	reader := gaps.NewReader(file.Reader)
	size := int64(0)
	if info := file.Stat(); info.Mode().IsRegular() {
		size = info.Size()
	}
	analysis := gaps.NewAnalysis(reader, g.config)
	broken := g.read(signalled, reader, analysis, size)
	g.console.done()
	report := analysis.Report()
	if err := g.print(report, reader.Offset(), broken); err != nil {
		return failed(err, "write the result")
	}
	if g.plot != "" {
		err = g.draw(report)
	}
	switch {
	case signalled.Err() != nil:
		return wasInterrupted()
	case broken != nil:
		return failed(broken, "%s", pcap.NameOf(g.file)).hint("what is before that is reported")
	case err != nil:
		return err
	case report.Packets == 0 && report.Skipped.LinkType > 0:
		return failed(nil, "%s: its packets are of %s, which is not known", pcap.NameOf(g.file), report.Skipped.Links).
			hint("known are %s", pcap.Known)
	case report.Packets > 0 && report.Selected == 0:
		return failed(nil, "%s: no packet is of such a flow", pcap.NameOf(g.file)).hint("without --flow all flows are listed")
	}
	return nil
}

// read takes the packets in, until there are no more or it is interrupted. It returns what
// is wrong with the file.
func (g *gapsRun) read(signalled context.Context, r *gaps.Reader, a *gaps.Analysis, size int64) error {
	began := time.Now()
	for n := 1; ; n++ {
		p, err := r.Next()
		if err == io.EOF {
			return nil
		}
		if err != nil && signalled.Err() != nil {
			return nil
		}
		if err != nil {
			return err
		}
		a.Add(&p)
		if n&0xfff == 0 {
			if signalled.Err() != nil {
				return nil
			}
			g.progress(r.Offset(), size, time.Since(began))
		}
	}
}

func (g *gapsRun) progress(read, size int64, d time.Duration) {
	whole := ""
	if size > 0 {
		whole = " of " + amountText(size)
	}
	g.console.show("%s%s, %s/s", amountText(read), whole, amountText(int64(float64(read)/d.Seconds())))
}

// amountText writes a number of bytes, to some tenth of a megabyte.
func amountText(n int64) string { return pacer.FormatRate(n/1e5*1e5) + "B" }

// print writes the report.
func (g *gapsRun) print(r *gaps.Report, read int64, broken error) error {
	if !g.json {
		if _, err := io.WriteString(g.console, pcap.NameOf(g.file)+": "); err != nil {
			return err
		}
		return r.WriteText(g.console, g.top)
	}
	result := struct {
		File  string `json:"file"`
		Bytes int64  `json:"bytes"`
		Error string `json:"error,omitempty"`
		*gaps.Report
	}{File: g.file, Bytes: read, Report: r}
	if broken != nil {
		result.Error = broken.Error()
	}
	e := json.NewEncoder(g.console)
	e.SetIndent("", "\t")
	e.SetEscapeHTML(false)
	return e.Encode(result)
}

// draw draws the flow with the most packets, of those that have gaps.
func (g *gapsRun) draw(r *gaps.Report) error {
	i := slices.IndexFunc(r.Flows, func(f *gaps.Flow) bool { return f.Gaps > 0 })
	if i < 0 {
		return failed(nil, "--plot %s: there are no gaps to draw", g.plot).hint("a flow needs two packets, with less than a pause between them")
	}
	flow := r.Flows[i]
	var b bytes.Buffer
	if err := flow.Draw(&b, g.format, g.log); err != nil {
		return failed(err, "draw %s", g.plot)
	}
	if err := place(func(to []string) error { return os.WriteFile(to[0], b.Bytes(), 0o666) }, g.plot); err != nil {
		return failed(err, "--plot")
	}
	if g.json {
		return nil
	}
	_, err := io.WriteString(g.console, "\n"+g.plot+" shows "+flow.Name()+"\n")
	return err
}
