package netfpga

import (
	"time"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
)

// A card sends in order: a frame that it has holds back one that comes later and is due earlier.
// So it asks for a frame no longer ahead than the frame needs to be in time.
const (
	// leadStep is the least lead, and what leads are rounded up to. A card whose bus and
	// generator cost nothing needs it only where the host is late itself.
	leadStep = 10 * time.Microsecond

	// leadTransfers is how many transfers of full length may pass until a frame is on the
	// card: the one under way, a message of the card's, the buffer in front, its own.
	leadTransfers = 4

	// leadProgram is how long our program takes with a full frame, from the bus to the
	// MAC (README, "The faithful card"). No frame takes it longer.
	leadProgram = 39580 * time.Nanosecond
)

// perMessage is how many packets a message has where they are the shortest of the original,
// whose headers alone are carried: 42 bytes, behind a packet_hdr at an 8-byte boundary.
const perMessage = 1 + (drivercomm.MaxDMA-drivercomm.FirstPacket-drivercomm.HeaderLen-42)/64

// lead returns how long before its departure the card wants to be given a frame, if that
// finds the driver's buffers empty and the card with quota to spare.
func (c *Config) lead() time.Duration {
	d := leadTransfers * c.PCI.Of(drivercomm.MaxDMA)
	if c.Firmware != nil {
		d += leadProgram
	}
	return max(leadStep, (d+leadStep-1)/leadStep*leadStep)
}
