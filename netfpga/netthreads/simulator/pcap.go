package simulator

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/pacer/clock"
)

// captured is a capture that packets arrive from.
type captured struct {
	name   string
	mac    bool // packets are frames of Ethernet
	file   *pcap.File
	report *PortReport

	line pcap.Timeline
	free uint64 // the cycle from which another can arrive
	over bool
}

func openCapture(spec Spec, report *PortReport) (*captured, error) {
	file, err := pcap.Open(spec.In, pcap.MaxKept)
	if err != nil {
		return nil, err
	}
	return &captured{name: pcap.NameOf(spec.In), mac: !spec.Host, file: file, report: report}, nil
}

// next implements source. Packets arrive as pcap.Timeline has them, and at a MAC not before
// the line had the time for it.
func (c *captured) next(uint64) ([]byte, uint64, error) {
	for !c.over {
		p, err := c.file.Next()
		switch {
		case err == io.EOF:
			c.over = true
			continue
		case err != nil:
			return nil, 0, fmt.Errorf("%s: %w", c.name, err)
		case !p.Timed:
			continue
		case c.mac && p.Link != pcap.Ethernet:
			return nil, 0, fmt.Errorf("%s: its packets are of %v, and a MAC takes Ethernet", c.name, p.Link)
		}
		if p.Length > len(p.Bytes) {
			c.report.Cut++
		}
		if len(p.Bytes) == 0 {
			continue
		}
		at := max(c.free, cycles(c.line.At(p.Time)))
		c.free = at
		if c.mac {
			c.free += uint64(link.WireBytes(p.Length)) // 8 ns a byte
		}
		return p.Bytes, at, nil
	}
	return nil, 0, nil
}

// cycles returns the first cycle at or behind d.
func cycles(d time.Duration) uint64 { return (uint64(d) + netthreads.Tick - 1) / netthreads.Tick }

func (c *captured) close() error { return c.file.Close() }

// written is a capture that packets are written to. Cycle 0 is the beginning of 1970. The
// errors of the file name it.
type written struct {
	file  *os.File
	buf   *bufio.Writer
	block []byte
}

func createCapture(spec Spec) (*written, error) {
	file, err := os.Create(spec.Out)
	if err != nil {
		return nil, err
	}
	w := &written{file: file, buf: bufio.NewWriterSize(file, 1<<16)}
	w.buf.Write(pcap.AppendInterface(pcap.AppendSection(nil), pcap.Interface{Name: spec.Name(), Link: pcap.Ethernet}))
	return w, nil
}

// put implements sink.
func (w *written) put(packet []byte, depart uint64) (bool, error) {
	w.block = pcap.AppendPacket(w.block[:0], 0, clock.Time(depart*netthreads.Tick), pcap.Sent, packet)
	_, err := w.buf.Write(w.block)
	return err == nil, err
}

func (w *written) close() error {
	err := w.buf.Flush()
	if closed := w.file.Close(); err == nil {
		err = closed
	}
	return err
}
