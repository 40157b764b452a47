package netthreads

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/netcaliper/caliper/cmd/caliper/internal/pktgen"
	"github.com/netcaliper/caliper/link"
	machine "github.com/netcaliper/caliper/netfpga/netthreads"
)

// captured is a capture that packets arrive from.
type captured struct {
	name   string
	mac    bool // packets are frames of Ethernet
	file   *pktgen.Capture
	report *PortReport

	begun bool
	first time.Time
	free  uint64 // the cycle from which another can arrive
	over  bool
}

func openCapture(spec Spec, report *PortReport) (*captured, error) {
	file, err := pktgen.OpenCapture(spec.In)
	if err != nil {
		return nil, err
	}
	return &captured{name: spec.In, mac: !spec.Host, file: file, report: report}, nil
}

// next implements source. A packet that is older than the one before arrives with it, and
// at a MAC not before the line had the time for it.
func (c *captured) next(uint64) ([]byte, uint64, error) {
	for !c.over {
		r, err := c.file.Next()
		switch {
		case err == io.EOF:
			c.over = true
			continue
		case err != nil:
			return nil, 0, fmt.Errorf("%s: %w", c.name, err)
		case c.mac && r.Link != layers.LinkTypeEthernet:
			return nil, 0, fmt.Errorf("%s: its packets are of link type %d, and a MAC takes Ethernet", c.name, r.Link)
		}
		if r.Length > len(r.Bytes) {
			c.report.Cut++
		}
		if len(r.Bytes) == 0 {
			continue
		}
		if !c.begun {
			c.begun, c.first = true, r.Time
		}
		at := max(c.free, cycles(r.Time.Sub(c.first)))
		c.free = at
		if c.mac {
			c.free += uint64(link.WireBytes(r.Length)) // 8 ns a byte
		}
		return r.Bytes, at, nil
	}
	return nil, 0, nil
}

// cycles returns the first cycle at or behind d.
func cycles(d time.Duration) uint64 {
	if d <= 0 {
		return 0
	}
	return (uint64(d) + machine.Tick - 1) / machine.Tick
}

func (c *captured) close() error { return c.file.Close() }

// written is a capture that packets are written to. Cycle 0 is the beginning of 1970. The
// errors of the file name it.
type written struct {
	file *os.File
	buf  *bufio.Writer
	ng   *pcapgo.NgWriter
}

func createCapture(spec Spec) (*written, error) {
	file, err := os.Create(spec.Out)
	if err != nil {
		return nil, err
	}
	w := &written{file: file, buf: bufio.NewWriterSize(file, 1<<16)}
	w.ng, err = pcapgo.NewNgWriterInterface(w.buf,
		pcapgo.NgInterface{Name: spec.Name(), LinkType: layers.LinkTypeEthernet},
		pcapgo.NgWriterOptions{SectionInfo: pcapgo.NgSectionInfo{Application: "caliper"}})
	if err != nil {
		file.Close()
		return nil, err
	}
	return w, nil
}

// put implements sink.
func (w *written) put(packet []byte, depart uint64) (bool, error) {
	err := w.ng.WritePacket(gopacket.CaptureInfo{
		Timestamp:     time.Unix(0, int64(depart*machine.Tick)),
		CaptureLength: len(packet),
		Length:        len(packet),
	}, packet)
	return err == nil, err
}

func (w *written) close() error {
	err := w.ng.Flush()
	if err == nil {
		err = w.buf.Flush()
	}
	if closed := w.file.Close(); err == nil {
		err = closed
	}
	return err
}
