package hold_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// model is a Hold without a line and classes, done as simply as it can be: time goes from
// one departure of any flow to the next.
type model struct {
	now   clock.Time
	flows [flowCount]modelFlow
	left  map[int]departure // by number of frame
}

type modelFlow struct {
	queue []modelFrame
	rate  *pacer.Rate
	ended bool
	at    clock.Time // of the head
}

type modelFrame struct {
	seq   int
	size  pacer.Size
	ready clock.Time
}

func (m *model) send(flow, seq int, size pacer.Size) {
	fl := &m.flows[flow]
	fl.queue = append(fl.queue, modelFrame{seq, size, m.now})
	if len(fl.queue) == 1 {
		fl.ask()
	}
	m.run(m.now)
}

func (fl *modelFlow) ask() {
	if len(fl.queue) == 0 {
		return
	}
	head := fl.queue[0]
	fl.at = head.ready
	if fl.rate != nil {
		fl.at = fl.rate.Next(head.size, head.ready)
	}
}

// set replaces a flow's pacer.
func (m *model) set(flow int, r *pacer.Rate) {
	m.flows[flow].rate, m.flows[flow].ended = r, false
	m.again(flow)
}

func (m *model) again(flow int) {
	fl := &m.flows[flow]
	if fl.ask(); fl.rate != nil && len(fl.queue) > 0 && fl.at < m.now {
		fl.at = fl.rate.Next(fl.queue[0].size, m.now)
	}
	m.run(m.now)
}

func (m *model) forget(flow int) {
	fl := &m.flows[flow]
	if fl.ended = true; len(fl.queue) == 0 {
		*fl = modelFlow{}
	}
}

func (m *model) run(until clock.Time) {
	for {
		first := -1
		for i := range m.flows {
			if fl := &m.flows[i]; len(fl.queue) > 0 && fl.at <= until && (first < 0 || fl.at < m.flows[first].at) {
				first = i
			}
		}
		if first < 0 {
			m.now = until
			return
		}
		fl := &m.flows[first]
		head := fl.queue[0]
		fl.queue = fl.queue[1:]
		m.now = max(m.now, fl.at)
		if fl.rate != nil {
			fl.rate.Depart(head.size, fl.at)
		}
		m.left[head.seq] = departure{flow: uint16(first), seq: head.seq, paced: fl.rate != nil, depart: fl.at, when: m.now}
		if fl.ask(); len(fl.queue) == 0 && fl.ended {
			*fl = modelFlow{}
		}
	}
}

const flowCount = 6

// steps is a script of what is done to a Hold, three bytes a step.
type steps []byte

func (s *steps) next() (op, flow, arg int, ok bool) {
	if len(*s) < 3 {
		return 0, 0, 0, false
	}
	op, flow, arg = int((*s)[0]), int((*s)[1])%flowCount, int((*s)[2])
	*s = (*s)[3:]
	return op, flow, arg, true
}

func addScripts(f *testing.F) {
	f.Add([]byte{0, 1, 100, 6, 1, 3, 0, 1, 9, 0, 1, 9, 5, 1, 200, 4, 0, 9, 8, 1, 0, 7, 1, 0})
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		script := make([]byte, 3*400)
		for i := range script {
			script[i] = byte(rng.Uint32())
		}
		f.Add(script)
	}
}

func sizeOf(n int) pacer.Size {
	return pacer.Size{Wire: link.WireBytes(n), IP: n - 14, Payload: n - 54}
}

// Each frame leaves at the time of the model, to the nanosecond.
func FuzzHoldIsTheModel(f *testing.F) {
	addScripts(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		r := newRig(t, link.Info{MTU: 1500}, nil)
		m := &model{left: make(map[int]departure)}
		for s := steps(script); ; {
			op, flow, arg, ok := s.next()
			if !ok {
				break
			}
			key, bps := flowOf(uint16(flow)), int64(arg+1)*1e6
			switch op % 9 {
			case 0, 1, 2, 3:
				n := 60 + 5*arg
				m.send(flow, r.sent, sizeOf(n))
				r.send(uint16(flow), n)
			case 4:
				r.run(time.Duration(arg) * 4321)
				m.run(r.clk.Now())
			case 5:
				if m.flows[flow].rate == nil {
					continue
				}
				r.Do(pacer.Command{Op: pacer.ChangeRate, Flow: key, Policy: policy(bps)})
				m.flows[flow].rate.SetRate(bps, m.now)
				m.again(flow)
			case 6:
				r.Do(pacer.Pace(key, rate(bps)))
				m.set(flow, rate(bps))
			case 7:
				r.Do(pacer.Pace(key, nil))
				m.set(flow, nil)
			case 8:
				r.Do(pacer.Command{Op: pacer.Forget, Flow: key})
				m.forget(flow)
			}
			if frames := r.Do(pacer.Command{Flow: key}).Frames; frames != int64(len(m.flows[flow].queue)) {
				t.Fatalf("%d frames of flow %d wait, want %d", frames, flow, len(m.flows[flow].queue))
			}
		}
		r.run(time.Minute)
		m.run(r.clk.Now())
		if len(r.log.left) != r.sent || len(m.left) != r.sent {
			t.Fatalf("%d frames of %d have left, and %d of the model's", len(r.log.left), r.sent, len(m.left))
		}
		for _, d := range r.log.left {
			want := m.left[d.seq]
			if d.flow != want.flow || d.paced != want.paced || d.depart != want.depart || d.when != want.when {
				t.Fatalf("%+v, want %+v", d, want)
			}
		}
	})
}

// Whatever classes and rates there are and however they change: no frame is lost, comes
// before another of its flow, leaves before its time, or while the line is taken.
func FuzzHoldKeepsItsRules(f *testing.F) {
	addScripts(f)
	f.Fuzz(func(t *testing.T, script []byte) {
		config := &hold.Config{FlowBytes: 20_000, Bytes: 60_000, Idle: time.Millisecond}
		if len(script) > 0 && script[0]&1 != 0 {
			config.Flows = 3
		}
		info := gig
		if len(script) > 0 && script[0]&2 != 0 {
			info.Paces, info.Tick, info.Lead = true, 8, 30*time.Microsecond
		}
		r := newRig(t, info, config)
		dropped := 0
		for s := steps(script); ; {
			op, flow, arg, ok := s.next()
			if !ok {
				break
			}
			key, bps := flowOf(uint16(flow)), int64(arg+1)*2e6
			switch op % 12 {
			case 0, 1, 2, 3, 4:
				r.send(uint16(flow), 60+5*arg)
			case 5, 6:
				r.run(time.Duration(arg) * 1234)
			case 7:
				r.Do(pacer.Pace(key, rate(bps)))
			case 8:
				r.Do(pacer.Command{Op: pacer.Forget, Flow: key})
			case 9:
				classes := []hold.Class{
					{Name: "a", Rule: from(0, uint16(flow)), Policy: policy(bps), Weight: 1 + arg%7},
					{Name: "b", Rule: from(uint16(arg%flowCount), 9), Rate: bps, Unit: pacer.Unit(arg % 3)},
				}
				if err := r.SetClasses(classes[:1+arg%2], hold.Class{}); err != nil {
					t.Fatal(err)
				}
			case 10:
				r.SetRate([]string{"", "a", "b", "default"}[arg%4], bps*int64(flow%2))
			case 11:
				stamped := link.NewFrame(100)
				stamped.Flow, stamped.Paced, stamped.Depart = flowOf(99), true, r.clk.Now()+clock.Time(arg*100)
				stamped.Size.Wire, stamped.Cookie = link.WireBytes(100), r.sent
				r.sent++
				r.Transmit([]*link.Frame{stamped})
			}
		}
		dropped = int(r.Counters().Sent.Drops.Total())
		r.run(time.Minute)
		if len(r.log.left)+dropped != r.sent || r.Waiting() != 0 || int(r.Counters().Sent.Frames) != len(r.log.left) {
			t.Fatalf("%d sent, %d have left, %d dropped, %d wait", r.sent, len(r.log.left), dropped, r.Waiting())
		}
		last := make(map[uint16]int)
		var free clock.Time
		for _, d := range r.log.left {
			if before, ok := last[d.flow]; ok && before > d.seq && d.flow != 99 {
				t.Fatalf("%+v left behind frame %d", d, before)
			}
			last[d.flow] = d.seq
			if d.paced && d.when.Add(info.Lead) < d.depart || !info.Paces && d.when < d.sched {
				t.Fatalf("%+v was handed on too early", d)
			}
			if d.sched < d.depart || d.sched < free {
				t.Fatalf("%+v is scheduled too early: the line is free at %d", d, free)
			}
			free = d.sched.Add(link.WireTime(d.wire, info.Speed))
		}
	})
}
