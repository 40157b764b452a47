package pacer_test

import (
	"encoding/binary"
	"math"
	"math/big"
	"math/bits"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// A story drives one pacer and checks each departure. What it says goes to the log, so
// that a failing test reads as what happened up to the failure.
type story struct {
	*testing.T
	pacer pacer.Pacer
	now   clock.Time
}

func (s *story) say(line string) {
	s.Helper()
	s.Log("# " + line)
}

// at moves the time on.
func (s *story) at(now clock.Time) *story {
	s.now = now
	return s
}

// send asks for a packet for each of the wanted departures.
func (s *story) send(size int, want ...clock.Time) {
	s.Helper()
	for _, w := range want {
		n := pacer.Size{Wire: size, IP: size, Payload: size}
		if next := s.pacer.Next(n, s.now); next != w {
			s.Fatalf("%d bytes at %d would leave at %d, want %d", size, s.now, next, w)
		}
		got := s.pacer.Depart(n, s.now)
		s.Logf("%d bytes at %d leave at %d", size, s.now, got)
		if got != w {
			s.Fatalf("%d bytes at %d leave at %d, want %d", size, s.now, got, w)
		}
	}
}

func newRate(t testing.TB, bps int64, unit pacer.Unit) *pacer.Rate {
	t.Helper()
	r, err := pacer.NewRate(bps, unit)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestRateSpacesPacketsOut(t *testing.T) {
	s := &story{T: t, pacer: newRate(t, 1e9, pacer.Wire)}

	s.say("at 1 Gbit/s a byte takes 8 ns: four packets of 1250 bytes are ready at 500")
	s.at(500).send(1250, 500, 10500, 20500, 30500)

	s.say("a fifth of 125 bytes waits for the fourth, however small it is itself")
	s.at(30600).send(125, 40500)

	s.say("the one behind it pays for those 125 bytes only")
	s.send(1250, 41500)

	s.say("a packet that is ready exactly when it is due leaves then")
	s.at(51500).send(1250, 51500)
}

func TestRateKeepsNoCredit(t *testing.T) {
	s := &story{T: t, pacer: newRate(t, 1e9, pacer.Wire)}

	s.say("one packet, then nothing for a second")
	s.at(0).send(1250, 0)

	s.say("three packets after the pause: the first at once, the others spaced as ever")
	s.at(1e9).send(1250, 1e9, 1e9+10000, 1e9+20000)

	s.say("one nanosecond too late starts afresh too, it is not made up for")
	s.at(1e9+30001).send(1250, 1e9+30001, 1e9+40001)
}

func TestRateCarriesTheRemainder(t *testing.T) {
	s := &story{T: t, pacer: newRate(t, 3e9, pacer.Wire)}

	s.say("a byte at 3 Gbit/s takes 2 2/3 ns, so three bytes take 8")
	s.at(100).send(1, 100, 102, 105, 108, 110, 113, 116)

	s.say("a packet of another size takes over the third that is left: 118 2/3 and so on")
	s.send(2, 118)
	s.send(1, 124, 126)

	s.say("ready at the whole nanosecond below the due time: the fraction is kept")
	s.at(129).send(1, 129, 132, 134)

	s.say("a start afresh has no fraction")
	s.at(200).send(1, 200, 202, 205, 208)
}

func TestRateLetsFreePacketsPass(t *testing.T) {
	r := newRate(t, 1e6, pacer.Payload)
	s := &story{T: t, pacer: r}

	s.say("pure ACKs cost nothing where payload is counted")
	s.at(10).send(0, 10, 10, 10)

	s.say("data of 125 bytes, 1 ms at 1 Mbit/s, is not delayed by them")
	s.send(125, 10, 1_000_010)

	s.say("an ACK does not overtake the data that waits, and leaves right with it")
	s.at(20).send(0, 1_000_010)

	s.say("between two data packets it leaves when it is ready")
	s.at(1_500_000).send(0, 1_500_000)
	s.send(125, 2_000_010)

	s.say("and after a pause it does not start the schedule")
	s.at(9_000_000).send(0, 9_000_000)
	s.at(9_100_000).send(125, 9_100_000, 10_100_000)
}

func TestRateCountsItsUnit(t *testing.T) {
	n := pacer.Size{Wire: 1538, IP: 1500, Payload: 1448}
	for _, test := range []struct {
		unit pacer.Unit
		gap  clock.Time
	}{{pacer.Wire, 12304}, {pacer.IP, 12000}, {pacer.Payload, 11584}} {
		r := newRate(t, 1e9, test.unit)
		r.Depart(n, 0)
		if got := r.Depart(n, 0); got != test.gap {
			t.Errorf("%v: gap %d, want %d", test.unit, got, test.gap)
		}
	}
}

func TestRateChanges(t *testing.T) {
	r := newRate(t, 1e9, pacer.Wire)
	s := &story{T: t, pacer: r}

	s.say("two packets of 1250 bytes at 1 Gbit/s, the second is due at 10 us")
	s.at(0).send(1250, 0, 10000)

	s.say("at 4 us the rate falls to half: what was promised stands, the next gap is 20 us")
	s.set(r, 500e6, 4000)
	s.at(4000).send(1250, 30000)

	s.say("the next is due at 50 us; at 40 us half of its gap is over, and the rate rises tenfold")
	s.set(r, 5e9, 40000)
	s.at(40000).send(1250, 41000, 43000)

	s.say("a change while the flow is idle gives no credit either")
	s.set(r, 1e9, 90000)
	s.at(100000).send(1250, 100000, 110000)

	s.say("changes back and forth at one instant change nothing, not even a fraction")
	for _, bps := range []int64{7, 1e12, 3, 999_999_937, 1e9} {
		s.set(r, bps, 110000)
	}
	s.send(1250, 120000)

	s.say("a slow flow speeds up at once: a gap of 10,000 s at 1 bit/s is not waited for")
	s.set(r, 1, 120000)
	s.set(r, 1e9, 120000)
	s.send(1250, 130000)

	s.say("a rate of nothing is refused and changes nothing")
	if err := r.SetRate(0, 130000); err == nil {
		t.Error("a rate of 0 bit/s was accepted")
	}
	s.send(1250, 140000)
}

func (s *story) set(r *pacer.Rate, bps int64, now clock.Time) {
	s.Helper()
	s.Logf("at %d: %d bit/s", now, bps)
	if err := r.SetRate(bps, now); err != nil {
		s.Fatal(err)
	}
}

func TestRateAtTheEndOfTime(t *testing.T) {
	s := &story{T: t, pacer: newRate(t, 1, pacer.Wire)}

	s.say("1 bit/s and packets of 1 GiB, 272 years each: the third never leaves")
	s.at(0).send(1<<30, 0, 8<<30*1e9, clock.Never, clock.Never)

	s.say("the fastest of all rates becomes the slowest, late in time: what is unpaid takes for ever")
	r := newRate(t, math.MaxInt64, pacer.Wire)
	s.pacer = r
	s.at(2e18).send(1<<30, 2e18, 2e18)
	s.set(r, 1, 2e18)
	s.send(1, clock.Never)

	s.at(0)
	s.say("a size that cannot be is charged as 1 GiB")
	s.pacer = newRate(t, 1e9, pacer.Wire)
	s.send(math.MaxInt, 0, 8<<30)
}

func TestZeroRateDoesNotPace(t *testing.T) {
	s := &story{T: t, pacer: &pacer.Rate{}}
	s.at(5).send(1500, 5, 5, 5)
	s.at(6).send(1500, 6)
}

func TestNewRateRefuses(t *testing.T) {
	for _, test := range []struct {
		bps  int64
		unit pacer.Unit
		want string
	}{
		{0, pacer.Wire, "at least 1 bit/s"},
		{-1, pacer.Payload, "at least 1 bit/s"},
		{1e9, 3, "wire, IP or payload"},
	} {
		_, err := pacer.NewRate(test.bps, test.unit)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("NewRate(%d, %v): error %v, want one with %q", test.bps, test.unit, err, test.want)
		}
	}
}

// At any rate every one of a million departures is the exact one, rounded down once.
func TestRateHasNoDrift(t *testing.T) {
	for _, bps := range []int64{1, 7, 64_000, 950e6, 1e9, 999_999_937, 9_999_999_967, 1e12, 3_333_333_333_333, math.MaxInt64} {
		r := newRate(t, bps, pacer.Wire)
		rng := rand.New(rand.NewPCG(1, uint64(bps)))
		var sent uint64 // bytes
		for i := range 1_000_001 {
			wire := 84 + rng.IntN(1<<16)
			got := r.Depart(pacer.Size{Wire: wire}, 0)
			want := uint64(clock.Never)
			if hi, lo := bits.Mul64(sent, 8e9); hi < uint64(bps) {
				due, _ := bits.Div64(hi, lo, uint64(bps))
				want = min(due, want)
			}
			if uint64(got) != want {
				t.Fatalf("%d bit/s: packet %d leaves at %d, want %d", bps, i, got, want)
			}
			sent += uint64(wire)
		}
	}
}

// exactRate is Rate in rational numbers.
type exactRate struct {
	bps  int64
	last int64
	next *big.Rat // ns
}

func (e *exactRate) depart(size int, now int64) int64 {
	now = max(now, e.last)
	if size == 0 {
		e.last = now
		return now
	}
	if due := floor(e.next); now > due {
		e.next.SetInt64(now)
	}
	e.last = floor(e.next)
	cost := big.NewRat(int64(size), e.bps)
	e.next.Add(e.next, cost.Mul(cost, big.NewRat(8e9, 1)))
	return e.last
}

func (e *exactRate) set(bps, now int64) {
	from := new(big.Rat).SetInt64(max(now, e.last))
	if due := floor(e.next); due >= max(now, e.last) {
		unpaid := new(big.Rat).Sub(e.next, from)
		unpaid.Mul(unpaid, big.NewRat(e.bps, bps))
		e.next.Add(from, unpaid)
	} else {
		e.next.SetInt64(due)
	}
	e.bps = bps
}

func floor(r *big.Rat) int64 {
	q := new(big.Int).Div(r.Num(), r.Denom())
	if !q.IsInt64() {
		return int64(clock.Never)
	}
	return q.Int64()
}

// FuzzRate plays a flow of packets, pauses and changes of the rate against rational
// numbers. Each step is eight bytes: what it is, a size or rate, and a pause.
func FuzzRate(f *testing.F) {
	f.Add(uint64(950e6), []byte("\x00\x02\x06\x00\x00\x00\x00\x00\x00\x00\x54\x00\x00\x01\x00\x00\x07\x0f\xff\x00\x00\x00\x00\x20"))
	f.Add(uint64(1), []byte("\x00\xff\xff\x00\x00\x00\x00\x00\x00\xff\xff\x00\x00\x00\x00\x00"))
	f.Add(uint64(3e12), []byte("\x00\x05\xdc\x00\x00\x00\x00\x00\x07\x00\x00\x03\x00\x00\x00\x00\x00\x00\x01\x00\x00\x00\x00\x01"))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 20 {
		script := make([]byte, 8*50)
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		for i := 4; i < len(script); i += 8 { // short pauses, so that schedules go on
			script[i], script[i+1] = 0, 0
		}
		f.Add(rng.Uint64()>>rng.IntN(63), script)
	}
	f.Fuzz(func(t *testing.T, bps uint64, script []byte) {
		rate := max(1, int64(bps>>1))
		r := newRate(t, rate, pacer.Wire)
		exact := &exactRate{bps: rate, next: new(big.Rat)}
		var now int64
		for ; len(script) >= 8; script = script[8:] {
			now += int64(binary.BigEndian.Uint32(script[4:]))
			value := binary.BigEndian.Uint32(script) & 0xffffff
			if script[0]%8 == 7 {
				rate := max(1, int64(value)<<(script[0]/8))
				if err := r.SetRate(rate, clock.Time(now)); err != nil {
					t.Fatal(err)
				}
				exact.set(rate, now)
				continue
			}
			size := int(value >> 8)
			n := pacer.Size{Wire: size}
			asked := r.Next(n, clock.Time(now))
			got := r.Depart(n, clock.Time(now))
			if want := exact.depart(size, now); int64(got) != want || asked != got {
				t.Fatalf("%d bytes at %d leave at %d and would at %d, want %d", size, now, got, asked, want)
			}
		}
	})
}

// After every change of the rate the packet that waits leaves within one gap at the new
// rate, whatever the rate was before: this is the reaction that the loop counts on.
func TestRateReactsWithinOneGap(t *testing.T) {
	s := &story{T: t}
	n := pacer.Size{Wire: 1250}

	s.say("a packet left at 0 at 1 kbit/s, so the next one is due in 10 s")
	r := newRate(t, 1000, pacer.Wire)
	s.pacer = r
	s.at(0).send(1250, 0)
	if got := r.Next(n, 5); got != 10e9 {
		t.Fatalf("the next leaves at %d", got)
	}

	s.say("at 1 s the rate is 1 Gbit/s: what is unpaid, nine tenths of it, takes 9 us")
	s.set(r, 1e9, 1e9)
	if got := r.Next(n, 5); got != 1e9+9000 {
		t.Fatalf("the next leaves at %d", got)
	}

	s.say("and so from any rate to any other, at any time")
	rng := rand.New(rand.NewPCG(3, 4))
	now, was := clock.Time(2e9), int64(1e9)
	for range 100_000 {
		bps := 1 + rng.Int64N(1<<rng.IntN(40))
		if err := r.SetRate(bps, now); err != nil {
			t.Fatal(err)
		}
		// Departures are rounded down, so besides the packet a fraction of a nanosecond
		// is unpaid, at the rate that the packet left with.
		gap := (1250*8*1e9 + was + bps - 1) / bps
		leaves := r.Next(n, now)
		if leaves > now+clock.Time(gap) {
			t.Fatalf("at %d to %d bit/s: the next leaves at %d, more than a gap of %d later", now, bps, leaves, gap)
		}
		if again := r.Next(n, now); again != leaves {
			t.Fatalf("asked twice, it leaves at %d and at %d", leaves, again)
		}
		if rng.IntN(3) > 0 { // else the rate changes again before it leaves
			if got := r.Depart(n, now); got != leaves {
				t.Fatalf("it leaves at %d and was to at %d", got, leaves)
			}
			now, was = leaves, bps
		}
		if leaves > now {
			now += clock.Time(rng.Int64N(int64(leaves-now) + 1))
		}
		if now > 1<<61 {
			s.say("the end of time is near: start again")
			now, *r = 0, pacer.Rate{BitsPerSecond: bps}
		}
	}
}

func TestRateKeepsFractionsThroughChanges(t *testing.T) {
	r := newRate(t, 3e9, pacer.Wire)
	s := &story{T: t, pacer: r}

	s.say("a byte at 3 Gbit/s takes 2 2/3 ns: the second is due at 2 2/3")
	s.at(0).send(1, 0, 2)

	s.say("the third is due at 5 1/3; at 5 a third of a ns, one bit, is unpaid: 2 ns at 500 Mbit/s")
	s.set(r, 500e6, 5)
	s.at(5).send(1, 7, 23)
}

func BenchmarkRate(b *testing.B) {
	r := newRate(b, 950e6, pacer.Wire)
	n := pacer.Size{Wire: 1538}
	b.Run("Depart", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Depart(n, 0)
		}
	})
	b.Run("Next+Depart", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			r.Depart(n, r.Next(n, 0))
		}
	})
	b.Run("SetRate+Next+Depart", func(b *testing.B) {
		b.ReportAllocs()
		now := clock.Time(0)
		for i := int64(0); b.Loop(); i++ {
			if err := r.SetRate(950e6+i&1, now); err != nil {
				b.Fatal(err)
			}
			now = r.Depart(n, r.Next(n, now))
		}
	})
}

func TestRateKeepsShortPacketsApart(t *testing.T) {
	// # 940 Mbit/s of payload on a line of 1 Gbit/s: a full packet is charged 12085 ns
	// # and takes 12080 on the line, a short one is charged 3676 and takes 4176
	r, err := pacer.NewRate(940_000_000, pacer.Payload)
	if err != nil {
		t.Fatal(err)
	}
	r.Line = 1e9
	full, short := pacer.Size{Wire: 1510, Payload: 1420}, pacer.Size{Wire: 522, Payload: 432}
	var departures []clock.Time
	for i := range 200 {
		size := full
		if i == 1 {
			size = short
		}
		departures = append(departures, r.Depart(size, 0))
	}
	// # the packet behind the short one waits for the line, not only for the rate
	if got, want := departures[2]-departures[1], clock.Time(4176); got != want {
		t.Errorf("behind the short packet there are %d ns, want %d", got, want)
	}
	// # and the 500 ns are made up for, 5 ns a packet: in the end the rate is right
	if got, want := departures[199], clock.Time((198*1420+432)*8*1000/940); got != want {
		t.Errorf("the last packet leaves at %d, want %d", got, want)
	}
}
