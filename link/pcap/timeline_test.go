package pcap

import (
	"fmt"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/pacer/clock"
)

func TestTimeline(t *testing.T) {
	for _, test := range []struct {
		name   string
		stamps []clock.Time
		want   string // the times, and the negative gaps
	}{
		{"in order", []clock.Time{100, 100, 107}, "0 0 7, 0"},
		{"two in the other order", []clock.Time{100, 90, 110, 105, 120}, "0 0 10 10 20, 2"},
		{"one behind three", []clock.Time{100, 110, 120, 95, 130}, "0 10 20 20 30, 1"},
		{"a few that are older", []clock.Time{100, 90, 92, 94, 110}, "0 0 2 4 10, 1"},
		{"older and older", []clock.Time{100, 90, 80, 110}, "0 0 0 10, 2"},
		{"a clock set back", []clock.Time{100, 110, 60, 70, 80, 90, 100, 110, 120, 130}, "0 10 10 20 30 40 50 60 70 80, 1"},
		{"set back twice", []clock.Time{100, 110, 60, 70, 10, 20, 30}, "0 10 10 20 20 30 40, 2"},
		{"set back to the same", []clock.Time{100, 110, 100, 110, 100, 110}, "0 10 10 20 20 30, 2"},
		{"the end of time", []clock.Time{0, latest, 0, latest, 0, latest}, fmt.Sprintf("0 %d %[1]d %[1]d %[1]d %[1]d, 2", int64(longest))},
	} {
		var l Timeline
		var got []string
		for _, s := range test.stamps {
			got = append(got, fmt.Sprint(int64(l.At(s))))
		}
		if s := fmt.Sprintf("%s, %d", strings.Join(got, " "), l.Negative); s != test.want {
			t.Errorf("%s: %s, want %s", test.name, s, test.want)
		}
	}
}
