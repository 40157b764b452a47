package simulator

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// Config says what is simulated.
type Config struct {
	Machine netthreads.Config // but for Trace
	Ports   []Spec

	Cycles   uint64 // to end after; 0: at the end by itself
	Lossless bool   // packets in wait for room

	// Trace opens what each instruction is written to, with cycle and thread, when all else
	// is open. Nil: nowhere.
	Trace func() (io.WriteCloser, error)

	// Progress is called now and then. It may be nil.
	Progress func(cycle uint64)
}

// endpoint is both ends of a port: a tap.
type endpoint interface {
	source
	sink
}

// A Simulation is a machine with its ports connected. It belongs to one goroutine.
type Simulation struct {
	config  Config
	machine *netthreads.Machine
	ports   [ports]port
	turn    int           // the port that may offer first
	wake    chan struct{} // frames have come by a tap; nil without one
	nowhere uint64        // packets to ports that no card has
	seen    uint64        // cycle in which something was seen to happen last
	glance  uint64        // cycles
	end     End

	trace     *bufio.Writer // nil for none
	traceFile io.WriteCloser
}

// How many cycles pass before it is looked at what goes on outside, the signal and the taps:
// as many as have passed, within bounds, so that short runs are not made long. And how many
// before the slots are looked at, when packets wait for one: or a small part of those in
// which nothing has happened.
const (
	firstGlance = 1 << 14
	lastGlance  = 1 << 22
	slotPoll    = 16
)

// quiet is for how many cycles nothing must have been seen to happen: the round of the time
// register, which programs that count its rounds change memory for, and so are never idle.
const quiet = 1 << 32

// New connects the ports of a machine that is about to execute the image. Close must be
// called. Where it returns an error, nothing is left open.
func New(img *netthreads.Image, config *Config) (*Simulation, error) {
	s := &Simulation{config: *config, glance: lastGlance}
	s.config.Machine.Log = s.log(config.Machine.Log)
	if config.Trace != nil {
		s.traceSteps(img)
	}
	var err error
	if s.machine, err = netthreads.New(img, &s.config.Machine); err != nil {
		return nil, err
	}
	for i := range s.ports {
		s.ports[i].number = i
		s.ports[i].report.Port = portName(i)
	}
	// Nothing is written to before all else is there, so that a mistake costs no file.
	for _, connect := range []func(Spec) error{s.readFrom, s.tapTo, s.writeTo} {
		for _, spec := range config.Ports {
			if err := connect(spec); err != nil {
				s.Close()
				return nil, fmt.Errorf("%s: %w", spec.Name(), err)
			}
		}
	}
	if config.Trace != nil {
		if s.traceFile, err = config.Trace(); err != nil {
			s.Close()
			return nil, fmt.Errorf("trace: %w", err)
		}
		s.trace.Reset(s.traceFile)
	}
	return s, nil
}

// traceSteps has the machine write down what it executes.
func (s *Simulation) traceSteps(img *netthreads.Image) {
	s.glance = firstGlance
	s.trace = bufio.NewWriterSize(nil, 1<<16)
	s.config.Machine.Trace = func(step netthreads.Step) {
		fmt.Fprintf(s.trace, "%10d %2d  %s\n", step.Cycle, step.Thread, img.Line(step.PC))
	}
}

// log passes on what the program prints.
func (s *Simulation) log(to func(thread int, cycle uint64, line string)) func(thread int, cycle uint64, line string) {
	return func(thread int, cycle uint64, line string) {
		s.seen = max(s.seen, cycle)
		if s.trace != nil {
			s.trace.Flush()
		}
		if to != nil {
			to(thread, cycle, line)
		}
	}
}

func (s *Simulation) readFrom(spec Spec) error {
	if spec.In == "" {
		return nil
	}
	p := &s.ports[spec.port()]
	c, err := openCapture(spec, &p.report)
	if err == nil {
		p.source = c
	}
	return err
}

func (s *Simulation) writeTo(spec Spec) error {
	if spec.Out == "" {
		return nil
	}
	if err := s.refuseInput(spec.Out); err != nil {
		return err
	}
	w, err := createCapture(spec)
	if err == nil {
		s.ports[spec.port()].sink = w
	}
	return err
}

// refuseInput refuses to write to a file that is read, or written already.
func (s *Simulation) refuseInput(name string) error {
	to, err := os.Stat(name)
	if err != nil {
		return nil
	}
	for i := range s.ports {
		if c, ok := s.ports[i].source.(*captured); ok {
			if os.SameFile(c.file.Stat(), to) {
				return fmt.Errorf("%s is read and cannot be written to", name)
			}
		}
		if w, ok := s.ports[i].sink.(*written); ok && to.Mode().IsRegular() {
			if other, err := w.file.Stat(); err == nil && os.SameFile(other, to) {
				return fmt.Errorf("%s is written to by another port", name)
			}
		}
	}
	return nil
}

func (s *Simulation) tapTo(spec Spec) error {
	if spec.Tap == "" {
		return nil
	}
	if s.wake == nil {
		s.wake = make(chan struct{}, 1)
		s.glance = firstGlance
	}
	t, err := openTap(spec, s.wake)
	if err == nil {
		p := &s.ports[spec.port()]
		p.source, p.sink = t, t
	}
	return err
}

// Close writes out what is in memory, and closes all files and interfaces.
func (s *Simulation) Close() error {
	var err error
	for i := range s.ports {
		p := &s.ports[i]
		if p.source != nil {
			err = errors.Join(err, p.source.close())
		}
		if _, tap := p.sink.(endpoint); p.sink != nil && !tap {
			err = errors.Join(err, p.sink.close())
		}
		p.source, p.sink = nil, nil
	}
	if s.traceFile != nil {
		err = errors.Join(err, s.traceFile.Close())
		s.traceFile = nil
	}
	return err
}

// An End is why a run ended.
type End string

const (
	Idle        End = "idle"        // nothing can happen any more
	Quiet       End = "quiet"       // nothing was seen to happen for so long that it is taken for that
	Limit       End = "limit"       // Config.Cycles have passed
	Faulted     End = "fault"       // the program did what it must not
	Interrupted End = "interrupted" // the context was
	Broken      End = "error"       // a file or an interface failed
)

// Run runs the machine until an End. The error is a *netthreads.Fault, or what is wrong with a
// file or an interface.
func (s *Simulation) Run(ctx context.Context) error {
	var err error
	s.end, err = s.run(ctx)
	s.machine.Flush()
	if s.trace != nil {
		if flushed := s.trace.Flush(); err == nil && flushed != nil {
			s.end, err = Broken, fmt.Errorf("write the trace: %w", flushed)
		}
	}
	return err
}

func (s *Simulation) run(ctx context.Context) (End, error) {
	m := s.machine
	for {
		if ctx.Err() != nil {
			return Interrupted, nil
		}
		next, more, err := s.feed()
		if err != nil {
			return Broken, err
		}
		if s.config.Cycles > 0 {
			if m.Cycle() >= s.config.Cycles {
				return Limit, nil
			}
			next = min(next, s.config.Cycles)
		}
		if !more && s.wake == nil && s.config.Cycles == 0 && m.Cycle() > s.seen+quiet {
			return Quiet, nil
		}
		if m.Idle() && !more {
			if s.wake == nil {
				return Idle, nil
			}
			select {
			case <-s.wake:
				continue
			case <-ctx.Done():
				return Interrupted, nil
			}
		}
		stop, err := m.Run(next)
		if err != nil {
			return Faulted, err
		}
		if stop == netthreads.Launched {
			if err := s.send(); err != nil {
				return Broken, err
			}
		}
		if s.config.Progress != nil {
			s.config.Progress(m.Cycle())
		}
		if s.trace != nil {
			if _, err := s.trace.Write(nil); err != nil {
				return Broken, fmt.Errorf("write the trace: %w", err)
			}
		}
	}
}

// feed gives the machine the packets that have arrived, as far as it has slots. It returns
// the cycle up to which nothing else is to be done, and whether packets are to come.
func (s *Simulation) feed() (next uint64, more bool, err error) {
	now := s.machine.Cycle()
	for arrived := true; arrived; {
		arrived = false
		for i := range s.ports {
			one, err := s.ports[i].arrive(now, s.config.Lossless)
			if err != nil {
				return 0, false, err
			}
			if one {
				arrived, s.seen = true, max(s.seen, now)
			}
		}
		s.offer()
	}
	next = math.MaxUint64
	if !s.machine.Idle() || s.wake != nil {
		next = now + min(max(now, firstGlance), s.glance)
	}
	for i := range s.ports {
		p := &s.ports[i]
		if p.next != nil && p.at > now {
			next, more = min(next, p.at), true
		}
		if p.waiting(now) && !s.machine.Idle() {
			next = min(next, now+max(slotPoll, (now-min(now, s.seen))>>8))
		}
	}
	return next, more, nil
}

// offer gives the machine packets, from all ports in turn, until it takes no more.
func (s *Simulation) offer() {
	for refused := 0; refused < ports; s.turn = (s.turn + 1) % ports {
		if s.ports[s.turn].offer(s.machine) {
			s.seen = max(s.seen, s.machine.Cycle())
			refused = 0
		} else {
			refused++
		}
	}
}

// send takes the packet that the program launched to its ports.
func (s *Simulation) send() error {
	p, _ := s.machine.Output()
	s.seen = max(s.seen, p.Depart)
	for i := range s.ports {
		if p.Ports>>i&1 != 0 {
			if err := s.ports[i].send(p.Bytes, p.Depart); err != nil {
				return err
			}
		}
	}
	if p.Ports>>ports != 0 || p.Ports == 0 {
		s.nowhere++
	}
	return nil
}
