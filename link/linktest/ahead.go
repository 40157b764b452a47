package linktest

import (
	"time"

	"github.com/netcaliper/caliper/link"
)

// Ahead is a device that wants its frames another Lead before their departure.
type Ahead struct {
	link.Device
	Lead time.Duration
}

// Info implements link.Device.
func (a Ahead) Info() link.Info {
	i := a.Device.Info()
	i.Lead = a.Lead
	return i
}
