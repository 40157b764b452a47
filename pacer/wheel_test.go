package pacer

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/pacer/clock"
)

func TestWheelOrder(t *testing.T) {
	w := &twins{T: t}

	w.say("a wheel without anything: nothing is due, ever")
	w.drain(0, "")
	if next := w.wheel.Next(); next != clock.Never {
		t.Fatalf("next is %v", next)
	}

	w.say("five things, by time and of equal times in the order of their coming")
	w.add(700, 30, 700, 5_000_000_000, 30)
	w.drain(29, "")
	w.drain(699, "2@0.000000030s 5@0.000000030s")
	w.drain(700, "1@0.000000700s 3@0.000000700s")

	w.say("what is due in the past is due now, behind what is due now already")
	w.add(1000, 3, -8, 1000)
	w.drain(999, "7@0.000000700s 8@0.000000700s")
	w.drain(1000, "6@0.000001000s 9@0.000001000s")

	w.say("time does not go back: at an earlier now nothing is due, and the present stays")
	w.add(0)
	w.drain(999, "")
	w.drain(1000, "10@0.000001000s")

	w.say("the present is the time of what was taken, not the time at which")
	w.add(1100)
	w.take(2000)
	w.add(1050, 1200)
	w.drain(2000, "12@0.000001100s 13@0.000001200s")
	w.drain(5_000_000_000, "4@5.000000000s")
}

func TestWheelOrderAcrossLevels(t *testing.T) {
	w := &twins{T: t}
	const due = 40_000_000_000

	w.say("eighteen things for one time, added when it is ever nearer: in all levels there are")
	var levels [wheelLevels]bool
	var want []string
	for i := range clock.Time(18) {
		w.take(due - due>>(2*i))
		w.add(due)
		for l, level := range w.wheel.levels {
			levels[l] = levels[l] || level != nil
		}
		want = append(want, fmt.Sprintf("%d@%v", i+1, clock.Time(due)))
	}
	if levels != [wheelLevels]bool{true, true, true, true} {
		t.Fatalf("levels in use: %v, want the lowest four", levels)
	}

	w.say("they come out in the order in which they were added")
	w.drain(due-1, "")
	w.drain(due, strings.Join(want, " "))
}

func TestWheelEndOfTime(t *testing.T) {
	w := &twins{T: t}

	w.say("one thing for each power of two, the last second, and three for the end of time")
	for i := range 63 {
		w.add(1 << i)
	}
	w.add(clock.Never, clock.Never-1, clock.Never-1_000_000_000, clock.Never, clock.Never)
	w.check()
	for i := range clock.Time(63) {
		w.drain(1<<i-1, "")
		w.drain(1<<i, fmt.Sprintf("%d@%v", i+1, clock.Time(1)<<i))
	}

	w.say("all times but the last come")
	w.drain(clock.Never-1, "66@9223372035.854775807s 65@9223372036.854775806s")

	w.say("what is never due is taken by who asks for all")
	w.drain(clock.Never, "64@never 67@never 68@never")

	w.say("to take all there is does not end a wheel in which everything had its time")
	w = &twins{T: t}
	w.add(5, 9)
	w.drain(clock.Never, "1@0.000000005s 2@0.000000009s")
	w.add(7, 10)
	w.drain(10, "3@0.000000009s 4@0.000000010s")
}

func TestWheelRemove(t *testing.T) {
	w := &twins{T: t}

	w.say("of seven things for one time the first, the last and the middle one are removed")
	w.add(300, 300, 300, 300, 300, 300, 300)
	for _, name := range []int{1, 7, 4} {
		w.remove(name)
		w.check()
	}
	w.say("nothing can be removed twice")
	w.remove(4)
	w.say("nor what was taken, though its place is used again")
	w.drain(300, "2@0.000000300s 3@0.000000300s 5@0.000000300s 6@0.000000300s")
	w.add(400, 100_000, 50_000_000)
	for name := range 7 {
		w.remove(name + 1)
	}
	w.say("the first of all is removed, then what is far away")
	w.remove(8)
	w.check()
	w.remove(10)
	w.drain(clock.Never, "9@0.000100000s")

	w.say("the zero handle is never valid")
	if v, ok := w.wheel.Remove(0); ok {
		t.Errorf("removed %d", v)
	}
	if v, ok := new(Wheel[int]).Remove(1<<32 | 1); ok {
		t.Errorf("removed %d from a wheel that never had anything", v)
	}
}

// A timer that is set to Next reaches what is due after at most one wake-up a level.
func TestWheelNextConverges(t *testing.T) {
	for _, ahead := range []clock.Time{3000, 7_000_000, 20_000_000_000, 40_000_000_000_000, 1<<62 + 5} {
		w := &twins{T: t}
		w.say(fmt.Sprintf("a hundred things in a row, %v ahead", ahead))
		for i := range clock.Time(100) {
			w.add(ahead + i)
		}
		wakes := 0
		for ; !w.take(w.wheel.Next()); wakes++ {
			w.check()
		}
		t.Logf("%d wake-ups in vain", wakes)
		if wakes > wheelLevels-1 || w.sorted.present != ahead {
			t.Errorf("%d wake-ups in vain, the present is %v", wakes, w.sorted.present)
		}
	}
}

// The first of many flows sends and is put back, again and again. Times are multiples of
// 64 ns, so that many are equal.
func TestWheelKeepsOrderInSteadyState(t *testing.T) {
	for _, flows := range []int{10, 3000, 50_000} {
		w := &twins{T: t}
		rng := rand.New(rand.NewPCG(1, 2))
		gap := func() clock.Time { return clock.Time(rng.IntN(flows*600)) &^ 63 }
		for range flows {
			w.add(gap())
		}
		for range 300_000 {
			now := w.sorted.next() + clock.Time(rng.IntN(200)) - 100
			if w.take(now) {
				w.add(w.sorted.present + gap())
			}
		}
		w.check()
		for w.take(clock.Never) {
		}
		w.check()
	}
}

// Departures go on steadily, and before every tenth it is asked which ones come next.
func TestWheelKnowsWhatIsSoonDue(t *testing.T) {
	for _, flows := range []int{10, 1000, 100_000} {
		w := &twins{T: t}
		rng := rand.New(rand.NewPCG(1, 2))
		gap := func() clock.Time { return clock.Time(flows*500 + rng.IntN(flows*1000)) }
		for range flows {
			w.add(gap())
		}
		const rounds = 30_000
		var soon [10]int
		told := 0
		for i := range rounds {
			if i%len(soon) == 0 {
				w.wheel.Soon(soon[:])
			}
			if slices.Contains(soon[:], w.sorted.heap[0].seq) {
				told++
			}
			w.take(clock.Never)
			w.add(w.sorted.present + gap())
		}
		t.Logf("# %d flows: %d of %d departures were told of before", flows, told, rounds)
		if told < rounds*8/10 {
			t.Errorf("%d flows: %d of %d departures were told of before", flows, told, rounds)
		}
	}
}

func TestWheelDoesNotAllocate(t *testing.T) {
	var w Wheel[int]
	rng := rand.New(rand.NewPCG(1, 2))
	for i := range 10_000 {
		w.Add(clock.Time(rng.IntN(20_000_000)), i)
	}
	step := func() {
		v, at, _ := w.Take(clock.Never)
		h := w.Add(at+clock.Time(rng.IntN(20_000_000)), v)
		if v%2 == 0 {
			w.Remove(h)
			w.Add(w.Next()+clock.Time(rng.IntN(20_000_000)), v)
		}
	}
	for range 100_000 {
		step()
	}
	if n := testing.AllocsPerRun(100_000, step); n != 0 {
		t.Errorf("%v allocations a step", n)
	}
}

func TestWheelGivesMemoryBack(t *testing.T) {
	w := &twins{T: t}
	burst := func(n int) {
		for range n {
			w.add(w.sorted.present + 1000)
		}
		for w.take(w.sorted.present + 1000) {
		}
		w.check()
	}
	size := func() int { return cap(w.wheel.nodes) }

	w.say("ten thousand things at once, and then few for less than a second: the room is kept")
	burst(10_000)
	large := size()
	w.take(900_000_000)
	burst(100)
	if size() != large {
		t.Errorf("room for %d, want %d", size(), large)
	}
	w.say("as many again: it is used, so it is kept for another second")
	burst(9_000)
	w.take(1_800_000_000)
	burst(100)
	if size() != large {
		t.Errorf("room for %d, want %d", size(), large)
	}
	w.say("few things for more than a second: it is given back")
	w.take(2_000_000_000)
	burst(100)
	if size() != 0 {
		t.Errorf("room for %d, want none", size())
	}
	w.say("and a handle from before is not valid")
	w.remove(1)
	w.say("a small one is kept for good")
	for range 10 {
		burst(20)
		w.take(w.sorted.present + 2_000_000_000)
	}
	if size() == 0 {
		t.Error("it was given back")
	}
}

// FuzzWheel does to a wheel and a heap what the script says, four bytes a step: what to
// do, and two numbers of one and two bytes for it.
func FuzzWheel(f *testing.F) {
	f.Add([]byte("\x00\x2f\x00\x05\x01\x00\x00\x00\x02\x00\x00\xff\x07\x2f\x00\xff\x05\x00\x00\x01"))
	f.Add([]byte("\x0d\x18\x00\x30\x07\x18\x00\x00\x0d\x24\x00\x30\x08\x00\x00\x00\x03\x00\x00\x01"))
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		script := make([]byte, 4*400)
		near := rng.IntN(63)
		for i := range script {
			script[i] = byte(rng.Uint32())
			if i%4 == 1 {
				script[i] = byte(near + rng.IntN(64-near))
			}
		}
		f.Add(script)
	}
	f.Fuzz(func(t *testing.T, script []byte) {
		w := &twins{T: t}
		last := clock.Time(0)
		for step := 0; len(script) >= 4; script, step = script[4:], step+1 {
			a, b := script[1], clock.Time(script[2])<<8|clock.Time(script[3])
			// ahead is between the present and the end of time, the nearer the larger a is.
			ahead := later(w.sorted.present, uint64(b)<<47>>(a%64))
			switch script[0] % 9 {
			case 0:
				last = ahead
				w.add(last)
			case 1:
				w.add(last)
			case 2:
				w.add(w.sorted.present - b)
			case 3:
				w.add(clock.Never - b%3)
			case 4: // many close together
				for i := range uint64(b % 64) {
					w.add(later(ahead, i*uint64(script[0])<<49>>(a%64)))
				}
			case 5:
				if len(w.things) > 0 {
					w.remove(1 + int(b)%len(w.things))
				}
			case 6:
				if len(w.sorted.heap) > 0 {
					w.remove(w.sorted.heap[int(b)%len(w.sorted.heap)].seq)
				}
			case 7:
				for range b % 64 {
					w.take(ahead)
				}
			case 8:
				w.take(w.wheel.Next())
			}
			w.peek()
			w.soon()
			if step%100 == 0 {
				w.check()
			}
		}
		w.check()
		for w.take(clock.Never) {
		}
		if n := slices.IndexFunc(w.things, func(e *queued) bool { return e.index >= 0 }); n >= 0 {
			t.Errorf("%d was lost", n+1)
		}
	})
}
