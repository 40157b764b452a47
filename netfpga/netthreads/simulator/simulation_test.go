package simulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/programs"
)

// arrival is a packet of a capture.
type arrival struct {
	at    time.Duration // since 2026
	bytes int
	had   int // bytes before it was cut; 0: it was not
}

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// captureOf writes a capture and returns its name.
func captureOf(t *testing.T, link layers.LinkType, packets ...arrival) string {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "in.pcap"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	w := pcapgo.NewWriterNanos(f)
	err = w.WriteFileHeader(1<<16, link)
	for i, p := range packets {
		b := make([]byte, p.bytes)
		for j := range b {
			b[j] = byte(i + j)
		}
		err = errors.Join(err, w.WritePacket(gopacket.CaptureInfo{Timestamp: epoch.Add(p.at), CaptureLength: p.bytes, Length: max(p.bytes, p.had)}, b))
	}
	if err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// left is a packet of the program.
type left struct {
	at    time.Duration // since cycle 0
	bytes int
}

func readBack(t *testing.T, name string) (all []left) {
	t.Helper()
	c, err := pcap.Open(name, pcap.MaxKept)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for {
		r, err := c.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, left{time.Duration(r.Time), len(r.Bytes)})
	}
}

// bounce runs the built-in program of that name until its end.
func bounce(t *testing.T, config Config) *Report {
	t.Helper()
	img, err := programs.Open("bounce", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(img, &config)
	if err != nil {
		t.Fatal(err)
	}
	err = s.Run(context.Background())
	r := s.Report(time.Second, err)
	if err := errors.Join(err, s.Close()); err != nil {
		t.Fatal(err)
	}
	return r
}

// TestArrival has packets come when they did: behind the first one, at a MAC no faster than
// the line, and never back in time.
func TestArrival(t *testing.T) {
	in := captureOf(t, layers.LinkTypeEthernet,
		arrival{at: 0, bytes: 60},
		arrival{at: 1 * time.Millisecond, bytes: 60},
		arrival{at: 1 * time.Millisecond, bytes: 1514}, // on the line when the one before is
		arrival{at: 1 * time.Millisecond, bytes: 1514},
		arrival{at: 500 * time.Microsecond, bytes: 60},
		arrival{at: time.Hour, bytes: 60},
	)
	c, err := openCapture(Spec{In: in}, &PortReport{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	var at []uint64
	for {
		b, cycle, err := c.next(0)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			break
		}
		at = append(at, cycle)
	}
	if want := []uint64{0, 125000, 125084, 126622, 128160, 3600 * 125e6}; !slices.Equal(at, want) {
		t.Errorf("%d, want %d", at, want)
	}
}

// TestArrivalSetBack has a clock that was set back: packets go on at the gaps that they had,
// and do not come all at once.
func TestArrivalSetBack(t *testing.T) {
	c, err := openCapture(Spec{In: "../../../link/pcap/testdata/15-clock-set-back.pcap"}, &PortReport{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.close()
	last, together := uint64(0), 0
	for n := 0; ; n++ {
		b, at, err := c.next(0)
		if err != nil {
			t.Fatal(err)
		}
		if b == nil {
			break
		}
		if n > 0 && at-last < 120_000 {
			together++
		}
		last = at
	}
	if together != 1 || last != 398*125_000 {
		t.Errorf("%d packets come close behind another, the last at cycle %d", together, last)
	}
}

// TestBounce sends packets back. The hour between them is skipped, and the departures are
// those of the machine: within some microseconds.
func TestBounce(t *testing.T) {
	in := captureOf(t, layers.LinkTypeEthernet, arrival{bytes: 60}, arrival{at: time.Millisecond, bytes: 1514}, arrival{at: time.Hour, bytes: 61})
	out := filepath.Join(t.TempDir(), "out.pcapng")
	r := bounce(t, Config{Ports: []Spec{{Number: 2, In: in, Out: out}}})
	want := PortReport{Port: "mac 2", In: 3, InBytes: 1635, Out: 3, OutBytes: 1635}
	if r.End != Idle || len(r.Ports) != 1 || r.Ports[0] != want || r.Nowhere != 0 {
		t.Errorf("%+v", r)
	}
	got := readBack(t, out)
	if len(got) != 3 {
		t.Fatal(got)
	}
	for i, after := range []time.Duration{0, time.Millisecond, time.Hour} {
		if took := got[i].at - after; took <= 0 || took > 100*time.Microsecond || got[i].bytes != []int{60, 1514, 61}[i] {
			t.Errorf("packet %d: %v", i, got[i])
		}
		if got[i].at%netthreads.Tick != 0 {
			t.Errorf("packet %d left at %v, between two cycles", i, got[i].at)
		}
	}
}

// TestDrops overruns a program. A queue drops what it has no room for; without loss all
// packets wait. The host's port has no line that spaces them.
func TestDrops(t *testing.T) {
	burst := make([]arrival, 200)
	for i := range burst {
		burst[i].bytes = 1500
	}
	in := captureOf(t, layers.LinkTypeNull, burst...)
	r := bounce(t, Config{Ports: []Spec{{Host: true, In: in}}}).Ports[0]
	if r.Dropped == 0 || r.In+r.Dropped != 200 || r.Out != r.In || r.Left != 0 {
		t.Errorf("%+v", r)
	}
	r = bounce(t, Config{Lossless: true, Ports: []Spec{{Host: true, In: in}}}).Ports[0]
	if r.Dropped != 0 || r.In != 200 || r.Out != 200 || r.Left != 0 {
		t.Errorf("without loss: %+v", r)
	}
}

// TestOdd has packets that cannot arrive as they are.
func TestOdd(t *testing.T) {
	in := captureOf(t, layers.LinkTypeEthernet, arrival{bytes: 0, had: 60}, arrival{bytes: 60, had: 1514}, arrival{bytes: 1593}, arrival{bytes: 1592})
	r := bounce(t, Config{Ports: []Spec{{In: in}}}).Ports[0]
	if want := (PortReport{Port: "mac 0", In: 2, InBytes: 1652, Cut: 2, Oversize: 1, Out: 2, OutBytes: 1652}); r != want {
		t.Errorf("%+v", r)
	}
}

// TestLeft has a program that takes no packets at all: its run ends nevertheless.
func TestLeft(t *testing.T) {
	img, err := programs.Open("hello", nil)
	if err != nil {
		t.Fatal(err)
	}
	in := captureOf(t, layers.LinkTypeEthernet, arrival{bytes: 60}, arrival{at: time.Hour, bytes: 60})
	s, err := New(img, &Config{Ports: []Spec{{In: in}}})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	err = s.Run(context.Background())
	r := s.Report(0, err)
	if err != nil || r.End != Idle || r.Ports[0].Left != 2 || r.Cycles < 3600*125e6 {
		t.Errorf("%+v, %v", r, err)
	}
}

// TestSame runs everything twice: with and without skipping what does not matter, and with
// two ports at once.
func TestSame(t *testing.T) {
	var burst []arrival
	for i := range 50 {
		burst = append(burst, arrival{at: time.Duration(i*i) * time.Microsecond, bytes: 60 + 29*i})
	}
	in := captureOf(t, layers.LinkTypeEthernet, burst...)
	var all []string
	for _, plain := range []bool{false, true, false} {
		dir := t.TempDir()
		a, b := filepath.Join(dir, "a"), filepath.Join(dir, "b")
		r := bounce(t, Config{
			Machine: netthreads.Config{Plain: plain},
			Cycles:  1e6,
			Ports:   []Spec{{In: in, Out: a}, {Number: 1, In: in, Out: b}},
		})
		if r.End == Idle == plain {
			t.Errorf("ended by %s", r.End)
		}
		all = append(all, fmt.Sprint(r.Ports, readBack(t, a), readBack(t, b)))
	}
	if all[0] != all[1] || all[0] != all[2] {
		t.Errorf("different:\n%s", strings.Join(all, "\n"))
	}
}

// TestInterrupted ends with what there is.
func TestInterrupted(t *testing.T) {
	img, err := programs.Open("hello", nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := New(img, &Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := s.Run(ctx); err != nil || s.Report(0, nil).End != Interrupted {
		t.Error(err)
	}
}

// TestFiles has files that cannot be read or written.
func TestFiles(t *testing.T) {
	img, err := programs.Open("bounce", nil)
	if err != nil {
		t.Fatal(err)
	}
	in := captureOf(t, layers.LinkTypeEthernet, arrival{bytes: 60})
	raw := captureOf(t, layers.LinkTypeRaw, arrival{bytes: 60})
	out := filepath.Join(t.TempDir(), "out")
	for want, specs := range map[string][]Spec{
		"no such file":                  {{In: "/nowhere/in"}},
		"/nowhere/out: no such file":    {{Out: "/nowhere/out"}},
		"mac 0: " + in + " is read":     {{In: in, Out: in}},
		"mac 1: " + in + " is read":     {{In: in}, {Number: 1, Out: in}},
		"is written to by another port": {{Out: out}, {Number: 1, Out: out}},
		"raw IP, and a MAC takes":       {{In: raw}},
		"it is neither pcapng nor pcap": {{In: "simulation_test.go"}},
		"no space left on device":       {{In: in, Out: "/dev/full"}},
	} {
		s, err := New(img, &Config{Ports: specs})
		if err == nil {
			err = errors.Join(s.Run(context.Background()), s.Close())
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	if got := readBack(t, in); len(got) != 1 {
		t.Errorf("the input is not what it was: %v", got)
	}
}

// TestOpen knows the built-in programs.
func TestOpen(t *testing.T) {
	if _, err := programs.Open("pktgen", nil); err != nil {
		t.Error(err)
	}
	if _, err := programs.Open("none", nil); err == nil || !strings.Contains(err.Error(), "these are bounce, hello, pktgen") {
		t.Error(err)
	}
	if _, err := programs.Open("simulation_test.go", nil); err == nil || !strings.Contains(err.Error(), "neither an ELF file") {
		t.Error(err)
	}
}

// TestUnfinishedLine has what is printed without a newline come out when the run ends.
func TestUnfinishedLine(t *testing.T) {
	// lui $2,0x6000; addiu $3,$0,'x'; sw $3,4($2); j to itself
	text := []byte{0x3c, 2, 0x60, 0, 0x24, 3, 0, 'x', 0xac, 0x43, 0, 4, 8, 0, 0, 3}
	var lines []string
	config := Config{Cycles: 100, Machine: netthreads.Config{CPUs: 1, Threads: 1, Log: func(_ int, _ uint64, line string) { lines = append(lines, line) }}}
	s, err := New(&netthreads.Image{Text: text}, &config)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(s.Run(context.Background()), s.Close()); err != nil || len(lines) != 1 || lines[0] != "x" {
		t.Errorf("%v, %q", err, lines)
	}
}
