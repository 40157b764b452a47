package nic

import (
	"errors"
	"os"
	"slices"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A fake is a back end that has frames to read, and then errors, and ends each write as it is
// told.
type fake struct {
	frames  [][]byte
	errors  []error
	onWrite func(b []byte) error // nil for one that takes all
	drops   uint64
	closed  int
}

func (b *fake) Read(to *Receiver, wait bool) error {
	switch {
	case len(b.frames) > 0:
		n := len(b.frames[0])
		copy(to.Buffer(), b.frames[0])
		b.frames = b.frames[1:]
		to.Took(n)
		return nil
	case len(b.errors) > 0:
		err := b.errors[0]
		b.errors = b.errors[1:]
		return err
	case wait || b.closed > 0:
		return os.ErrClosed
	}
	return ErrEmpty
}

func (b *fake) Write(p []byte) error {
	if b.onWrite == nil {
		return nil
	}
	return b.onWrite(p)
}

func (b *fake) Lost() uint64 {
	if b.closed > 0 {
		panic("asked after Close")
	}
	n := b.drops
	b.drops = 0
	return n
}

func (b *fake) Close() error {
	b.closed++
	return nil
}

// newFake returns a device above the back end, of an MTU of 1500 bytes and without a link
// header, which tells of what happens by said.
func newFake(t testing.TB, clk clock.Clock, b Backend, said *[]string) *Device {
	t.Helper()
	c := Config{Kind: "fake", What: "fake interface", Info: link.Info{Name: "fake0", MTU: 1500}}
	if said != nil {
		c.Tell = func(err error) { *said = append(*said, err.Error()) }
	}
	d, err := New(clk, b, c)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// one has a device send a frame of so many bytes.
func one(d *Device, size int) (n int, err error) {
	f := link.NewFrame(size)
	n, err = d.Transmit([]*link.Frame{f})
	if n == 0 {
		f.Free()
	}
	return n, err
}

// read has a device read all that its back end has, and hands it to what is above.
func read(clk *clock.Virtual, d *Device) *linktest.Collector {
	above := &linktest.Collector{Clock: clk}
	d.Attach(above)
	<-d.done
	for clk.Step() {
	}
	return above
}

var errBroken = errors.New("broken")

// sizes returns how long what arrived is.
func sizes(above *linktest.Collector) (n []int) {
	for _, r := range above.Records {
		n = append(n, len(r.Bytes))
	}
	return n
}

// same tests that frames of these lengths arrived.
func same(t *testing.T, above *linktest.Collector, want ...int) {
	t.Helper()
	if got := sizes(above); !slices.Equal(got, want) {
		t.Errorf("frames of %v bytes arrived, want %v", got, want)
	}
}
