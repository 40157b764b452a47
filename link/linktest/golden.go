package linktest

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files of testdata anew")

// mostLines is how many lines that differ are shown.
const mostLines = 20

// Golden compares got with a file of testdata, line by line, or writes the file where the
// test runs with -update.
func Golden(t testing.TB, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v; go test -update makes it", err)
	}
	if string(b) == got {
		return
	}
	want, have := strings.Split(string(b), "\n"), strings.Split(got, "\n")
	differ := 0
	for i := range max(len(want), len(have)) {
		w, h := line(want, i), line(have, i)
		if w == h {
			continue
		}
		if differ++; differ <= mostLines {
			t.Errorf("%s, line %d:\nwant %s\n got %s", file, i+1, w, h)
		}
	}
	t.Errorf("%s: %d lines differ; if that is how it should be now, run go test -update", file, differ)
}

// line returns a line, or says that there is none.
func line(lines []string, i int) string {
	if i < len(lines) {
		return lines[i]
	}
	return "(no such line)"
}
