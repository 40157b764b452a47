package linktest

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// heard is a test that listens to what goes wrong in it.
type heard struct {
	testing.TB
	said []string
}

func (*heard) Helper() {}

func (h *heard) Errorf(format string, args ...any) {
	h.said = append(h.said, fmt.Sprintf(format, args...))
}

func (h *heard) Fatalf(format string, args ...any) {
	h.Errorf(format, args...)
	panic(h)
}

func TestGolden(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("testdata", 0o777); err != nil {
		t.Fatal(err)
	}
	compare := func(got string) string {
		h := &heard{TB: t}
		func() {
			defer func() {
				if r := recover(); r != nil && r != any(h) {
					panic(r)
				}
			}()
			Golden(h, "table.golden", got)
		}()
		return strings.Join(h.said, "\n")
	}
	if said := compare("a\n"); !strings.Contains(said, "go test -update makes it") {
		t.Errorf("without a file: %s", said)
	}
	*update = true
	said := compare("a\nb\n")
	*update = false
	if b, err := os.ReadFile(filepath.Join("testdata", "table.golden")); err != nil || string(b) != "a\nb\n" || said != "" {
		t.Errorf("-update wrote %q, %v, and said %q", b, err, said)
	}
	for got, want := range map[string]string{
		"a\nb\n":                    "",
		"a\nc\n":                    "line 2:\nwant b\n got c",
		"a\nb":                      "line 3:\nwant \n got (no such line)",
		"a\nb\n\n":                  "line 4:\nwant (no such line)\n got ",
		strings.Repeat("x\n", 1000): "1001 lines differ",
	} {
		said := compare(got)
		if (said == "") != (want == "") || !strings.Contains(said, want) || strings.Count(said, "want") > mostLines {
			t.Errorf("%.20q: said %q, want %q", got, said, want)
		}
	}
}
