package gaps

import (
	"bytes"
	"io"
	"testing"

	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/link/pcap/pcaptest"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A file is a capture in the making, with stamps in ns.
type file struct{ b []byte }

func begin(faces ...pcap.Interface) *file {
	f := &file{pcap.AppendSection(nil)}
	for _, face := range faces {
		f.b = pcap.AppendInterface(f.b, face)
	}
	return f
}

func (f *file) packet(id uint32, at clock.Time, d pcap.Direction, data []byte) {
	f.b = pcap.AppendPacket(f.b, id, at, d, data)
}

// capture returns a file of packets with a payload of 1000 bytes that leave at the given
// times.
func capture(times ...clock.Time) []byte {
	f := begin(near)
	for _, at := range times {
		f.packet(0, at, pcap.Sent, pcaptest.UDP4(1000))
	}
	return f.b
}

var (
	near = pcap.Interface{Name: "near", Link: pcap.Raw}
	far  = pcap.Interface{Name: "far", Link: pcap.Raw}
)

// open reads the beginning of a file.
func open(t testing.TB, in io.Reader) *Reader {
	t.Helper()
	r, err := pcap.NewReader(in, pcap.Headers)
	if err != nil {
		t.Fatal(err)
	}
	return NewReader(r)
}

// every returns n times from first on.
func every(n int, first, gap clock.Time) []clock.Time {
	times := make([]clock.Time, n)
	for i := range times {
		times[i] = first + clock.Time(i)*gap
	}
	return times
}

// analyse reads a file that must be whole.
func analyse(t testing.TB, b []byte, config Config) *Report {
	t.Helper()
	r := open(t, bytes.NewReader(b))
	a := NewAnalysis(r, config)
	for {
		p, err := r.Next()
		if err == io.EOF {
			return a.Report()
		}
		if err != nil {
			t.Fatal(err)
		}
		a.Add(&p)
	}
}
