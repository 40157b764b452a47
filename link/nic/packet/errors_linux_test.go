package packet

import (
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/nic"
	"github.com/netcaliper/caliper/pacer/clock"
)

// failing is a back end whose reads end with errors.
type failing struct {
	errors []error
	sockets
}

func (f *failing) Read(to *nic.Receiver, _ bool) error {
	err := f.errors[0]
	f.errors = f.errors[1:]
	return f.took(to, 0, err)
}

func (f *failing) Write([]byte) error { return nil }
func (f *failing) Lost() uint64       { return 0 }
func (f *failing) Close() error       { return nil }

// Reading goes on after what passes, which is counted, and ends with what does not.
func TestReadErrors(t *testing.T) {
	for last, want := range map[error]error{unix.EIO: unix.EIO, os.ErrClosed: nil} {
		clk := clock.NewVirtual()
		b := &failing{errors: []error{unix.EINVAL, unix.ENETDOWN, unix.EINVAL, last, unix.EINVAL}}
		d, err := nic.New(clk, b, nic.Config{Info: link.Info{MTU: 1500}, Poll: 1})
		if err != nil {
			t.Fatal(err)
		}
		d.Attach(new(linktest.Null))
		for clk.Step() {
		}
		if r := d.Counters().Received; r.Drops[link.Malformed] != 2 || r.Dropped() != 2 || !errors.Is(d.Err(), want) || len(b.errors) != 1 {
			t.Errorf("received %+v, %v", r, d.Err())
		}
	}
}
