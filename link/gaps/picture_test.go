package gaps

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"image/color"
	"image/png"
	"io"
	"math"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/plot"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// drawn draws the first flow of a capture.
func drawn(t *testing.T, b []byte, c Config, format Format, log bool) []byte {
	t.Helper()
	var picture bytes.Buffer
	if err := analyse(t, b, c).Flows[0].Draw(&picture, format, log); err != nil {
		t.Fatal(err)
	}
	return picture.Bytes()
}

// words returns the text in an SVG, which must be well-formed and without numbers that are
// none.
func words(t *testing.T, svg []byte) string {
	t.Helper()
	var text []string
	for d := xml.NewDecoder(bytes.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return strings.Join(text, "|")
		}
		if err != nil {
			t.Fatalf("not XML: %v", err)
		}
		switch x := token.(type) {
		case xml.CharData:
			if s := strings.TrimSpace(string(x)); s != "" {
				text = append(text, s)
			}
		case xml.StartElement:
			for _, a := range x.Attr {
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Fatalf("<%s %s=%q>", x.Name.Local, a.Name.Local, a.Value)
				}
			}
		}
	}
}

// TestSVG looks for what a reader needs: the flow, figures, axes with units, a legend.
func TestSVG(t *testing.T) {
	asked := &Schedule{Rate: 400e6, Unit: pacer.Payload}
	for _, test := range []struct {
		config Config
		log    bool
		want   []string
		not    string
	}{
		{Config{Asked: asked}, false, []string{
			"udp 10.0.0.1:4000 > 10.0.0.2:5201, sent at near",
			"20000 packets in 0.399980 s, mean gap 20000.00 ns, 426.400 Mbit/s of wire, 400.000 of payload; 31 bursts, the longest of 43 packets",
			"gap error p50 0, p95 0, p99 11472, p99.9 148644, max 377372 ns; rate error +0.000 ppm; CDFs at most 377372 ns apart",
			"Inter-departure time, CDF|", "|asked|actual", "|inter-departure time, us (19 of 19999 are outside)|", "|share of the gaps|",
			"Gap error, histogram|", "|actual - asked inter-departure time, us (19 of 19999 are outside)|", "|gaps|", "|10k|",
			"Drift from the schedule|", "|since the flow's first packet, ms|", "|behind the schedule, us|",
			"Bursts|", "|packets in a burst (1: a packet alone)|", "|bursts|",
		}, "NaN"},
		{Config{}, true, []string{
			"Inter-departure time, CDF|", "|inter-departure time, us|", "|10|", "|100|",
			"Inter-departure time, histogram|", "Inter-departure time, over the run|",
		}, "|asked|"},
	} {
		got := words(t, drawn(t, stalls(), test.config, SVG, test.log))
		for _, want := range test.want {
			if !strings.Contains("|"+got+"|", want) {
				t.Errorf("there is no %q in %s", want, got)
			}
		}
		if strings.Contains(got, test.not) {
			t.Errorf("there is %q in %s", test.not, got)
		}
	}
}

// TestPNG decodes a picture and looks for both colours in it.
func TestPNG(t *testing.T) {
	b := drawn(t, stalls(), Config{Asked: &Schedule{Rate: 390e6, Unit: pacer.Payload}}, PNG, false)
	img, err := png.Decode(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); size.X != 1400 || size.Y != 1050 {
		t.Errorf("%v pixels", size)
	}
	seen := map[color.Color]int{}
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			seen[img.At(x, y)]++
		}
	}
	for _, c := range []color.RGBA{blue, orange, grey, {A: 255}, {255, 255, 255, 255}} {
		if seen[c] < 100 {
			t.Errorf("%d pixels of %v", seen[c], c)
		}
	}
}

// TestOddPictures draws what has no extent, no order or no bounds.
func TestOddPictures(t *testing.T) {
	day := clock.Time(24 * time.Hour)
	for name, times := range map[string][]clock.Time{
		"one gap":              {5, 12},
		"no time at all":       {5, 5, 5},
		"backwards":            {1e12, 5e11, 3, 2},
		"one long gap":         {0, 1 << 62},
		"and back":             {0, 1 << 62, 0},
		"the same long gap":    every(40, 0, 1000*day),
		"almost the same":      {0, 1000 * day, 2000*day + 1, 3000 * day},
		"from 1 ns to decades": {0, 1, 2, 3, 10, 1000, 1e9, 5e18 / 2},
	} {
		for _, config := range []Config{{}, {Asked: &Schedule{Rate: 1}}, {Asked: &Schedule{Gaps: []pacer.Gap{0, 1 << 62}}}} {
			for _, log := range []bool{false, true} {
				t.Run(fmt.Sprint(name, log), func(t *testing.T) {
					svg := drawn(t, capture(times...), config, SVG, log)
					words(t, svg)
					if len(svg) > 1<<18 {
						t.Errorf("%d bytes", len(svg))
					}
				})
			}
		}
	}
}

// TestLargePicture has as many different gaps as the histograms hold, and stays small.
func TestLargePicture(t *testing.T) {
	times := make([]clock.Time, 30_000)
	for i := range times[1:] {
		times[i+1] = times[i] + clock.Time(1000/math.Pow(1-float64(i*7919%30_000)/30_000, 2))
	}
	for _, log := range []bool{false, true} {
		if svg := drawn(t, capture(times...), Config{}, SVG, log); len(svg) > 1<<18 {
			t.Errorf("%d bytes", len(svg))
		}
	}
}

func TestTicks(t *testing.T) {
	for _, test := range []struct {
		ticker    plot.Ticker
		low, high float64
		want      string
	}{
		{evenly(5), 0, 1, "0.0 0.2 0.4 0.6 0.8 1.0"},
		{evenly(8), -8, 8, "-8 -6 -4 -2 0 2 4 6 8"},
		{evenly(8), 22.716, 22.724, "22.716 22.717 22.718 22.719 22.720 22.721 22.722 22.723 22.724"},
		{evenly(8), 6.1, 23.5, "10 15 20"},
		{evenly(6), -20, 33, "-20 -10 0 10 20 30"},
		{decades{}, -0.3, 4.2, "1 10 100 1k 10k"},
		{decades{}, -3.1, -0.5, "0.001 0.01 0.1"},
		{decades{}, 5, 9, "100k 1M 10M 100M 1G"},
	} {
		var labels []string
		for _, tick := range test.ticker.Ticks(test.low, test.high) {
			if tick.Value < test.low-1e-9 || tick.Value > test.high+1e-9 {
				t.Errorf("a tick at %v from %v to %v", tick.Value, test.low, test.high)
			}
			if tick.Label != "" {
				labels = append(labels, tick.Label)
			}
		}
		if got := strings.Join(labels, " "); got != test.want {
			t.Errorf("from %v to %v: %s, want %s", test.low, test.high, got, test.want)
		}
	}
}
