package linktest

import (
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link"
)

// counts is whether a device counts what it sends. One that only looks on counts nothing.
func counts(c *link.Counters) bool {
	return c.Sent != (link.Stats{}) || c.Waiting != 0
}

// account tests what the device has counted: each frame that it was given has been handed on,
// was dropped, or waits. It may be looked at at any time.
func (r *run) account(t *testing.T) {
	t.Helper()
	c := r.Device.Counters()
	if r.lied { // said once
		return
	}
	lie := func(format string, args ...any) {
		t.Helper()
		r.lied = true
		t.Errorf("%s: "+format+", having taken %d\nCounters: %+v", append(append([]any{c.Kind}, args...), r.memory.lent, c)...)
	}
	out := c.Sent.Frames + c.Sent.Drops.Total()
	switch {
	case !counts(&c) && (r.Bottom == nil && r.memory.lent > 0):
		lie("it is the last of its chain, and counts nothing")
	case !counts(&c) && r.Bottom != nil && len(r.Left()) != r.memory.lent:
		lie("it counts nothing, and does not only look on: %d frames have left", len(r.Left()))
	case counts(&c) && c.Kind == "":
		lie("it counts, and is of no kind")
	case counts(&c) && int(out)+c.Waiting != r.memory.lent || c.Waiting < 0:
		lie("%d frames sent, %d dropped, %d waiting", c.Sent.Frames, c.Sent.Drops.Total(), c.Waiting)
	case c.Sent.Frames < r.before.Sent.Frames || c.Received.Frames < r.before.Received.Frames:
		lie("frames are fewer than before, %d and %d", r.before.Sent.Frames, r.before.Received.Frames)
	}
	for why := range c.Sent.Drops {
		if c.Sent.Drops[why] < r.before.Sent.Drops[why] || c.Received.Drops[why] < r.before.Received.Drops[why] {
			lie("fewer frames are dropped as %v than before", link.Cause(why))
		}
	}
	r.more(&c, lie)
	r.before = c
	handed := r.memory.lent // to the first that counts, and so on
	for _, d := range r.devices() {
		c := d.Counters()
		if !counts(&c) {
			continue
		}
		if out := int(c.Sent.Frames+c.Sent.Drops.Total()) + c.Waiting; out != handed && !r.lied {
			lie("the %s below has %d frames, of %d that were handed to it", c.Kind, out, handed)
		}
		handed = int(c.Sent.Frames)
	}
}

// more tests what the device counts beside.
func (r *run) more(c *link.Counters, lie func(string, ...any)) {
	seen := make(map[string]bool)
	for _, m := range c.More {
		switch {
		case strings.Trim(m.Name, "abcdefghijklmnopqrstuvwxyz0123456789_") != "" || m.Name == "":
			lie("%q is no counter's name", m.Name)
		case seen[m.Name]:
			lie("two counters are called %s", m.Name)
		case !m.Level && m.Value < r.before.Get(m.Name):
			lie("%s goes down, from %d", m.Name, r.before.Get(m.Name))
		}
		seen[m.Name] = true
	}
}

// settled tests what the device has counted when all frames have left that were sent.
func (r *run) settled(t *testing.T, sent [][]byte) {
	t.Helper()
	r.account(t)
	c := r.Device.Counters()
	var bytes uint64
	for _, b := range sent {
		bytes += uint64(len(b))
	}
	if want := (link.Stats{Frames: uint64(len(sent)), Bytes: bytes}); counts(&c) && c.Sent != want || c.Waiting != 0 {
		t.Errorf("%d frames of %d bytes have left, and Counters are %+v", len(sent), bytes, c)
	}
	r.memory.check(t)
}

// longest is more devices than a chain has.
const longest = 100

// devices returns the chain, or the beginning of one that is too long.
func (r *run) devices() (all []link.Device) {
	for d := range link.Chain(r.Device) {
		if all = append(all, d); len(all) == longest {
			break
		}
	}
	return all
}

// chain tests that the devices below are those that are there.
func (r *run) chain(t *testing.T) {
	t.Helper()
	all := r.devices()
	last := all[len(all)-1]
	switch {
	case len(all) == longest:
		t.Error("Below leads in a circle")
	case r.Bottom != nil && last != r.Bottom:
		t.Errorf("the last device of the chain, by Below, is %T, and not the one that it was put above", last)
	case r.Bottom == nil && len(all) > 1:
		t.Errorf("Below is %T, and nothing is there", all[1])
	}
}
