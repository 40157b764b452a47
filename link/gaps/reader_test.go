package gaps

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/link/pcap/pcaptest"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// TestSkipped counts what cannot be measured, and names the link.
func TestSkipped(t *testing.T) {
	r := analyse(t, kinds(), Config{})
	if want := (Skipped{LinkType: 1, Links: "IEEE 802.11 (link type 105)", Untimed: 1}); r.Skipped != want || r.Packets != 80 {
		t.Errorf("%d packets, skipped %+v", r.Packets, r.Skipped)
	}
}

// TestFCS counts a frame check sequence that is in the file once.
func TestFCS(t *testing.T) {
	for name, rate := range map[string]float64{"06-fcs-full-size.pcap": 1538 * 8e3, "05-vlan-full-size.pcap": 1542 * 8e3, "07-fcs-small.pcap": 84 * 8e3} {
		b, err := os.ReadFile(filepath.Join("../pcap/testdata", name))
		if err != nil {
			t.Fatal(err)
		}
		if f := analyse(t, b, Config{}).Flows[0]; f.WireRate != rate {
			t.Errorf("%s: %v bit/s, want %v", name, f.WireRate, rate)
		}
	}
}

// FuzzAnalysis makes a report, and a picture, of whatever can be read.
func FuzzAnalysis(f *testing.F) {
	f.Add(capture(1, 2, 3))
	f.Add(kinds())
	f.Add(capture(5, 3, 1<<62, 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		file, err := pcap.NewReader(bytes.NewReader(b), pcap.Headers)
		if err != nil {
			return
		}
		r := NewReader(file)
		a := NewAnalysis(r, Config{Asked: &Schedule{Rate: 1e6, Unit: pacer.IP}, Pause: time.Second})
		n := uint64(0)
		for ; ; n++ {
			p, err := r.Next()
			if err != nil {
				break
			}
			a.Add(&p)
		}
		report := a.Report()
		if err := report.WriteText(io.Discard, 10); err != nil {
			t.Fatal(err)
		}
		in := uint64(0)
		for _, f := range report.Flows {
			in += f.Packets
		}
		if report.Packets != n || in+report.NotKept != n {
			t.Fatalf("of %d packets %d are in flows, and %d not kept", n, in, report.NotKept)
		}
		for _, f := range report.Flows {
			if f.Gaps == 0 {
				continue
			}
			for _, log := range []bool{false, true} {
				var picture bytes.Buffer
				if err := f.Draw(&picture, SVG, log); err != nil || bytes.Contains(picture.Bytes(), []byte("NaN")) {
					t.Fatalf("%v\n%s", err, picture.Bytes())
				}
			}
			return
		}
	})
}

// BenchmarkRead reads and analyses packets of full size: a packet an iteration.
func BenchmarkRead(b *testing.B) {
	f := begin(near)
	head := bytes.Clone(f.b)
	f.packet(0, 1, pcap.Sent, pcaptest.UDP4(1472))
	r := open(b, &pcaptest.Endless{Head: head, Body: f.b[len(head):]})
	a := NewAnalysis(r, Config{Asked: &Schedule{Rate: 500e6}, Pause: time.Second})
	b.SetBytes(int64(len(f.b) - len(head)))
	b.ReportAllocs()
	for i := clock.Time(0); b.Loop(); i++ {
		p, err := r.Next()
		if err != nil {
			b.Fatal(err)
		}
		p.Time = i * 24608
		a.Add(&p)
	}
}

// TestAllocations reads and analyses without memory for each packet.
func TestAllocations(t *testing.T) {
	r := open(t, bytes.NewReader(capture(every(3000, 0, 24608)...)))
	a := NewAnalysis(r, Config{Asked: &Schedule{Rate: 500e6}})
	step := func() {
		p, err := r.Next()
		if err != nil {
			t.Fatal(err)
		}
		a.Add(&p)
	}
	for range 1500 { // the trail is full-grown then
		step()
	}
	if n := testing.AllocsPerRun(1000, step); n != 0 {
		t.Errorf("%v allocations a packet", n)
	}
}
