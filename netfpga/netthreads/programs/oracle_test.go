package programs

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// Programs that print what they compute print the same on the machine, with and without
// delay slots and however optimised, as under qemu, where the processor has all of MIPS.
func TestOracle(t *testing.T) {
	need(t, "mips-linux-gnu-gcc", "qemu-mips", "make")
	outs := map[string]string{"-O0": t.TempDir(), "-O2": t.TempDir(), "-Os": t.TempDir()}
	for level, out := range outs {
		makeInto(t, out, "oracle", "sim", "all", "OPT="+level)
	}
	for _, name := range []string{"arith", "bits", "control", "memory", "tables"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			linux := filepath.Join(t.TempDir(), name)
			command(t, "mips-linux-gnu-gcc", "-std=gnu11", "-O1", "-static", "-DORACLE_LINUX", "-o", linux,
				"oracle/"+name+".c", "oracle/main.c")
			want := strings.Split(strings.TrimSpace(string(command(t, "qemu-mips", linux))), "\n")
			if len(want) < 5 || want[len(want)-1] != "end" {
				t.Fatalf("under qemu: %q", want)
			}
			for level, out := range outs {
				img := readImage(t, filepath.Join(out, "sim", name+".elf"))
				for _, delaySlots := range []bool{false, true} {
					got := lines(t, img, netthreads.Config{DelaySlots: delaySlots})
					compare(t, level, got, want)
				}
			}
		})
	}
}

// lines returns what a program prints until it says that it is at its end.
func lines(t *testing.T, img *netthreads.Image, config netthreads.Config) []string {
	var got []string
	config.Log = func(thread int, cycle uint64, line string) { got = append(got, line) }
	m, err := netthreads.New(img, &config)
	if err != nil {
		t.Fatal(err)
	}
	for len(got) == 0 || got[len(got)-1] != "end" {
		if m.Cycle() > 1_000_000_000 {
			t.Fatalf("no end after %d lines", len(got))
		}
		if _, err := m.Run(m.Cycle() + 1_000_000); err != nil {
			t.Fatal(err)
		}
	}
	return got
}

func compare(t *testing.T, level string, got, want []string) {
	t.Helper()
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			t.Errorf("%s: line %d is %q, under qemu %q", level, i+1, got[i], want[i])
			return
		}
	}
	if len(got) != len(want) {
		t.Errorf("%s: %d lines, under qemu %d", level, len(got), len(want))
	}
}
