package main

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/netcaliper/caliper/link/linktest"
)

// asCaliper is the environment variable that makes the test binary the program itself,
// for tests of what only a process has: signals, rights, an end.
const asCaliper = "CALIPER_TEST_MAIN"

func TestMain(m *testing.M) {
	if os.Getenv(asCaliper) != "" {
		main()
	}
	goleak.VerifyTestMain(m)
}

// An outcome is what a run of the program leaves.
type outcome struct {
	code           int
	stdout, stderr string
}

// caliper runs the program inside the test and checks that it leaves no file open.
func caliper(t testing.TB, args ...string) outcome {
	t.Helper()
	stdout, stderr := tempFile(t, "stdout"), tempFile(t, "stderr")
	before := openFiles()
	code := run(append([]string{"caliper"}, args...), stdout, stderr)
	if left := leftOpen(before); len(left) > 0 {
		t.Errorf("caliper %s leaves open %q", strings.Join(args, " "), left)
	}
	return outcome{code, contents(t, stdout), contents(t, stderr)}
}

// succeed is caliper for a run that must succeed, without a word on standard error.
func succeed(t testing.TB, args ...string) outcome {
	t.Helper()
	o := caliper(t, args...)
	if o.code != exitOK || o.stderr != "" {
		t.Fatalf("caliper %s: exit code %d\n%s%s", strings.Join(args, " "), o.code, o.stdout, o.stderr)
	}
	return o
}

func tempFile(t testing.TB, name string) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), name))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// contents closes the file and returns what is in it.
func contents(t testing.TB, f *os.File) string {
	t.Helper()
	b, err := os.ReadFile(f.Name())
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// openFiles returns what this process has open, by the numbers of the descriptors; nothing
// where that cannot be known.
func openFiles() map[string]string {
	all, _ := os.ReadDir("/proc/self/fd")
	open := make(map[string]string)
	for _, f := range all {
		// One that was closed meanwhile, such as the directory's own, has no name.
		if name, err := os.Readlink("/proc/self/fd/" + f.Name()); err == nil {
			open[f.Name()] = name
		}
	}
	return open
}

// leftOpen returns what is open now, was not before, and stays. A file that another goroutine
// of the test opens or closes meanwhile is none of the program's.
func leftOpen(before map[string]string) (left []string) {
	for range 20 { // few, as a collection of garbage would close what is lost
		left = nil
		for number, name := range openFiles() {
			if before[number] != name {
				left = append(left, name)
			}
		}
		if len(left) == 0 {
			break
		}
		runtime.Gosched()
	}
	return left
}

// command returns the program as a process of its own.
func command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := linktest.Command(t, self)
	cmd.Args = append([]string{"caliper"}, args...)
	// With the race detector a process would sleep for a second at its end.
	cmd.Env = append(os.Environ(), asCaliper+"=1", "GORACE=atexit_sleep_ms=0 "+os.Getenv("GORACE"))
	return cmd
}

// A report is what the tests read of the JSON.
type report struct {
	Start struct {
		Connected []struct {
			RemoteHost string `json:"remote_host"`
		}
	}
	Intervals []json.RawMessage
	End       struct {
		Sent     sum `json:"sum_sent"`
		Received sum `json:"sum_received"`
	}
	Caliper findings
	Error   string
}

type sum struct {
	Bytes       int64
	Rate        float64 `json:"bits_per_second"`
	Retransmits int64
	Packets     int64
	Lost        int64   `json:"lost_packets"`
	Jitter      float64 `json:"jitter_ms"`
}

// measure runs a test with -J that must succeed.
func measure(t testing.TB, args ...string) *report {
	t.Helper()
	return decode(t, succeed(t, append(append([]string{"iperf3"}, args...), "-J")...).stdout)
}

func decode(t testing.TB, s string) *report {
	t.Helper()
	r := new(report)
	if err := json.Unmarshal([]byte(s), r); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, s)
	}
	return r
}

// raceDetector tells whether the tests run with it.
var raceDetector bool

// some returns the cases to try: all of them, and every fifth under the race detector, with
// which virtual time goes by ten times as slowly and which looks for something else.
func some[T any](cases []T) (chosen []T) {
	for i, c := range cases {
		if !raceDetector || i%5 == 0 {
			chosen = append(chosen, c)
		}
	}
	return chosen
}
