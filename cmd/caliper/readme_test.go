package main

import (
	"os"
	"strings"
	"testing"
)

// TestREADME compares what the README says that its first command prints with what it
// prints.
func TestREADME(t *testing.T) {
	if raceDetector {
		t.Skip("half a million packets, all on one goroutine at a time: other tests have the same")
	}
	readme, err := os.ReadFile("../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(readme), "go run ./cmd/caliper iperf3 -c far -b 500M -t 5\n") {
		t.Fatal("the README's first command is another one")
	}
	printed := succeed(t, "iperf3", "-c", "far", "-b", "500M", "-t", "5").stdout
	_, findings, _ := strings.Cut(printed, "iperf Done.\n\n")
	if !strings.Contains(string(readme), "```\n"+findings+"```\n") {
		t.Errorf("the README does not show\n%s", findings)
	}
	for _, file := range []string{"../../netfpga/testdata/faithful.golden", "../../stack/testdata/table.golden", "testdata/loop.golden"} {
		shown, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		// Of what the loop does, the first of the two runs.
		text, _, _ := strings.Cut(string(shown), "\n\n$ ")
		if !strings.Contains(string(readme), "```\n"+strings.TrimSuffix(text, "\n")+"\n```\n") {
			t.Errorf("the README does not show %s", file)
		}
	}
}
