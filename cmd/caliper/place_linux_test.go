package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link/linktest"
)

// smallDisk is a folder on a file system of so many bytes that only programs see which the
// test starts, and grow, which makes it larger.
func smallDisk(t *testing.T, size int) (dir string, grow func(size int)) {
	t.Helper()
	dir = t.TempDir()
	runtime.LockOSThread() // for good: the thread ends with the test, and the disk with it
	err := unix.Unshare(unix.CLONE_NEWNS)
	if err == nil {
		err = unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, "")
	}
	if err == nil {
		err = unix.Mount("caliper-test", dir, "tmpfs", 0, fmt.Sprint("size=", size))
	}
	if err != nil {
		linktest.Skip(t, fmt.Sprintf("a small file system: %v", err))
	}
	t.Cleanup(func() { unix.Unmount(dir, unix.MNT_DETACH) })
	return dir, func(size int) {
		if err := unix.Mount("", dir, "", unix.MS_REMOUNT, fmt.Sprint("size=", size)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestDiskFull has no room for a result: nothing of it is left, the flag is named, and with
// room a second try works.
func TestDiskFull(t *testing.T) {
	capture := record(t, "-b", "100M", "-n", "1M")
	for _, test := range []struct{ args, names string }{
		{"gaps " + capture + " --plot DIR/run.png", "--plot: write DIR/run.png: no space left"},
		{"netthreads new DIR/swap", "no space left"},
		{"netthreads mif pktgen --out DIR/a", "write DIR/a.instr.mif: no space left"},
	} {
		t.Run(test.args[:12], func(t *testing.T) {
			dir, grow := smallDisk(t, 4096*3)
			fill := func(s string) string { return strings.ReplaceAll(s, "DIR", dir) }
			args := strings.Fields(fill(test.args))
			o := start(t, command(t, args...)).end()
			if o.code != exitFailed || !strings.Contains(o.stderr, fill(test.names)) || strings.Contains(o.stderr, ".caliper") {
				t.Errorf("exit code %d\n%s", o.code, o.stderr)
			}
			if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
				t.Errorf("left are %v, %v", left, err)
			}
			grow(1 << 20)
			if o := start(t, command(t, args...)).end(); o.code != exitOK {
				t.Errorf("exit code %d\n%s", o.code, o.stderr)
			}
			if left, err := filepath.Glob(filepath.Join(dir, "*")); err != nil || len(left) == 0 {
				t.Errorf("there are %v, %v", left, err)
			}
		})
	}
}

// TestCaptureFull names the flag that the capture was asked for by.
func TestCaptureFull(t *testing.T) {
	for args, names := range map[string]string{
		"iperf3 -c far -b 500M -n 1M --pcap /dev/full":                           "caliper: --pcap: ",
		"pktgen -N -i 10.0.0.2 -d 13560 -n 1000 --pcap /dev/full":                "caliper: --pcap: ",
		"pktgen -N -i 10.0.0.2 -d 13560 -n 1000 --port pcap:/dev/full":           "caliper: --port pcap:/dev/full: ",
		"pktgen -N -i 10.0.0.2 -d 13560 -n 1000 --port pcap:/nowhere/out.pcapng": "caliper: --port pcap:/nowhere/out.pcapng: ",
	} {
		if o := caliper(t, strings.Fields(args)...); o.code == exitOK || !strings.HasPrefix(o.stderr, names) {
			t.Errorf("caliper %s: exit code %d\n%s", args, o.code, o.stderr)
		}
	}
}

// TestPlaceDevices writes to what is no file where it is, and through links.
func TestPlaceDevices(t *testing.T) {
	dir := t.TempDir()
	write := func(to []string) error { return os.WriteFile(to[0], []byte("new"), 0o666) }
	if err := place(write, "/dev/full"); err == nil || !strings.Contains(err.Error(), "/dev/full") {
		t.Error(err)
	}
	file, link := filepath.Join(dir, "file"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	if err := place(write, link); err != nil {
		t.Fatal(err)
	}
	if b, err := os.ReadFile(file); err != nil || string(b) != "new" {
		t.Errorf("%q, %v", b, err)
	}
	if left, _ := os.ReadDir(dir); len(left) != 2 {
		t.Errorf("left are %v", left)
	}
}
