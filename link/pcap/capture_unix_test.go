//go:build unix

package pcap_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gopacket/gopacket/pcapgo"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer/clock"
)

// In real time a disk that stalls costs frames in the file, counted, and not the time of
// the sender, who would wait for ever here.
func TestCaptureSlowDisk(t *testing.T) {
	name := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(name, 0o600); err != nil {
		linktest.Skip(t, fmt.Sprintf("a named pipe: %v", err))
	}
	pipe, err := os.OpenFile(name, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	clk := clock.NewReal()
	defer clk.Close()
	file := createCapture(t, name)
	c := pcap.NewCapture(&linktest.Null{Is: link.Info{Name: "null", MTU: 65535}}, clk, file)
	const frames = 1000
	clk.Do(func() {
		for range frames {
			c.Transmit([]*link.Frame{link.NewFrame(60_000)})
		}
	})
	lost := file.Lost()
	if lost == 0 || lost >= frames || file.Err() == nil {
		t.Errorf("%d frames lost, %v", lost, file.Err())
	}

	// What was kept comes out whole once the disk is back.
	closed := make(chan error)
	go func() { closed <- file.Close() }()
	r, err := pcapgo.NewNgReader(pipe, pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Fatal(err)
	}
	for i := uint64(0); i < frames-lost; i++ {
		if b, _, err := r.ReadPacketData(); err != nil || len(b) != 60_000 {
			t.Fatalf("packet %d: %d bytes, %v", i, len(b), err)
		}
	}
	if err := <-closed; err == nil || !strings.Contains(err.Error(), fmt.Sprint(lost)) {
		t.Errorf("Close: %v, want a word on %d frames", err, lost)
	}
	pipe.Close()
}
