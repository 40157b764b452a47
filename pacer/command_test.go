package pacer_test

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// encodings are ways to another process.
var encodings = map[string]func(pacer.Command) (pacer.Command, error){
	"JSON": func(c pacer.Command) (to pacer.Command, err error) {
		text, err := json.Marshal(c)
		if err == nil {
			err = json.Unmarshal(text, &to)
		}
		return to, err
	},
	"gob": func(c pacer.Command) (to pacer.Command, err error) {
		var b bytes.Buffer
		if err = gob.NewEncoder(&b).Encode(c); err == nil {
			err = gob.NewDecoder(&b).Decode(&to)
		}
		return to, err
	},
}

// plain are pacers of each kind that nothing has departed by.
func plain(t testing.TB) map[string]func() pacer.Pacer {
	ms := time.Millisecond
	return map[string]func() pacer.Pacer{
		"rate":        func() pacer.Pacer { return &pacer.Rate{BitsPerSecond: 12_345_678, Unit: pacer.IP} },
		"rate, line":  func() pacer.Pacer { return &pacer.Rate{BitsPerSecond: 1e8, Line: 2e8} },
		"gaps":        func() pacer.Pacer { return &pacer.Gaps{List: []pacer.Gap{100_333, 20_000}, Start: 5000} },
		"gaps, once":  func() pacer.Pacer { return &pacer.Gaps{List: []pacer.Gap{100_333, 20_000}, Once: true} },
		"window":      func() pacer.Pacer { return &pacer.Window{SSRatio: 150, CARatio: 110, InitialRTT: 3 * ms} },
		"window, old": func() pacer.Pacer { return new(pacer.Window) },
		"delivery":    func() pacer.Pacer { return &pacer.Delivery{Rate: pacer.Rate{BitsPerSecond: 1e6, Line: 1e9}} },
		"schedule": func() pacer.Pacer {
			s, err := pacer.NewSchedule([]pacer.Step{{BitsPerSecond: 8e6}, {At: ms}, {At: 2 * ms, BitsPerSecond: 3e6}}, 10*ms, pacer.IP)
			if err != nil {
				t.Fatal(err)
			}
			s.Start = 777
			return s
		},
	}
}

// drive asks a pacer for the departures of packets of any size, with feedback in between.
func drive(p pacer.Pacer, seed uint64) (departures []clock.Time) {
	rng := rand.New(rand.NewPCG(seed, 0))
	now := clock.Time(0)
	for range 2000 {
		if follower, ok := p.(pacer.Follower); ok && rng.IntN(4) == 0 {
			fb := pacer.Feedback{Cwnd: rng.Int64N(1e5), RTT: time.Duration(rng.Int64N(1e7)), PacingRate: rng.Int64N(1e8)}
			follower.Follow(&fb, now)
		}
		n := 1 + rng.IntN(1500)
		now += clock.Time(rng.Int64N(300_000))
		departures = append(departures, p.Depart(pacer.Size{Wire: n + 84, IP: n + 40, Payload: n}, now))
	}
	return departures
}

// A command is plain data: however it is sent, it gives the same schedule.
func TestCommandsAreData(t *testing.T) {
	flow := pacer.Flow{Src: [16]byte{15: 1}, Dst: [16]byte{15: 2}, SrcPort: 3, DstPort: 4, Proto: pacer.ProtoTCP}
	for name, pacerOf := range plain(t) {
		t.Logf("# %s", name)
		c := pacer.Pace(flow, pacerOf())
		if c.Op != pacer.SetPolicy || c.Custom != nil {
			t.Errorf("%+v, want data that sets a policy", c)
		}
		if err := c.Check(); err != nil {
			t.Error(err)
		}
		want := drive(pacerOf(), 1)
		for encoding, send := range encodings {
			got, err := send(c)
			if err != nil || !reflect.DeepEqual(got, c) {
				t.Fatalf("%s: %v: %+v, want %+v", encoding, err, got, c)
			}
			if again := drive(got.Policy.New(5e8), 1); !reflect.DeepEqual(again, want) {
				t.Errorf("%s: the schedule is another one", encoding)
			}
		}
	}
	for _, text := range []string{"none", "rate:12.5M,unit=payload", "gaps:departures,absolute,once", "window:ss=150,rtt=10ms", "delivery", "schedule:steps,unit=ip"} {
		c := pacer.Command{Op: pacer.SetPolicy, Flow: flow, Policy: parsePolicy(t, text)}
		for encoding, send := range encodings {
			if got, err := send(c); err != nil || !reflect.DeepEqual(got, c) || got.Policy.String() != text {
				t.Errorf("%s: %v: %+v, want %+v", encoding, err, got, c)
			}
		}
	}
	follow := pacer.Command{Op: pacer.Follow, Flow: flow, Feedback: pacer.Feedback{MSS: 1448, Cwnd: 14480, RTT: 1e6, NextDeparture: clock.Never}}
	for encoding, send := range encodings {
		if got, err := send(follow); err != nil || !reflect.DeepEqual(got, follow) {
			t.Errorf("%s: %v: %+v, want %+v", encoding, err, got, follow)
		}
	}
}

// own is a pacer of one's own.
type own struct{ pacer.Rate }

// A pacer that is no data goes as it is, and cannot be sent anywhere.
func TestCustomIsNoData(t *testing.T) {
	begun := &pacer.Rate{BitsPerSecond: 1e6}
	begun.Depart(pacer.Size{Wire: 1000}, 0)
	for name, p := range map[string]pacer.Pacer{"of one's own": &own{}, "one that has begun": begun} {
		c := pacer.Pace(pacer.Flow{}, p)
		if c.Custom != p || c.Policy.Kind != pacer.NotPaced {
			t.Errorf("%s: %+v, want the pacer itself", name, c)
		}
		if err := c.Check(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for encoding, send := range encodings {
			if _, err := send(c); err == nil {
				t.Errorf("%s: %s has encoded it", name, encoding)
			}
		}
		_, err := json.Marshal(c)
		if err == nil || !strings.Contains(err.Error(), "paces in its own process only") {
			t.Errorf("%s: JSON says %v", name, err)
		}
	}
	if c := pacer.Pace(pacer.Flow{}, nil); c.Custom != nil || c.Policy.Kind != pacer.NotPaced {
		t.Errorf("nobody: %+v", c)
	}
}

func TestCommandCheck(t *testing.T) {
	for _, test := range []struct {
		c    pacer.Command
		want string
	}{
		{pacer.Command{Op: 99}, "no such command"},
		{pacer.Command{Op: pacer.ChangeRate}, "at least 1 bit/s"},
		{pacer.Command{Op: pacer.ChangeRate, Policy: pacer.Policy{Kind: pacer.PacedByRate}}, "at least 1 bit/s"},
		{pacer.Command{Op: pacer.SetPolicy, Policy: pacer.Policy{Kind: 99}}, "kind 99"},
		{pacer.Command{Op: pacer.SetPolicy, Policy: pacer.Policy{Kind: pacer.PacedByRate, Unit: 7}}, "wire, IP or payload"},
		{pacer.Command{Op: pacer.SetPolicy, Policy: pacer.Policy{Kind: pacer.PacedByRate, BitsPerSecond: -1}}, "negative"},
		{pacer.Command{Op: pacer.SetPolicy, Policy: pacer.Policy{Start: -1}}, "negative"},
		{pacer.Command{Op: pacer.SetPolicy, Policy: pacer.Policy{InitialRTT: -1}}, "negative"},
		{pacer.Command{Op: pacer.SetPolicy, Policy: pacer.Policy{Kind: pacer.PacedByGaps}}, "empty"},
		{pacer.Command{Op: pacer.SetPolicy, Policy: pacer.Policy{Kind: pacer.PacedByGaps, Gaps: []pacer.Gap{1, -1}}}, "gap 2"},
		{pacer.Command{Op: pacer.SetPolicy, Policy: pacer.Policy{Kind: pacer.PacedBySchedule}}, "lets nothing leave"},
		{pacer.Command{Op: pacer.SetPolicy, Policy: pacer.Policy{Kind: pacer.PacedBySchedule, Steps: []pacer.Step{{BitsPerSecond: 1}}, Period: -1}}, "repeats"},
	} {
		if err := test.c.Check(); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %q", test.c, err, test.want)
		}
	}
}
