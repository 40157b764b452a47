package hold

import (
	"errors"
	"net"
	"slices"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer/clock"
)

// pump hands on what is near enough and sets the timer for the rest. What is sent from
// within, by somebody who hears of a departure, waits for its turn.
func (h *Hold) pump() {
	if h.pumping {
		return
	}
	h.pumping = true
	defer func() { h.pumping = false }()
	now := h.clk.Now()
	for !h.full && !h.closed {
		h.soon = false
		var c choice
		h.wake = h.next(&c, now)
		switch {
		case h.wake <= now:
			if h.take(&c, now) {
				h.plan(&c, now)
			}
			if len(h.batch) < h.most {
				continue
			}
		case len(h.batch) == 0:
			h.timer.ResetAt(h.wake)
			return
		}
		h.flush(now)
		now = h.clk.Now()
	}
}

// plan says when a frame has its place on the wire, and puts it in the batch.
func (h *Hold) plan(c *choice, now clock.Time) {
	f := c.frame
	// What was due while the device had no room is late by the device: neither the plan of
	// the wire nor the time at which it was offered is any later for it.
	begin, offered := max(c.start, now), now
	if near := h.near(c); 0 <= near && near < h.room {
		begin, offered = c.start, near
	}
	if since, ok := h.refused.Get(); ok {
		f.Full, h.refused = now.Sub(since), clock.Optional{}
	}
	f.Sched, f.Enqueued = clock.At(c.start), clock.At(offered)
	f.Reserved = h.config.Reserve && f.Paced
	c.size, c.free = f.Len(), h.free
	h.free = h.tick(begin).Add(link.WireTime(f.Size.Wire, h.info.Speed))
	h.batch, h.frames = append(h.batch, *c), append(h.frames, f)
}

// flush hands on the batch.
func (h *Hold) flush(now clock.Time) {
	n, err := h.below.Transmit(h.frames)
	for i := range h.batch[:n] {
		h.count(&h.batch[i])
	}
	if rest := h.batch[n:]; len(rest) > 0 {
		h.free = rest[0].free
		switch {
		case h.closed || errors.Is(err, net.ErrClosed):
			for i := range rest {
				h.drop(rest[i].frame, rest[i].class, link.Closed)
			}
		case errors.Is(err, link.ErrFull):
			h.full = true
			h.refused = clock.At(now.Add(-rest[0].frame.Full))
			h.putBack(rest)
		default:
			h.drop(rest[0].frame, rest[0].class, link.LinkError)
			h.putBack(rest[1:])
		}
	}
	clear(h.batch)
	clear(h.frames)
	h.batch, h.frames = h.batch[:0], h.frames[:0]
}

// putBack puts frames that the device below has not taken where they are next. They have been
// charged for.
func (h *Hold) putBack(rest []choice) {
	for i := range rest {
		h.keep(rest[i].frame)
	}
	h.stuck = slices.Insert(h.stuck, 0, rest...)
}
