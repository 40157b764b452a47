package link

import (
	"encoding/json"
	"testing"
)

// TestPPMText writes large errors in a form that can be read; JSON has them all in ppm.
func TestPPMText(t *testing.T) {
	for _, c := range []struct {
		n, of      float64
		text, json string
	}{
		{1, 0, "-", "null"},
		{1, 1, "+0.000 ppm", "0"},
		{101, 100, "+10000.000 ppm", "10000"},
		{1 - 1.0/64, 1, "-1.56%", "-15625"},
		{1.25, 1, "+25.00%", "250000"},
		{0, 1, "-100.00%", "-1000000"},
		{209, 1, "+20800%", "208000000"},
	} {
		p := NewPPM(c.n, c.of)
		b, err := json.Marshal(p)
		if p.String() != c.text || string(b) != c.json || err != nil {
			t.Errorf("%v of %v: %v, %s, %v", c.n, c.of, p, b, err)
		}
	}
}
