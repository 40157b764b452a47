package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"testing"
)

// TestRepeat runs the same seed with other processors and another pace of garbage
// collection: all that is printed and every byte of the capture stay the same. With
// another seed the frames are others.
func TestRepeat(t *testing.T) {
	capture := filepath.Join(t.TempDir(), "capture.pcapng")
	runs := map[string][]string{
		"tcp":       {"-b", "500M", "-n", "256K"},
		"udp -6":    {"-b", "500M", "-n", "256K", "-u", "-6", "-R"},
		"losses":    {"-n", "256K", "-R", "-P", "2", "--port", "wire:rate=100M,delay=5ms,queue=10"},
		"both ways": {"-b", "100M", "-n", "256K", "--bidir", "-P", "2", "--get-server-output", "--card", "none"},
	}
	for name, args := range runs {
		for _, form := range []string{"text", "-J"} {
			t.Run(name+"/"+form, func(t *testing.T) {
				args := append([]string{"iperf3", "-c", "far", "--pcap", capture}, args...)
				if form != "text" {
					args = append(args, form)
				}
				first := repeat(t, 1, 100, capture, args)
				for _, procs := range []int{1, 2} {
					for _, gogc := range []int{5, 100} {
						again := repeat(t, procs, gogc, capture, args)
						differ(t, fmt.Sprintf("GOMAXPROCS=%d GOGC=%d", procs, gogc), first, again)
					}
				}
			})
		}
		t.Run(name+"/seed", func(t *testing.T) {
			hashes := make(map[string]string)
			// The last two are told apart by their high halves alone.
			for _, seed := range []string{"1", "2", "65537", "18446744069414584321"} {
				r := measure(t, append([]string{"-c", "far", "--seed", seed}, args...)...)
				if other := hashes[r.Caliper.TraceHash]; other != "" {
					t.Errorf("seeds %s and %s have the same trace %s", other, seed, r.Caliper.TraceHash)
				}
				hashes[r.Caliper.TraceHash] = seed
			}
		})
	}
}

// printed is all that a run leaves.
type printed struct {
	stdout  string
	capture []byte
}

func repeat(t *testing.T, procs, gogc int, capture string, args []string) printed {
	t.Helper()
	t.Setenv("GOMAXPROCS", fmt.Sprint(procs)) // or the program would choose
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
	defer debug.SetGCPercent(debug.SetGCPercent(gogc))
	p := printed{stdout: succeed(t, args...).stdout}
	var err error
	if p.capture, err = os.ReadFile(capture); err != nil || len(p.capture) < 1<<17 {
		t.Fatalf("a capture of %d bytes, %v", len(p.capture), err)
	}
	return p
}

func differ(t *testing.T, how string, want, got printed) {
	t.Helper()
	if got.stdout != want.stdout {
		t.Errorf("%s: printed\n%s\nand before\n%s", how, got.stdout, want.stdout)
	}
	if !bytes.Equal(got.capture, want.capture) {
		t.Errorf("%s: the capture differs", how)
	}
}
