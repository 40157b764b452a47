package nic

import (
	"fmt"
	"net"
	"slices"
	"sync"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Config says what a Device is made of.
type Config struct {
	Kind string    // of back end, as Counters have it: "tun"
	What string    // it is called in errors, before its name: "tun interface"
	Info link.Info // Stamps is set by New
	// Index is the interface's number in the calling thread's network namespace, where the
	// kernel is asked what becomes of it. 0 stands for one that nobody watches.
	Index int
	// Poll is how often the clock's goroutine looks for what has arrived, which takes 1 to
	// 2 us a frame from the thread that sends. 0 stands for a goroutine that waits for it,
	// and is woken for each: an answer over a tun takes up to twice as long as with a look every
	// 5 us.
	Poll time.Duration
	// Tell, if it is not nil, is told on the clock's goroutine of what happens to the
	// interface and does not end the device.
	Tell func(error)
}

// A Device is a real interface, a link.Device. Its methods are called on the clock's
// goroutine, but for Info, Failed and Err, which any may call.
type Device struct {
	clk     clock.Clock
	backend Backend
	config  Config
	handler link.Handler
	closed  bool

	writer  writer
	in      Receiver
	done    chan struct{} // closed when the reading goroutine has ended, nil without one
	look    clock.Timer   // for what has arrived, nil where nobody polls
	state   status
	watcher *Watcher // nil for one that nobody watches

	mu     sync.Mutex
	err    error
	failed chan struct{}
}

// New returns a device above the back end, which it closes if it fails.
func New(clk clock.Clock, b Backend, c Config) (*Device, error) {
	c.Info.Stamps = true
	d := &Device{clk: clk, backend: b, config: c, state: newStatus(), failed: make(chan struct{})}
	d.writer.init(d)
	d.in.init(clk, &d.config.Info)
	if c.Index == 0 {
		return d, nil
	}
	var err error
	d.watcher, err = Watch(c.Index, func(s State) { // on the watcher's goroutine
		clk.AfterFunc(0, func() { d.changed(s) })
	})
	if err != nil {
		d.Close()
		return nil, d.wrap(err)
	}
	return d, nil
}

// Info implements link.Device.
func (d *Device) Info() link.Info { return d.config.Info }

// Below implements link.Device.
func (d *Device) Below() link.Device { return nil }

// Counters implements link.Device. What arrived and was lost in the kernel counts as received
// and dropped, QueueFull.
func (d *Device) Counters() link.Counters {
	d.lost()
	c := link.Counters{Kind: d.config.Kind, Name: d.config.Info.Name, Sent: d.writer.stats, Received: d.in.inbox.Stats()}
	c.More = d.state.counters(d.clk.Now())
	return c
}

// lost takes in what the kernel had no room for.
func (d *Device) lost() {
	if !d.closed {
		d.in.Lose(link.QueueFull, int(d.backend.Lost()))
	}
}

// Failed is closed when the device has failed, such as when somebody else has removed the
// interface: nothing more leaves or arrives.
func (d *Device) Failed() <-chan struct{} { return d.failed }

// Err returns why the device has failed, nil if it has not.
func (d *Device) Err() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		return nil
	}
	return d.wrap(d.err)
}

// fail ends the device with an error. The first one counts. Any goroutine may call it.
func (d *Device) fail(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.err == nil {
		d.err = err
		close(d.failed)
	}
}

func (d *Device) wrap(err error) error {
	return fmt.Errorf("%s %q: %w", d.config.What, d.config.Info.Name, err)
}

// Close implements link.Device. When it returns the interface is gone, or as it was before it
// was opened, and the device's goroutines have ended.
func (d *Device) Close() error {
	if d.closed {
		return nil
	}
	d.lost()
	d.closed = true
	if d.watcher != nil {
		d.watcher.Close() // before the interface is gone by our own doing
	}
	err := d.backend.Close()
	d.endRead()
	d.writer.retry.Stop()
	d.in.inbox.Close()
	if err != nil {
		return d.wrap(fmt.Errorf("close: %w", err))
	}
	return nil
}

// Another returns an Ethernet address for a station beside the one that has address a: a
// locally administered one (IEEE 802, clause 8.4), the same every time, that is not a, also
// where that is one itself.
func Another(a net.HardwareAddr) net.HardwareAddr {
	a = slices.Clone(a)
	a[0] = (a[0] | 0x02) ^ 0x10
	return a
}

// CheckStation tells whether an Ethernet address can be that of one station.
func CheckStation(a net.HardwareAddr) error {
	if len(a) != 6 || a[0]&1 != 0 || slices.Max(a) == 0 {
		return fmt.Errorf("%v is not the Ethernet address of one station", a)
	}
	return nil
}
