package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/simulator"
)

// runProgram is netthreads run.
func runProgram(c *cli.Context, v *console, name string, img *netthreads.Image) error {
	config, err := readSimulation(c, v)
	if err != nil {
		return err
	}
	s, err := simulator.New(img, config)
	if err != nil {
		return simulationProblem(err)
	}
	oneTooMany := img.OneCPU() && config.Machine.CPUs > 1
	if img.OneCPU() && !oneTooMany {
		v.warn(name + " is linked for one CPU, and runs on one")
	}
	stop, signalled := v.watch()
	defer stop()

	began := time.Now()
	err = s.Run(signalled)
	report := s.Report(time.Since(began), err)
	v.done()
	if closed := s.Close(); err == nil && closed != nil {
		err, report.End, report.Error = closed, simulator.Broken, closed.Error()
	}
	if wrote := writeReport(c, v, report); wrote != nil {
		return failed(wrote, "write the result")
	}
	switch {
	case report.Fault != nil && oneTooMany:
		return failed(nil, "%s", strings.TrimRight(report.Fault.Report, "\n")).hint("the image is linked for one CPU: --cpus 1")
	case report.Fault != nil:
		return failed(nil, "%s", strings.TrimRight(report.Fault.Report, "\n")).hint("caliper netthreads dis %s shows the program", name)
	case err != nil:
		return failed(err, "")
	case report.End == simulator.Interrupted:
		return wasInterrupted()
	}
	return nil
}

// readSimulation reads the flags.
func readSimulation(c *cli.Context, v *console) (*simulator.Config, error) {
	config := &simulator.Config{Cycles: c.Uint64("cycles"), Lossless: c.Bool("lossless")}
	for _, name := range []string{"mac", "host"} {
		config.Ports = append(config.Ports, c.Generic(name).(*portFlag).specs...)
	}
	if c.IsSet("cycles") && config.Cycles == 0 {
		return nil, badInput(nil, "--cycles 0 is no time to run").hint("for instance --cycles 125000000, which is a second")
	}
	for _, p := range config.Ports {
		if p.Host && p.Number > 0 && p.In+p.Tap != "" && !c.Bool("all-hosts") {
			return nil, badInput(nil, "no packet comes in by %s: on the card only host 0 is connected to the processors", p.Name()).
				hint("--all-hosts connects all four")
		}
	}
	m := &config.Machine
	m.CPUs, m.Threads, m.IgnoreFaults = c.Int("cpus"), c.Int("threads"), c.Bool("ignore-faults")
	if m.CPUs < 1 && c.IsSet("cpus") || m.Threads < 1 || max(m.CPUs, m.Threads) > netthreads.MaxThreads || max(m.CPUs, 1)*m.Threads > netthreads.MaxThreads {
		return nil, badInput(nil, "--cpus %d --threads %d: there can be 1 to %d threads in all", m.CPUs, m.Threads, netthreads.MaxThreads)
	}
	m.DelaySlots, m.Plain, m.Profile = c.Bool("delay-slots"), c.Bool("no-skip"), c.Bool("profile")
	switch kind := c.String("memory"); kind {
	case "ideal":
	case "cached":
		m.Memory = &netthreads.Memory{}
	default:
		return nil, badInput(nil, "--memory %s: there is no such memory", kind).hint("give ideal or cached")
	}
	for name, needs := range map[string]bool{"trace": c.IsSet("trace"), "memory cached": m.Memory != nil, "no-skip": m.Plain} {
		if needs && config.Cycles == 0 {
			return nil, badInput(nil, "--%s needs --cycles: with it, it is not found out that nothing can happen any more", name).
				hint("for instance --cycles 1000000")
		}
	}
	text := func(line string) { io.WriteString(v, line) }
	if c.Bool("json") {
		text = func(line string) { v.done(); v.say("%s", line) }
	}
	stamp := c.Bool("stamp")
	m.Log = func(thread int, cycle uint64, line string) {
		if stamp {
			line = fmt.Sprintf("%d %d: %s", cycle, thread, line)
		}
		text(line + "\n")
	}
	began := time.Now()
	config.Progress = func(cycle uint64) {
		v.show("%d cycles, %.3g s of the card in %.1f s", cycle, float64(cycle)*netthreads.Tick*1e-9, time.Since(began).Seconds())
	}
	return config, readTrace(c, v, config)
}

// readTrace reads what the trace is written to, if one is wanted.
func readTrace(c *cli.Context, v *console, config *simulator.Config) error {
	switch name := c.String("trace"); {
	case !c.IsSet("trace"):
	case name == "":
		return badInput(nil, "--trace needs the name of a file").hint("- is standard output")
	case name == "-" && c.Bool("json"):
		return badInput(nil, "--trace - and --json both write to standard output").hint("give the trace a file")
	case name == "-":
		config.Trace = func() (io.WriteCloser, error) { return stays{v}, nil }
	default:
		config.Trace = func() (io.WriteCloser, error) { return os.Create(name) }
	}
	return nil
}

// stays is standard output, which is not closed.
type stays struct{ io.Writer }

func (stays) Close() error { return nil }

// simulationProblem is an error of connecting the ports: nothing has run.
func simulationProblem(err error) error {
	switch {
	case errors.Is(err, simulator.ErrRights):
		return &problem{err: err, code: exitNoRights}
	case errors.Is(err, syscall.EBUSY):
		return failed(err, "")
	case errors.Is(err, netthreads.ErrShort):
		return badInput(err, "").hint("--cpus 1 has threads 0 to 3 alone, and --threads 1 with it only thread 0")
	}
	return badInput(err, "")
}

// writeReport prints what came of a run.
func writeReport(c *cli.Context, v *console, r *simulator.Report) error {
	if c.Bool("json") {
		return writeJSON(v, r)
	}
	return r.WriteText(v)
}
