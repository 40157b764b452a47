package link

import (
	"encoding/json"
	"fmt"
	"math"
)

// PPM is an error in parts per million, where one is defined. The zero value is none, which
// is null in JSON.
type PPM struct {
	value   float64
	defined bool
}

// NewPPM returns by how much n is more than of, in parts per million; none if of is not
// above 0.
func NewPPM(n, of float64) PPM {
	if of <= 0 {
		return PPM{}
	}
	return PPM{(n - of) * 1e6 / of, true}
}

// Get returns the value, and whether there is one.
func (p PPM) Get() (ppm float64, defined bool) { return p.value, p.defined }

// String writes the value with its sign and unit, which is per cent above 10,000 ppm, and a
// dash where there is none.
func (p PPM) String() string {
	switch percent := p.value / 1e4; {
	case !p.defined:
		return "-"
	case math.Abs(percent) > 1000:
		return fmt.Sprintf("%+.0f%%", percent)
	case math.Abs(percent) > 1:
		return fmt.Sprintf("%+.2f%%", percent)
	}
	return fmt.Sprintf("%+.3f ppm", p.value)
}

// MarshalJSON implements json.Marshaler.
func (p PPM) MarshalJSON() ([]byte, error) {
	if !p.defined {
		return []byte("null"), nil
	}
	return json.Marshal(p.value)
}

// UnmarshalJSON implements json.Unmarshaler.
func (p *PPM) UnmarshalJSON(b []byte) error {
	var v *float64
	err := json.Unmarshal(b, &v)
	if *p = (PPM{}); v != nil {
		*p = PPM{*v, true}
	}
	return err
}
