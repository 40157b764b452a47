package link

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"
)

// Stop says by whom a flow was kept from sending when its pacer would have let it.
type Stop uint8

// Who may stop a flow.
const (
	StopApplication Stop = iota // nothing was there to be sent: this is no loss of its rate
	StopWriter                  // the writer had more, and was not back in time
	StopWindow                  // TCP's window, of congestion or of the peer
	StopBound                   // what may wait for its departure (see package stack) was not filled up in time
	StopDevice                  // the device below had no room
	StopHost                    // software was late with what waited, until nothing did
	NumStops
)

var stops = [NumStops]string{"application", "writer", "window", "bound", "device", "host"}

func (s Stop) String() string { return stops[s] }

// Stopped is how often something was stopped, and for how long in all.
type Stopped struct {
	Times uint64        `json:"times"`
	For   time.Duration `json:"ns"`
}

func (s *Stopped) add(d time.Duration) {
	s.Times++
	s.For += d
}

// Stops is what was stopped by whom.
type Stops [NumStops]Stopped

func (s *Stops) merge(other *Stops) {
	for i := range s {
		s[i].Times += other[i].Times
		s[i].For += other[i].For
	}
}

// MarshalJSON implements json.Marshaler: an object of those that happened, by name.
func (s Stops) MarshalJSON() ([]byte, error) {
	all := make(map[string]Stopped)
	for i, stop := range s {
		if stop.Times > 0 {
			all[stops[i]] = stop
		}
	}
	return json.Marshal(all)
}

// UnmarshalJSON implements json.Unmarshaler.
func (s *Stops) UnmarshalJSON(b []byte) error {
	var all map[string]Stopped
	err := json.Unmarshal(b, &all)
	for i := range s {
		s[i] = all[stops[i]]
	}
	return err
}

// String writes those that happened, "" if there are none.
func (s Stops) String() string {
	var parts []string
	for i, stop := range s {
		if stop.Times > 0 {
			parts = append(parts, fmt.Sprintf("%s %dx for %v", stops[i], stop.Times, round(stop.For)))
		}
	}
	return strings.ReplaceAll(strings.Join(parts, ", "), "µ", "u")
}

// round cuts a time down to four digits or so.
func round(d time.Duration) time.Duration {
	unit := time.Duration(1)
	for d/unit >= 10_000 {
		unit *= 10
	}
	return d.Round(unit)
}
