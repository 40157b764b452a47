package link

import (
	"encoding/json"
	"fmt"
	"strings"
)

// Drops counts frames that were dropped, by cause.
type Drops [NumCauses]uint64

// Add adds what a device has dropped.
func (d *Drops) Add(s *Stats) {
	for why, n := range s.Drops {
		d[why] += n
	}
}

// Since returns what was dropped since it was as before.
func (d Drops) Since(before Drops) Drops {
	for why, n := range before {
		d[why] -= n
	}
	return d
}

// Total returns how many there are.
func (d Drops) Total() (n uint64) {
	for _, k := range d {
		n += k
	}
	return n
}

// MarshalJSON implements json.Marshaler: an object of the causes that there were.
func (d Drops) MarshalJSON() ([]byte, error) {
	all := make(map[string]uint64)
	for why, n := range d {
		if n > 0 {
			all[Cause(why).String()] = n
		}
	}
	return json.Marshal(all)
}

// UnmarshalJSON implements json.Unmarshaler.
func (d *Drops) UnmarshalJSON(b []byte) error {
	var all map[string]uint64
	err := json.Unmarshal(b, &all)
	for why := range d {
		d[why] = all[Cause(why).String()]
	}
	return err
}

// String writes the causes that there were.
func (d Drops) String() string {
	var parts []string
	for why, n := range d {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%v %d", Cause(why), n))
		}
	}
	return strings.Join(parts, ", ")
}
