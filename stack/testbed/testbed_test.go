package testbed

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/netip"
	"path/filepath"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// pair is near, which paces, and far on a wire of 1 Gbit/s.
func pair() Config {
	return Config{
		Seed:  1,
		Hosts: []HostConfig{{Name: "near", Hold: &HoldConfig{}, Card: &CardConfig{}}, {Name: "far"}},
		Links: []LinkConfig{{Ends: [2]string{"near", "far"}, Direction: Direction{Rate: 1e9, Delay: 200 * time.Microsecond}}},
	}
}

func open(t testing.TB, c Config) *Testbed {
	t.Helper()
	b, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Close() })
	return b
}

// transfer sends so many bytes from one host to another, and calls also with the connection
// before; it returns how many arrived. It is called within the testbed.
func transfer(t testing.TB, b *Testbed, from, to string, bytes int, also func(*stack.TCPConn)) (got int64) {
	l, err := b.Host(to).Listen("tcp", ":80")
	if err != nil {
		t.Error(err)
		return 0
	}
	defer l.Close()
	served := b.Go(func() {
		c, err := l.Accept()
		if err != nil {
			t.Error(err)
			return
		}
		defer c.Close()
		got, _ = io.Copy(io.Discard, c)
	})
	c, err := b.Host(from).Dial("tcp", netip.AddrPortFrom(b.Lookup(to)[0], 80).String())
	if err != nil {
		t.Error(err)
		return 0
	}
	if also != nil {
		also(c.(*stack.TCPConn))
	}
	if _, err := c.Write(make([]byte, bytes)); err != nil {
		t.Error(err)
	}
	c.(*stack.TCPConn).CloseWrite()
	served()
	c.Close()
	return got
}

// TestPair paces a connection between two hosts. Of what near was given, all was handed on.
func TestPair(t *testing.T) {
	b := open(t, pair())
	const bytes = 1 << 20
	err := b.Run(func() {
		got := transfer(t, b, "near", "far", bytes, func(c *stack.TCPConn) {
			if err := c.SetPacingRate(100e6, pacer.Payload); err != nil {
				t.Error(err)
			}
		})
		if got != bytes {
			t.Errorf("%d bytes arrived", got)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if !b.Drain(time.Second) || b.Err() != nil || b.Done() != nil {
		t.Error("something waits, or is lost")
	}
	near := b.Host("near")
	r := near.Departures().Report()
	if r.Paced < bytes/1460 || r.GapError.Max > 8 || r.Late > 0 {
		t.Errorf("%d paced packets with a gap error of up to %d ns, %d late", r.Paced, r.GapError.Max, r.Late)
	}
	var kinds []string
	for _, c := range near.Counters() {
		kinds = append(kinds, c.Kind)
		if c.Kind != "trace" && (c.Sent.Frames != r.Packets || c.Waiting != 0) {
			t.Errorf("%s has sent %d frames of %d, and %d wait", c.Kind, c.Sent.Frames, r.Packets, c.Waiting)
		}
	}
	if want := []string{"endpoint", "hold", "card", "trace", "wire"}; !reflect.DeepEqual(kinds, want) {
		t.Errorf("the chain is %v, want %v", kinds, want)
	}
}

// many is so many hosts, the first linked with the second, and so on. All links differ.
func many(hosts int) Config {
	c := Config{Seed: 7}
	for i := range hosts {
		c.Hosts = append(c.Hosts, HostConfig{Name: fmt.Sprint("h", i), Hold: &HoldConfig{}, Policy: "window"})
	}
	for i := 0; i < hosts; i += 2 {
		d := Direction{Rate: 100e6, Line: 1e9, Delay: time.Duration(i+1) * 10 * time.Microsecond, Queue: 20, Faults: link.Faults{Drop: 0.001}}
		c.Links = append(c.Links, LinkConfig{Ends: [2]string{fmt.Sprint("h", i), fmt.Sprint("h", i+1)}, Direction: d, Back: &Direction{Rate: 1e9}})
	}
	return c
}

// runAll has every even host send to the next one, all at once.
func (b *Testbed) runAll(t *testing.T, bytes int) {
	t.Helper()
	err := b.Run(func() {
		var waits []func()
		hosts := b.Hosts()
		for i := 0; i < len(hosts); i += 2 {
			waits = append(waits, b.Go(func() {
				if got := transfer(t, b, hosts[i].Name, hosts[i+1].Name, bytes, nil); got != int64(bytes) {
					t.Errorf("%d bytes arrived at %s", got, hosts[i+1].Name)
				}
			}))
		}
		for _, wait := range waits {
			wait()
		}
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestManyHosts has a hundred connections between two hundred hosts, and the same again on
// other numbers of processors.
func TestManyHosts(t *testing.T) {
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	hashes := make(map[string]bool)
	var frames, lost uint64
	for _, procs := range []int{1, 4} {
		runtime.GOMAXPROCS(procs)
		b := open(t, many(200))
		b.runAll(t, 50_000)
		hashes[b.Hash()] = true
		frames, lost = 0, 0
		for _, h := range b.Hosts() {
			frames += h.Departures().Report().Packets
			d := link.Dropped(h.Top)
			lost += d[link.Lost]
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(hashes) != 1 || frames < 100*50_000/1460 || lost == 0 {
		t.Errorf("%d hashes, %d frames, %d lost", len(hashes), frames, lost)
	}
	other := many(200)
	other.Seed++
	b := open(t, other)
	b.runAll(t, 50_000)
	if hashes[b.Hash()] {
		t.Error("another seed gives the same frames")
	}
}

// TestJSON writes a Config and reads it, and both make the same run.
func TestJSON(t *testing.T) {
	c := many(4)
	c.Hosts[1].MTU, c.Hosts[1].Congestion, c.Hosts[1].MinRTO = 1400, "reno", 5*time.Millisecond
	c.Hosts[2].Card, c.Hosts[2].Addrs = &CardConfig{Profile: "netfpga-10g"}, []netip.Prefix{netip.MustParsePrefix("10.0.0.77/24")}
	c.Links[1].Steps = []RateStep{{time.Millisecond, 20e6}}
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	var read Config
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), `"faults":{"drop":0.001}`) {
		t.Errorf("the faults are not as they are written by hand: %s", text)
	}
	if !reflect.DeepEqual(c, read) {
		t.Errorf("%+v\nwant %+v\n%s", read, c, text)
	}
	a, b := open(t, c), open(t, read)
	a.runAll(t, 20_000)
	b.runAll(t, 20_000)
	if a.Hash() != b.Hash() {
		t.Error("they make different runs")
	}
}

// TestAddresses has addresses given, and none of IPv6 where the MTU is too small for it.
func TestAddresses(t *testing.T) {
	c := many(300)
	c.Hosts[299].MTU = 1000
	c.Links[149].Back = nil
	if err := c.Check(); err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string]string{"h0": "[10.0.0.1/16 fd00::1/64]", "h298": "[10.0.1.43/16 fd00::12b/64]", "h299": "[10.0.1.44/16]"} {
		if got := fmt.Sprint(c.Addrs(host)); got != want {
			t.Errorf("%s has %s, want %s", host, got, want)
		}
	}
	for hosts, bits := range map[int]int{254: 24, 255: 16} {
		c := many(hosts)
		if got := c.Addrs("h0")[0].Bits(); got != bits {
			t.Errorf("of %d hosts the prefix has %d bits", hosts, got)
		}
	}
	two := pair()
	if got := fmt.Sprint(two.Addrs("far"), two.Addrs("elsewhere"), MAC(1)); got != "[10.0.0.2/24 fd00::2/64] [] 02:00:00:00:00:02" {
		t.Error(got)
	}
}

// TestMinRTO has no real port with a timeout below the delayed ACK of its peer, unless that
// is asked for.
func TestMinRTO(t *testing.T) {
	for _, c := range []struct {
		delay, back, asked time.Duration
		real               bool
		want               time.Duration
	}{
		{want: 10 * time.Millisecond},
		{delay: 10 * time.Millisecond, want: 80 * time.Millisecond},
		{delay: 10 * time.Millisecond, back: 20 * time.Millisecond, want: 120 * time.Millisecond},
		{delay: time.Second, want: 200 * time.Millisecond},
		{delay: time.Second, asked: 3 * time.Millisecond, want: 3 * time.Millisecond},
		{real: true, want: 200 * time.Millisecond},
		{real: true, asked: 5 * time.Millisecond, want: 5 * time.Millisecond},
	} {
		config := pair()
		config.Real, config.Links[0].Delay, config.Hosts[1].MinRTO = c.real, c.delay, c.asked
		if c.back > 0 {
			config.Links[0].Back = &Direction{Delay: c.back}
		}
		if got := config.MinRTO("far"); got != c.want {
			t.Errorf("%+v: %v", c, got)
		}
	}
}

// TestSteps has a link that becomes ten times as slow, in the direction that says so.
func TestSteps(t *testing.T) {
	c := pair()
	c.Links[0].Steps = []RateStep{{time.Millisecond, 10e6}}
	c.Links[0].Back = &Direction{Rate: 1e9}
	for _, way := range []struct {
		from, to string
		slow     bool
	}{{"near", "far", true}, {"far", "near", false}} {
		b := open(t, c)
		err := b.Run(func() { transfer(t, b, way.from, way.to, 1_000_000, nil) })
		took := time.Duration(b.Clock().Now())
		if err != nil || took > 500*time.Millisecond != way.slow {
			t.Errorf("from %s it took %v: %v", way.from, took, err)
		}
	}
}

// TestCapture writes what both ends of a link send into one file, once, and all that one
// host sends and receives into another.
func TestCapture(t *testing.T) {
	dir := t.TempDir()
	both, own := filepath.Join(dir, "both"), filepath.Join(dir, "own")
	c := many(4)
	c.Hosts[0].Capture, c.Hosts[1].Capture, c.Hosts[2].Capture = both, both, own
	c.Links[0].Faults, c.Links[1].Faults = link.Faults{}, link.Faults{}
	b := open(t, c)
	b.runAll(t, 50_000)
	var sent [4]uint64
	for i, h := range b.Hosts() {
		sent[i] = h.Departures().Report().Packets
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]uint64{both: sent[0] + sent[1], own: sent[2] + sent[3]} {
		if got := packets(t, file); got != want {
			t.Errorf("%s has %d packets, want %d", file, got, want)
		}
	}
}

// packets returns how many packets a capture has.
func packets(t *testing.T, name string) (n uint64) {
	t.Helper()
	f, err := pcap.Open(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for {
		if _, err := f.Next(); err == io.EOF {
			return n
		} else if err != nil {
			t.Fatal(err)
		}
		n++
	}
}

// TestBare sends frames of the test's own into a file and over a link into a sink.
func TestBare(t *testing.T) {
	file := filepath.Join(t.TempDir(), "out")
	c := Config{
		Hosts: []HostConfig{
			{Name: "near", Kind: Bare, Hold: &HoldConfig{}},
			{Name: "far", Kind: Sink},
			{Name: "file", Kind: Bare, Card: &CardConfig{}, Port: &PortConfig{Kind: Pcap, Name: file}},
		},
		Links: []LinkConfig{{Ends: [2]string{"near", "far"}, Direction: Direction{Rate: 1e9}}},
	}
	var under []string
	b, err := New(c, &Hooks{UnderCard: func(_ *Testbed, below link.Device) link.Device {
		under = append(under, below.Info().Name)
		return below
	}})
	if err != nil {
		t.Fatal(err)
	}
	const frames = 10
	for _, name := range []string{"near", "file"} {
		h := b.Host(name)
		if h.Host != nil {
			t.Errorf("%s has TCP/IP", name)
		}
		h.Top.Attach(Discard{})
		for i := range frames {
			f := link.NewFrame(1000)
			f.Paced, f.Depart = true, b.Clock().Now().Add(time.Duration(i)*time.Millisecond)
			if n, err := h.Top.Transmit([]*link.Frame{f}); n != 1 {
				t.Fatal(err)
			}
		}
	}
	if err := b.RunFor(time.Second); err != nil || b.Clock().Now() != clock.Time(time.Second) {
		t.Error(err)
	}
	if got := b.Host("near").Departures().Report().Packets; got != frames {
		t.Errorf("%d frames left near", got)
	}
	counters := b.Host("far").Counters()
	if len(counters) != 1 || counters[0].Received.Frames != frames || b.Host("far").Departures() != nil {
		t.Errorf("far: %+v", counters)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if got := packets(t, file); got != frames || fmt.Sprint(under) != "[near sink]" {
		t.Errorf("%d frames in the file, devices under %v", got, under)
	}
}

// TestReal is a link in real time.
func TestReal(t *testing.T) {
	c := pair()
	c.Real = true
	b := open(t, c)
	err := b.Run(func() {
		if got := transfer(t, b, "near", "far", 1<<20, nil); got != 1<<20 {
			t.Errorf("%d bytes arrived", got)
		}
	})
	if err != nil || !b.Drain(10*time.Second) {
		t.Errorf("something waits: %v", err)
	}
	b.Do(func() {
		if d := b.Host("near").Departures(); d.Tick != RealTick || !d.Software {
			t.Errorf("a tick of %v, software %t", d.Tick, d.Software)
		}
		if r := b.Host("near").Departures().Report(); r.Packets < 1<<20/1460 || b.Hash() != "" {
			t.Errorf("%d packets left, hash %q", r.Packets, b.Hash())
		}
	})
	if err := b.RunFor(time.Microsecond); err != nil || b.World() != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}

// TestHashInReal asks for the fingerprint in real time.
func TestHashInReal(t *testing.T) {
	c := pair()
	c.Real, c.Hash = true, true
	if b := open(t, c); len(b.Hash()) != 16 {
		t.Errorf("hash %q", b.Hash())
	}
}

// TestFails leaves nothing behind where something cannot be made.
func TestFails(t *testing.T) {
	c := pair()
	c.Hosts[1].Capture = filepath.Join(t.TempDir(), "no", "such", "folder")
	_, err := New(c, nil)
	var capture *CaptureError
	if !errors.As(err, &capture) || !errors.Is(err, fs.ErrNotExist) || capture.File != c.Hosts[1].Capture {
		t.Error(err)
	}
	c = pair()
	c.Hosts[1].Addrs = make([]netip.Prefix, 1) // which Check does not let pass
	b := &Testbed{config: c, byName: make(map[string]*Host), ends: make(map[string]link.Device)}
	var host *HostError
	if err := b.build(); !errors.As(err, &host) || host.Host != "far" || !strings.Contains(err.Error(), "an address of the host is not valid") {
		t.Error(err)
	}
	b.Close()
}
