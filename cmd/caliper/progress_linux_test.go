package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link/linktest"
)

// TestProgress shows how far the run is on a terminal, and takes it away at the end. All
// other tests write to a file or a pipe and check that there is nothing of it.
func TestProgress(t *testing.T) {
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		linktest.Skip(t, err.Error())
	}
	defer master.Close()
	fd := int(master.Fd())
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	terminal, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	stdout := tempFile(t, "stdout")
	code := run([]string{"caliper", "iperf3", "-c", "far", "-b", "20M", "-t", "1"}, stdout, terminal)
	terminal.Close()
	// What was written stays to be read, in pieces; then there is an error, as nobody has
	// the terminal open any more.
	all, err := io.ReadAll(master)
	if !errors.Is(err, unix.EIO) {
		t.Fatal(err)
	}
	shown := string(all)
	if code != exitOK || !strings.Contains(shown, " s of 1s in virtual time, ") || !strings.HasSuffix(shown, "\r\x1b[K") {
		t.Errorf("exit code %d, shown %q", code, shown)
	}
	if printed := contents(t, stdout); strings.Contains(printed, "virtual time") {
		t.Errorf("progress among the results:\n%s", printed)
	}
}
