package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/nic/packet"
	"github.com/netcaliper/caliper/link/nic/tuntap"
)

// openOutlet starts the clock and opens the real port of a run.
func (b *bench) openOutlet(c benchConfig) error {
	b.real = startClock()
	b.told = newTelling(c.tell)
	var err error
	if c.port.kind == "packet" {
		b.out, err = packet.Open(b.real, &packet.Config{Interface: c.port.name, MTU: c.mtu, Tell: b.told.tell})
	} else {
		b.out, err = tuntap.Open(b.real, &tuntap.Config{Name: c.port.name, MTU: c.mtu, KernelAddrs: c.kernel, Tell: b.told.tell})
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, fs.ErrPermission):
		return &problem{err: err, code: exitNoRights}
	case errors.As(err, new(syscall.Errno)):
		return failed(err, "")
	}
	return badInput(err, "") // such as a name that there is already
}

// whileUp returns a context that ends with ctx, and when the real port has failed, if the
// run has one.
func (b *bench) whileUp(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	if b.out != nil {
		go func() {
			select {
			case <-b.out.Failed():
				cancel()
			case <-ctx.Done():
			}
		}()
	}
	return ctx, cancel
}

// lost returns why the real port has failed, nil if it has not.
func (b *bench) lost() error {
	if b.out == nil {
		return nil
	}
	if err := b.out.Err(); err != nil {
		return failed(err, "")
	}
	return nil
}

// claimed tells that another station has said that it has our address.
func (b *bench) claimed(a netip.Addr, by net.HardwareAddr) {
	b.told.tell(fmt.Errorf("another station, %v, has our address %v, too: packets for one arrive at the other; give one of them another address", by, a))
}

// telling takes what the clock's goroutine has to tell to one that may wait for a terminal.
type telling struct {
	news chan error
	done chan struct{}
}

func newTelling(tell func(error)) *telling {
	t := &telling{news: make(chan error, 64), done: make(chan struct{})}
	go func() {
		defer close(t.done)
		for err := range t.news {
			tell(err)
		}
	}()
	return t
}

// tell does not wait: what there is no room for is not told.
func (t *telling) tell(err error) {
	select {
	case t.news <- err:
	default:
	}
}

// close comes when nobody calls tell any more.
func (t *telling) close() {
	if t != nil {
		close(t.news)
		<-t.done
	}
}

// interfaceReport is what became of a real port since it was opened, and what could not be
// sent to it.
type interfaceReport struct {
	Downs       uint64            `json:"downs"` // it went down, or lost its carrier
	DownSeconds float64           `json:"down_seconds"`
	MTUChanges  uint64            `json:"mtu_changes"`
	Dropped     map[string]uint64 `json:"dropped,omitempty"` // frames, by cause
}

// interfaceReport returns nil where there is nothing to report. It is called on the clock's
// goroutine.
func (b *bench) interfaceReport() *interfaceReport {
	if b.out == nil {
		return nil
	}
	c := b.out.Counters()
	r := &interfaceReport{
		Downs: uint64(c.Get("downs")), DownSeconds: time.Duration(c.Get("down_ns")).Seconds(), MTUChanges: uint64(c.Get("mtu_changes")),
		Dropped: make(map[string]uint64),
	}
	if r.Downs == 0 && r.MTUChanges == 0 && c.Sent.Dropped() == 0 {
		return nil
	}
	for why, n := range c.Sent.Drops {
		if n > 0 {
			r.Dropped[link.Cause(why).String()] = n
		}
	}
	return r
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
