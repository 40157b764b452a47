package main

import (
	"math"
	"path/filepath"
	"regexp"
	"strconv"
	"testing"
)

// TestServerJitter compares the jitter that our server reports with that of the capture of
// the same run: both are of when the datagrams came in, however late they are read.
func TestServerJitter(t *testing.T) {
	namespace(t)
	name := filepath.Join(t.TempDir(), "capture.pcapng")
	server := ourServer(t, "-1", "--pcap", name)
	o := start(t, realIperf3(t, "-c", our4, "-u", "-b", "10M", "-k", "400", "-l", "1000")).end()
	got := server.end()
	if o.code != 0 || got.code != exitOK {
		t.Fatalf("client: exit code %d\n%s%s\nserver: exit code %d\n%s%s", o.code, o.stdout, o.stderr, got.code, got.stdout, got.stderr)
	}
	line := regexp.MustCompile(`(\d+\.\d+) ms  0/(\d+) .*receiver`).FindStringSubmatch(got.stdout)
	if line == nil {
		t.Fatalf("there is no jitter, or something was lost, in\n%s", got.stdout)
	}
	reported, _ := strconv.ParseFloat(line[1], 64)
	total, _ := strconv.Atoi(line[2]) // what had been read when the client said that it was over
	jitter, n := jitterOf(readCapture(t, name), 0, 1000, total)
	if n != total || n < 300 || math.Abs(reported-jitter) > 0.0011 {
		t.Errorf("%v ms of jitter in %d datagrams were reported, and the capture has %v in %d", reported, total, jitter, n)
	}
}
