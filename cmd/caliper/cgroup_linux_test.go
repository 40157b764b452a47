package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// cgroup makes a cgroup with a limit to its memory, inside of the test's own, and returns how
// a shell joins it. Whether one may be made is the machine's matter, and no right that a test
// run could be given: without, the test is skipped wherever it runs.
func cgroup(t *testing.T, limit int) (join string) {
	t.Helper()
	groups, err := os.ReadFile("/proc/self/cgroup")
	if err != nil {
		t.Skip(err)
	}
	for line := range strings.Lines(string(groups)) {
		part := strings.SplitN(strings.TrimSpace(line), ":", 3)
		mount, file := "/sys/fs/cgroup", "memory.max"
		switch {
		case len(part) == 3 && part[1] == "memory":
			mount, file = "/sys/fs/cgroup/memory", "memory.limit_in_bytes"
		case len(part) < 3 || part[1] != "":
			continue
		}
		dir := filepath.Join(mount, part[2], "caliper-test-"+strconv.Itoa(os.Getpid()))
		if os.Mkdir(dir, 0o755) != nil {
			continue
		}
		if os.WriteFile(filepath.Join(dir, file), []byte(strconv.Itoa(limit)), 0) != nil {
			os.Remove(dir)
			continue
		}
		t.Cleanup(func() {
			if err := os.Remove(dir); err != nil {
				t.Error(err)
			}
		})
		return "echo $$ > " + filepath.Join(dir, "cgroup.procs")
	}
	t.Skip("no cgroup with a limit to its memory can be made here")
	return ""
}

// TestSmallCgroup sends three times as much in a cgroup as fits its memory, in frames that are
// too large for the pool.
func TestSmallCgroup(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector's own memory has no limit")
	}
	namespace(t)
	join := cgroup(t, 96<<20)
	real := realServer(t)
	args := append([]string{"iperf3", "-c", kernel4, "-u", "-l", "8900", "-b", "2G", "-k", "30000", "--card", "none", "--mtu", "9000"}, onTun("cal0")...)
	cmd := command(t, args...)
	cmd.Args = append([]string{"sh", "-c", join + ` && exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
	cmd.Path = "/bin/sh"
	if o := start(t, cmd).end(); o.code != exitOK {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	real.signal(os.Kill)
	real.end()
}
