package pacer_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"reflect"
	"strings"
	"testing"
	"testing/iotest"
	"unsafe"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// files are what policies of the tests read.
type files map[string]string

func (f files) open(name string) (io.ReadCloser, error) {
	text, ok := f[name]
	if !ok {
		return nil, &fs.PathError{Op: "open", Path: name, Err: fs.ErrNotExist}
	}
	return io.NopCloser(strings.NewReader(text)), nil
}

var policyFiles = files{
	"gaps":       "100 20 3",
	"departures": "0 100 120 123",
	"steps":      "0 8M\n0.010 80M\n0.020 repeat",
	"bad":        "10\n-5",
}

func parsePolicy(t testing.TB, s string) pacer.Policy {
	t.Helper()
	p, err := pacer.ParsePolicy(s, policyFiles.open)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestPolicyMakesPacers(t *testing.T) {
	for _, test := range []struct {
		policy string
		want   pacer.Pacer
	}{
		{"rate:100M", &pacer.Rate{BitsPerSecond: 100e6, Line: 1e9}},
		{"rate:1.5g,unit=payload", &pacer.Rate{BitsPerSecond: 1.5e9, Unit: pacer.Payload, Line: 1e9}},
		{"gaps:gaps", &pacer.Gaps{List: []pacer.Gap{100 * ns, 20 * ns, 3 * ns}}},
		{"gaps:departures,absolute,once", &pacer.Gaps{List: []pacer.Gap{100 * ns, 20 * ns, 3 * ns}, Once: true}},
		{"window", &pacer.Window{Rate: pacer.Rate{Line: 1e9}}},
		{"window:ss=150,rtt=10ms", &pacer.Window{Rate: pacer.Rate{Line: 1e9}, SSRatio: 150, InitialRTT: 10e6}},
		{"delivery", &pacer.Delivery{Rate: pacer.Rate{Line: 1e9}}},
	} {
		got := parsePolicy(t, test.policy).New(1e9)
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("%s: got %+v, want %+v", test.policy, got, test.want)
		}
	}
	if got := parsePolicy(t, "none").New(1e9); got != nil {
		t.Errorf("none: got %v, want nil", got)
	}
	if got := (pacer.Policy{}).New(1e9); got != nil {
		t.Errorf("the zero Policy: got %v, want nil", got)
	}
}

func TestPolicyPacersAreApart(t *testing.T) {
	for _, text := range []string{"rate:8G", "gaps:gaps", "schedule:steps,unit=ip"} {
		p := parsePolicy(t, text)
		t.Logf("# %v: two flows, of which one does not move the other's departures", p)
		n := pacer.Size{Wire: 1000, IP: 1000}
		one, two := p.New(0), p.New(0)
		one.Depart(n, 0)
		second := one.Depart(n, 0)
		one.Depart(n, 0)
		if second == 0 {
			t.Error("the second packet leaves with the first")
		}
		if first, again := two.Depart(n, 0), two.Depart(n, 0); first != 0 || again != second {
			t.Errorf("the other flow leaves at %d and %d, want 0 and %d", first, again, second)
		}
	}
}

func TestPolicySchedule(t *testing.T) {
	s := &story{T: t, pacer: parsePolicy(t, "schedule:steps,unit=payload").New(0)}
	s.say("1 ms a packet up to 10 ms, then a tenth of it, and again after 20 ms")
	s.at(0).send(9500, 0)
	s.send(1000, 9_500_000, 10_050_000, 10_150_000)
	s.at(19_950_000).send(1000, 19_950_000, 20_500_000)
}

func TestPolicyString(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"none", "none"},
		{"rate:100M", "rate:100M"},
		{"rate:100000k,unit=wire", "rate:100M"},
		{"rate:1500M,unit=IP", "rate:1.5G,unit=ip"},
		{"rate:1", "rate:1"},
		{"rate:999999937", "rate:999.999937M"},
		{"rate:1234", "rate:1.234K"},
		{"rate:1000T", "rate:1000T"},
		{"gaps:gaps", "gaps:gaps"},
		{"gaps:departures,once,absolute", "gaps:departures,absolute,once"},
		{"window", "window"},
		{"window:rtt=0.01s,ca=0100,ss=200", "window:ss=200,ca=100,rtt=10ms"},
		{"window:rtt=0.5ms", "window:rtt=500us"},
		{"delivery", "delivery"},
		{"schedule:steps,unit=payload", "schedule:steps,unit=payload"},
	} {
		p := parsePolicy(t, test.text)
		if got := p.String(); got != test.want {
			t.Errorf("%q: got %q, want %q", test.text, got, test.want)
		}
		if again := parsePolicy(t, p.String()); !reflect.DeepEqual(again, p) {
			t.Errorf("%q is written as %q, which is another policy", test.text, p)
		}
	}
}

func TestParsePolicyErrors(t *testing.T) {
	for _, test := range []struct{ text, want string }{
		{"", "write one of none, rate:100M"},
		{"fast", `pacer: policy "fast": write one of none, rate:100M`},
		{"none:1", "write none alone"},
		{"delivery:", "write delivery alone"},
		{"rate", "write rate:100M"},
		{"rate:", "write rate:100M"},
		{"rate:fast", `"fast" is not a rate in bit/s such as 950M`},
		{"rate:0", "write none to not pace"},
		{"rate:1M,unit=bytes", "wire, ip or payload"},
		{"rate:1M,once", `"once" is not one of the options unit=`},
		{"rate:1M,unit", `"unit" is not one of the options unit=`},
		{"rate:1M,unit=ip,unit=ip", "unit= is given twice"},
		{"rate:1M,", `"" is not one of the options`},
		{"gaps", "write gaps:FILE"},
		{"gaps:nofile", "open nofile: file does not exist"},
		{"gaps:bad", `line 2 of the gaps: "-5" is not a number`},
		{"gaps:gaps,absolute", "absolute departures must not decrease"},
		{"gaps:gaps,twice", `"twice" is not one of the options absolute, once`},
		{"schedule", "write schedule:FILE"},
		{"schedule:nofile", "open nofile"},
		{"schedule:bad", `line 1 of the schedule: "10" is not a time`},
		{"window:", `"" is not one of the options ss=, ca=, rtt=`},
		{"window:ss=0", "ss=0 is not a ratio from 1 to 1000 percent"},
		{"window:ca=1001", "ca=1001 is not a ratio"},
		{"window:ca=1.2", "ca=1.2 is not a ratio"},
		{"window:rtt=10", "rtt=10 is not a time above 0 such as 10ms"},
		{"window:rtt=-1ms", "is not a time above 0"},
	} {
		p, err := pacer.ParsePolicy(test.text, policyFiles.open)
		if err == nil || !strings.Contains(err.Error(), test.want) || strings.Count(err.Error(), "pacer:") != 1 {
			t.Errorf("%q: error %v, want one with %q", test.text, err, test.want)
		}
		if p.New(0) != nil {
			t.Errorf("%q is refused and paces", test.text)
		}
	}
	if _, err := pacer.ParsePolicy("gaps:gaps", nil); err == nil || !strings.Contains(err.Error(), "cannot be read here") {
		t.Errorf("without files: error %v", err)
	}
	broken := errors.New("the disk is gone")
	open := func(string) (io.ReadCloser, error) { return io.NopCloser(iotest.ErrReader(broken)), nil }
	for _, text := range []string{"gaps:x", "schedule:x"} {
		if _, err := pacer.ParsePolicy(text, open); !errors.Is(err, broken) {
			t.Errorf("%s of a broken file: error %v, want %v", text, err, broken)
		}
	}
}

// FuzzParsePolicy holds that what is read is written so that it is read the same, and that
// its pacers pace.
func FuzzParsePolicy(f *testing.F) {
	for _, s := range []string{"none", "rate:100M,unit=ip", "gaps:gaps,once", "gaps:departures,absolute", "window:ss=1,ca=2,rtt=3ns", "delivery", "schedule:steps", "rate::", "window:ss=+1"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		p, err := pacer.ParsePolicy(text, policyFiles.open)
		if err != nil {
			return
		}
		again, err := pacer.ParsePolicy(p.String(), policyFiles.open)
		if err != nil || !reflect.DeepEqual(again, p) {
			t.Fatalf("%q is written as %q, which is %v, %v", text, p, again, err)
		}
		made := p.New(0)
		if made == nil {
			return
		}
		last := clock.Time(0)
		for range 10 {
			n := pacer.Size{Wire: 1538, IP: 1500, Payload: 1448}
			asked, got := made.Next(n, 0), made.Depart(n, 0)
			if got < last || asked != got {
				t.Fatalf("%v: a departure at %v, that would be at %v, after one at %v", p, got, asked, last)
			}
			last = got
		}
	})
}

// A million flows have room: no pacer is larger than a hundred bytes.
func TestPacersAreSmall(t *testing.T) {
	for _, p := range []struct {
		name string
		size uintptr
		most uintptr
	}{
		{"Rate", unsafe.Sizeof(pacer.Rate{}), 56},
		{"Delivery", unsafe.Sizeof(pacer.Delivery{}), 56},
		{"Gaps", unsafe.Sizeof(pacer.Gaps{}), 64},
		{"Window", unsafe.Sizeof(pacer.Window{}), 72},
		{"Schedule", unsafe.Sizeof(pacer.Schedule{}), 120},
	} {
		t.Logf("%s: %d bytes", p.name, p.size)
		if p.size > p.most {
			t.Errorf("%s has %d bytes, want at most %d", p.name, p.size, p.most)
		}
	}
}

// A policy is read once and paces any number of flows.
func ExampleParsePolicy() {
	policy, err := pacer.ParsePolicy("rate:12.5M,unit=payload", nil)
	if err != nil {
		fmt.Println(err)
		return
	}
	for flow := range 2 {
		p := policy.New(1e9)
		p.Depart(pacer.Size{Wire: 1334, Payload: 1250}, 0)
		fmt.Printf("flow %d, %v: the second packet leaves at %v\n", flow, policy, p.Next(pacer.Size{Wire: 1334, Payload: 1250}, 0))
	}

	// Output:
	// flow 0, rate:12.5M,unit=payload: the second packet leaves at 0.000800000s
	// flow 1, rate:12.5M,unit=payload: the second packet leaves at 0.000800000s
}

func BenchmarkPolicyNew(b *testing.B) {
	p := parsePolicy(b, "rate:100M")
	b.ReportAllocs()
	for b.Loop() {
		p.New(1e9)
	}
}
