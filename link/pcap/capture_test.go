package pcap_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer/clock"
)

func createCapture(t testing.TB, name string) *pcap.Output {
	t.Helper()
	file, err := pcap.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { file.Close() })
	return file
}

func TestCaptureConformance(t *testing.T) {
	linktest.RunOver(t, func(clk *clock.Virtual, below link.Device) link.Device {
		return pcap.NewCapture(below, clk, createCapture(t, filepath.Join(t.TempDir(), "a.pcapng")))
	})
}

// writeCapture writes a capture of two interfaces, one of Ethernet and one of IP, in
// virtual time: ten frames that a slow device takes two at a time, and one received in
// each direction.
func writeCapture(t *testing.T, name string) {
	t.Helper()
	clk := clock.NewVirtual()
	file := createCapture(t, name)
	capture := func(info link.Info) (*linktest.Sink, *pcap.Capture) {
		sink := linktest.NewSink(clk, info)
		c := pcap.NewCapture(sink, clk, file)
		c.Attach(&linktest.Collector{Clock: clk})
		return sink, c
	}
	sink, near := capture(link.Info{Name: "near", MTU: 1500, Address: net.HardwareAddr{2, 0, 0, 0, 0, 1}})
	sink.Room, sink.Every = 2, time.Millisecond
	other, far := capture(link.Info{Name: "far", MTU: 1500})

	clk.RunUntil(5_000_000_001)
	var frames []*link.Frame
	for i := range 10 {
		frames = append(frames, linktest.FrameOf(linktest.Packet(near.Info(), i, 61+i)))
	}
	for len(frames) > 0 {
		n, err := near.Transmit(frames)
		frames = frames[n:]
		if err != nil && (err != link.ErrFull || !clk.Step()) {
			t.Fatal(err)
		}
	}
	sink.Arrive(linktest.Packet(near.Info(), 10, 100))
	clk.RunUntil(6_000_000_000)
	far.Transmit([]*link.Frame{linktest.FrameOf(linktest.Packet(far.Info(), 11, 200))})
	other.Arrive(linktest.Packet(far.Info(), 12, 200))
	near.Close()
	far.Close()
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
}

// captured is what is in the file of writeCapture: seconds, interface, length and
// direction.
var captured = strings.Fields(`
	5.000000001/near/75/out 5.000000001/near/76/out
	5.001000001/near/77/out 5.001000001/near/78/out
	5.002000001/near/79/out 5.002000001/near/80/out
	5.003000001/near/81/out 5.003000001/near/82/out
	5.004000001/near/83/out 5.004000001/near/84/out
	5.004000001/near/114/in
	6.000000000/far/200/out 6.000000000/far/200/in`)

func TestCaptureRead(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.pcapng")
	writeCapture(t, name)
	file, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	r, err := pcapgo.NewNgReader(file, pcapgo.NgReaderOptions{WantMixedLinkType: true})
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; ; i++ {
		b, ci, options, err := r.ReadPacketDataWithOptions()
		if err == io.EOF && i == len(captured) {
			break
		}
		if err != nil {
			t.Fatalf("packet %d: %v", i, err)
		}
		face, err := r.Interface(ci.InterfaceIndex)
		if err != nil {
			t.Fatal(err)
		}
		direction := map[pcapgo.NgEpbFlag]string{
			pcapgo.NgEpbFlagDirectionInbound: "in", pcapgo.NgEpbFlagDirectionOutbound: "out",
		}[options.Flags.Direction]
		at := clock.Time(ci.Timestamp.UnixNano())
		got := fmt.Sprintf("%s/%s/%d/%s", strings.TrimSuffix(at.String(), "s"), face.Name, len(b), direction)
		if i >= len(captured) || got != captured[i] {
			t.Fatalf("packet %d is %s, want %s", i, got, captured[i])
		}
		of := link.Info{}
		want := layers.LinkType(layers.LinkTypeRaw)
		if face.Name == "near" {
			of.Address = net.HardwareAddr{2, 0, 0, 0, 0, 1}
			want = layers.LinkTypeEthernet
		}
		if !bytes.Equal(b, linktest.Packet(of, i, len(b)-of.Header())) {
			t.Errorf("the bytes of packet %d are not those sent:\n%x", i, b)
		}
		if face.LinkType != want || ci.Length != len(b) {
			t.Errorf("packet %d: link type %v, length %d of %d", i, face.LinkType, len(b), ci.Length)
		}
	}
}

func TestCaptureTshark(t *testing.T) {
	tshark, err := exec.LookPath("tshark")
	if err != nil {
		linktest.Skip(t, "tshark is not installed")
	}
	name := filepath.Join(t.TempDir(), "a.pcapng")
	writeCapture(t, name)
	cmd := linktest.Command(t, tshark, "-r", name, "-T", "fields", "-E", "separator=,",
		"-e", "frame.time_epoch", "-e", "frame.interface_name", "-e", "frame.len", "-e", "frame.packet_flags_direction",
		"-e", "udp.dstport", "-e", "_ws.malformed", "-o", "ip.check_checksum:TRUE", "-o", "udp.check_checksum:TRUE",
		"-e", "ip.checksum.status", "-e", "udp.checksum.status")
	var stderr strings.Builder
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("tshark: %v\n%s", err, &stderr)
	}
	for line := range strings.Lines(stderr.String()) {
		if !strings.Contains(line, "Running as user") {
			t.Errorf("tshark complains: %s", line)
		}
	}
	got := strings.Fields(string(out))
	if len(got) != len(captured) {
		t.Fatalf("tshark reads %d packets, want %d", len(got), len(captured))
	}
	directions := strings.NewReplacer("/in", ",0x00000001", "/out", ",0x00000002", "/", ",")
	for i := range got {
		// Good checksums are "1", and no packet is malformed.
		if want := directions.Replace(captured[i]) + ",2000,,1,1"; got[i] != want {
			t.Errorf("tshark reads %s, want %s", got[i], want)
		}
	}
}

func TestCaptureSameBytes(t *testing.T) {
	dir := t.TempDir()
	var all [2][]byte
	for i := range all {
		name := filepath.Join(dir, fmt.Sprint(i))
		writeCapture(t, name)
		var err error
		if all[i], err = os.ReadFile(name); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(all[0], all[1]) {
		t.Error("two runs wrote different files")
	}
}

// More frames than the file holds in memory are all written, in virtual time.
func TestCaptureLarge(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.pcapng")
	clk := clock.NewVirtual()
	file := createCapture(t, name)
	c := pcap.NewCapture(&linktest.Null{Is: link.Info{Name: "null", MTU: 65535}}, clk, file)
	const frames = 1000
	for range frames {
		c.Transmit([]*link.Frame{link.NewFrame(60_000)})
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(name)
	if err != nil {
		t.Fatal(err)
	}
	if size := info.Size() / 60_044; size != frames {
		t.Errorf("the file is %d bytes long, %d frames", info.Size(), size)
	}
}

func TestCaptureErrors(t *testing.T) {
	for name, want := range map[string]error{
		filepath.Join(t.TempDir(), "no", "such", "dir"): os.ErrNotExist,
		t.TempDir(): syscall.EISDIR,
	} {
		if _, err := pcap.Create(name); !errors.Is(err, want) || !strings.Contains(err.Error(), name) {
			t.Errorf("Create(%s): %v", name, err)
		}
	}
}

func TestCaptureDiskFull(t *testing.T) {
	if _, err := os.Stat("/dev/full"); err != nil {
		linktest.Skip(t, "there is no /dev/full")
	}
	file := createCapture(t, "/dev/full")
	c := pcap.NewCapture(&linktest.Null{Is: link.Info{Name: "null", MTU: 1500}}, clock.NewVirtual(), file)
	for range 1000 {
		if n, err := c.Transmit([]*link.Frame{link.NewFrame(1500)}); n != 1 || err != nil {
			t.Fatalf("Transmit = %d, %v", n, err)
		}
	}
	for range 2 {
		err := file.Close()
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "1000 frames") {
			t.Errorf("Close: %v", err)
		}
	}
	c.Transmit([]*link.Frame{link.NewFrame(1500)})
	if n := file.Lost(); n != 1001 {
		t.Errorf("%d frames lost, want 1001, with the one after Close", n)
	}
}

func TestCaptureNoAllocs(t *testing.T) {
	clk := clock.NewVirtual()
	file := createCapture(t, os.DevNull)
	linktest.NoAllocs(t, clk, pcap.NewCapture(&linktest.Null{Is: link.Info{Name: "null", MTU: 1500}}, clk, file))
}

// BenchmarkCapture writes 1500-byte frames to /dev/null, and the same with gopacket's
// writer as the baseline.
func BenchmarkCapture(b *testing.B) {
	b.Run("capture", func(b *testing.B) {
		file := createCapture(b, os.DevNull)
		c := pcap.NewCapture(&linktest.Null{Is: link.Info{Name: "null", MTU: 1500}}, clock.NewVirtual(), file)
		batch := make([]*link.Frame, 1)
		b.ReportAllocs()
		for b.Loop() {
			batch[0] = link.NewFrame(1500)
			c.Transmit(batch)
		}
	})
	b.Run("gopacket", func(b *testing.B) {
		file, err := os.Create(os.DevNull)
		if err != nil {
			b.Fatal(err)
		}
		defer file.Close()
		w, err := pcapgo.NewNgWriter(file, layers.LinkTypeRaw)
		if err != nil {
			b.Fatal(err)
		}
		out := pcapgo.NgPacketOptions{Flags: &pcapgo.NgEpbFlags{Direction: pcapgo.NgEpbFlagDirectionOutbound}}
		b.ReportAllocs()
		for b.Loop() {
			f := link.NewFrame(1500)
			ci := gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), CaptureLength: f.Len(), Length: f.Len()}
			w.WritePacketWithOptions(ci, f.Bytes(), out)
			f.Free()
		}
	})
}

// Whatever the frame and the interface's name are, the file is read back as it was meant.
func FuzzCapture(f *testing.F) {
	f.Add("near", []byte{}, int64(0))
	f.Add("", []byte{1}, int64(1))
	f.Add(strings.Repeat("long", 100), make([]byte, 65535), int64(1<<62))
	f.Fuzz(func(t *testing.T, face string, frame []byte, at int64) {
		if len(frame) > 65535 || at < 0 {
			t.Skip()
		}
		name := filepath.Join(t.TempDir(), "a.pcapng")
		clk := clock.NewVirtual()
		file := createCapture(t, name)
		c := pcap.NewCapture(&linktest.Null{Is: link.Info{Name: face, MTU: 65535}}, clk, file)
		clk.RunUntil(clock.Time(at))
		c.Transmit([]*link.Frame{linktest.FrameOf(frame), linktest.FrameOf(frame)})
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
		in, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer in.Close()
		r, err := pcapgo.NewNgReader(in, pcapgo.DefaultNgReaderOptions)
		if err != nil {
			t.Fatal(err)
		}
		for range 2 {
			b, ci, err := r.ReadPacketData()
			if err != nil || !bytes.Equal(b, frame) || ci.Timestamp.UnixNano() != at {
				t.Fatalf("read %x at %v, %v", b, ci.Timestamp, err)
			}
		}
		if got, err := r.Interface(0); err != nil || !strings.HasPrefix(face, got.Name) || len(face) < 255 && got.Name != face {
			t.Errorf("interface %q, %v, want %q", got.Name, err, face)
		}
	})
}

func TestCaptureSentOnly(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.pcapng")
	file := createCapture(t, name)
	clk := clock.NewVirtual()
	sink := linktest.NewSink(clk, link.Info{Name: "sink", MTU: 1500})
	c := pcap.NewCapture(sink, clk, file)
	c.SentOnly = true
	c.Attach(&linktest.Null{})
	sink.Arrive([]byte("arrives"))
	if _, err := c.Transmit([]*link.Frame{linktest.FrameOf([]byte("leaves"))}); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(b, []byte("arrives")) || !bytes.Contains(b, []byte("leaves")) {
		t.Errorf("the file holds %q", b)
	}
}

// TestCaptureStamps has a frame that came in at 1 ms received at 3 ms, and sent on at 5 ms.
func TestCaptureStamps(t *testing.T) {
	clk := clock.NewVirtual()
	name := filepath.Join(t.TempDir(), "a.pcapng")
	file := createCapture(t, name)
	sink := linktest.NewSink(clk, link.Info{Name: "sink", MTU: 1500})
	c := pcap.NewCapture(sink, clk, file)
	c.Attach(&linktest.Collector{Clock: clk})
	frame := func() *link.Frame {
		f := linktest.FrameOf(linktest.Packet(c.Info(), 1, 100))
		f.Arrived = clock.At(clock.Time(time.Millisecond))
		return f
	}
	clk.RunUntil(clock.Time(3 * time.Millisecond))
	c.Receive([]*link.Frame{frame()})
	clk.RunUntil(clock.Time(5 * time.Millisecond))
	c.Transmit([]*link.Frame{frame()})
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	in, err := pcap.Open(name, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	for _, want := range []clock.Time{clock.Time(time.Millisecond), clock.Time(5 * time.Millisecond)} {
		p, err := in.Next()
		if since := p.Time - clock.Time(clk.Wall(0).UnixNano()); err != nil || since != want {
			t.Errorf("%v at %v, want %v; %v", p.Direction, since, want, err)
		}
	}
}
