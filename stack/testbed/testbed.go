package testbed

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack"
)

// A Testbed is hosts and links that are there.
type Testbed struct {
	config   Config
	hooks    Hooks
	world    *stack.World // nil in real time
	real     *clock.Real  // nil in virtual time
	recorder *link.Recorder

	hosts    []*Host
	byName   map[string]*Host
	ends     map[string]link.Device // of links, by the names of their hosts, as far as no host has them
	captures []capture
	watch    *watch // of the real interfaces; nil in virtual time
	closed   bool
	err      error // of Close
}

// Hooks are what a program has to do with a testbed beside its Config. All may be nil.
type Hooks struct {
	// Tell is told of what happens to a real interface and does not end it, one call at a
	// time, on a goroutine of its own.
	Tell func(error)
	// UnderCard puts a device of the program's own into the chain of each host: directly
	// below the card, or where it would be. It is called while the testbed is made.
	UnderCard func(b *Testbed, below link.Device) link.Device
}

// A capture is a file that hosts share.
type capture struct {
	name string
	*pcap.Output
}

// A CaptureError is what is wrong with a capture file.
type CaptureError struct {
	File string
	Err  error
}

func (e *CaptureError) Error() string { return e.Err.Error() }
func (e *CaptureError) Unwrap() error { return e.Err }

// A HostError is why a host could not be made, above an interface or a link that could.
type HostError struct {
	Host string
	Err  error
}

func (e *HostError) Error() string { return fmt.Sprintf("host %q: %v", e.Host, e.Err) }
func (e *HostError) Unwrap() error { return e.Err }

// New makes what the Config says. The order is: interfaces and links, captures, hosts. When
// something fails, what was made before is gone again. hooks may be nil.
func New(c Config, hooks *Hooks) (*Testbed, error) {
	if err := c.Check(); err != nil {
		return nil, err
	}
	b := &Testbed{config: c, byName: make(map[string]*Host), ends: make(map[string]link.Device)}
	if hooks != nil {
		b.hooks = *hooks
	}
	if !c.InRealTime() || c.Hash {
		b.recorder = new(link.Recorder)
	}
	if err := b.build(); err != nil {
		b.Close()
		return nil, err
	}
	return b, nil
}

func (b *Testbed) build() error {
	if b.config.InRealTime() {
		b.real, b.watch = StartClock(), newWatch(b.hooks.Tell)
	} else {
		b.world = stack.NewWorld(b.config.Seed)
	}
	for i := range b.config.Hosts {
		if h := &b.config.Hosts[i]; h.Port != nil {
			if err := b.openPort(i, h); err != nil {
				return err
			}
		}
	}
	for i := range b.config.Links {
		b.Do(func() { b.link(i) })
	}
	for i := range b.config.Hosts {
		if err := b.openCapture(&b.config.Hosts[i]); err != nil {
			return err
		}
	}
	for i := range b.config.Hosts {
		if err := b.addHost(i); err != nil {
			return &HostError{b.config.Hosts[i].Name, err}
		}
	}
	return nil
}

// openCapture creates the file that a host's frames are written to, if no other host has. It
// comes after the interfaces, so that a file which is there already is not emptied in vain.
func (b *Testbed) openCapture(h *HostConfig) error {
	name := h.captureFile()
	if name == "" || b.capture(name) != nil {
		return nil
	}
	file, err := pcap.Create(name)
	if err != nil {
		return &CaptureError{name, err}
	}
	b.captures = append(b.captures, capture{name, file})
	return nil
}

// captureFile returns the name of the file that a host's frames are written to, or "".
func (h *HostConfig) captureFile() string {
	if h.Port != nil && h.Port.Kind == Pcap {
		return h.Port.Name
	}
	return h.Capture
}

func (b *Testbed) capture(name string) *pcap.Output {
	for _, c := range b.captures {
		if c.name == name {
			return c.Output
		}
	}
	return nil
}

// Config returns what the testbed was made of.
func (b *Testbed) Config() *Config { return &b.config }

// Hosts returns all hosts, in the order of the Config.
func (b *Testbed) Hosts() []*Host { return b.hosts }

// Host returns the host of that name, nil if there is none.
func (b *Testbed) Host(name string) *Host { return b.byName[name] }

// Lookup returns the addresses of the host of that name.
func (b *Testbed) Lookup(name string) (addrs []netip.Addr) {
	for _, p := range b.config.Addrs(name) {
		addrs = append(addrs, p.Addr())
	}
	return addrs
}

// World returns the hosts' world, nil in real time.
func (b *Testbed) World() *stack.World { return b.world }

// Clock returns the clock of all devices.
func (b *Testbed) Clock() clock.Clock {
	if b.world != nil {
		return b.world.Clock()
	}
	return b.real
}

// Do calls f on the clock's goroutine, which the devices belong to, and returns when it has
// returned. In virtual time that is the caller's own.
func (b *Testbed) Do(f func()) {
	if b.real != nil {
		b.real.Do(f)
		return
	}
	f()
}

// Run runs main with all the testbed, until main has returned: in virtual time as a process
// of the world, whose errors it returns; in real time it calls it, and returns Err.
func (b *Testbed) Run(main func()) error {
	if b.world != nil {
		return b.world.Run(main)
	}
	main()
	return b.Err()
}

// RunFor lets the testbed go on for d.
func (b *Testbed) RunFor(d time.Duration) error {
	if b.world != nil {
		b.world.RunFor(d)
		return nil
	}
	select {
	case <-time.After(d):
	case <-b.Done():
	}
	return b.Err()
}

// Go runs f beside the caller, in virtual time as a process of the world. The function that
// it returns waits until f has returned.
func (b *Testbed) Go(f func()) (wait func()) {
	if b.world != nil {
		return b.world.Go(f)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	return func() { <-done }
}

// Sleep returns when d has passed.
func (b *Testbed) Sleep(d time.Duration) {
	if b.world != nil {
		b.world.Sleep(d)
		return
	}
	time.Sleep(d)
}

// Hash returns the fingerprint of all frames so far, "" in real time where Config.Hash has
// not asked for it. It is called on the clock's goroutine.
func (b *Testbed) Hash() string {
	if b.recorder == nil {
		return ""
	}
	return b.recorder.Hash()
}

// Done is closed when a real interface is lost, and all that sends into it waits in vain. In
// virtual time that does not happen.
func (b *Testbed) Done() <-chan struct{} {
	if b.watch == nil {
		return nil
	}
	return b.watch.lost
}

// Err returns why an interface is lost, nil if none is.
func (b *Testbed) Err() error {
	if b.watch == nil {
		return nil
	}
	return b.watch.err()
}

// Drain lets the testbed go on until what was sent has left all chains, for limit at most,
// and reports whether it has; in virtual time for the whole limit. A FIN waits for its
// departure as data does.
func (b *Testbed) Drain(limit time.Duration) bool {
	if b.world != nil {
		b.world.RunFor(limit)
		return b.Waiting() == 0
	}
	end := time.Now().Add(limit)
	for _, h := range b.hosts {
		if h.Host != nil {
			h.Flush(time.Until(end))
		}
	}
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	for time.Now().Before(end) {
		waiting := 0
		b.Do(func() { waiting = b.Waiting() })
		if waiting == 0 {
			return true
		}
		select {
		case <-look.C:
		case <-b.Done():
			return false
		}
	}
	return false
}

// Waiting returns how many frames wait in all chains. It is called on the clock's goroutine.
func (b *Testbed) Waiting() (n int) {
	for _, h := range b.hosts {
		for _, c := range h.Counters() {
			n += c.Waiting
		}
	}
	return n
}

// lastWords is how long Close waits for what hosts have still to send.
const lastWords = time.Second

// Close ends all hosts, then what they send into, the clock, and the captures. It returns
// what went wrong with a capture as a *CaptureError.
func (b *Testbed) Close() error {
	if b.closed {
		return b.err
	}
	b.closed = true
	if b.world != nil {
		b.world.Close()
	}
	for _, h := range b.hosts {
		if h.Host != nil && b.real != nil {
			if b.Err() == nil {
				h.Flush(lastWords)
			}
			h.Host.Close()
		}
		b.Do(func() { h.Top.Close() })
	}
	for _, end := range b.ends {
		b.Do(func() { end.Close() })
	}
	if b.real != nil {
		b.real.Close()
		b.watch.close()
	}
	var errs []error
	for _, c := range b.captures {
		if err := c.Output.Close(); err != nil {
			errs = append(errs, &CaptureError{c.name, err})
		}
	}
	b.err = errors.Join(errs...)
	return b.err
}

// link makes the i'th link.
func (b *Testbed) link(i int) {
	l := &b.config.Links[i]
	var configs [2]wire.Config
	for end, d := range [2]*Direction{&l.Direction, l.back()} {
		n := b.config.index(l.Ends[end])
		configs[end] = wire.Config{
			Name: l.Ends[end], Address: MAC(n), MTU: b.config.Hosts[n].mtu(),
			Rate: d.Rate, Line: d.Line, Delay: d.Delay, QueueFrames: d.Queue,
		}
	}
	x, y := wire.New(b.Clock(), &configs[0], &configs[1])
	for end, e := range [2]*wire.End{x, y} {
		d := [2]*Direction{&l.Direction, l.back()}[end]
		for _, s := range d.Steps {
			b.Clock().AfterFunc(s.At, func() { e.SetRate(s.Rate) })
		}
		var device link.Device = e
		if d.Faults != (link.Faults{}) {
			device = link.NewFault(e, b.Clock(), &link.FaultConfig{Seed: b.config.Seed + uint64(2*i+end)<<32, Sent: d.Faults, Late: d.Late})
		}
		b.ends[l.Ends[end]] = device
	}
}

// index returns the number of the host of that name.
func (c *Config) index(host string) int {
	for i := range c.Hosts {
		if c.Hosts[i].Name == host {
			return i
		}
	}
	return -1
}
