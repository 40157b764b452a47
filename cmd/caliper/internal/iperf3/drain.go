package iperf3

import (
	"errors"
	"os"
	"time"
)

// How long the end of a test waits for what was written and has not left, or is not
// acknowledged: as long as it goes on, but without an end that time has set no longer than
// a server is patient.
const (
	glance    = 100 * time.Millisecond // between looks at whether it goes on
	drainTime = 20 * time.Second
)

// drain waits until what s has written has left and, over TCP, the peer has it: or else
// the peer would hear of the end before it has the data, and what was counted as sent
// would never have left. What does not go on counts as lost.
func (t *test) drain(s *stream) {
	c, remote := pacedConn(s.conn), s.conn.RemoteAddr()
	begun := t.host.Now()
	var last Outgoing
	moved := begun
	for !t.cutShort() {
		err := t.host.Drain(c, remote, t.host.Now().Add(glance))
		now := t.host.Now()
		if now.After(begun) { // there was something to wait for
			s.drained = now
		}
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return
		}
		if o, _ := t.host.Outgoing(c, remote); o != last {
			last, moved = o, now
		}
		if now.Sub(moved) > t.stall() || t.stopping.Load() && now.Sub(begun) > drainTime {
			return
		}
	}
}

// stall is how long it takes to see that nothing goes on: longer than a slow rate takes
// for a packet.
func (t *test) stall() time.Duration {
	if r := t.params.rate(); r > 0 {
		packet := float64(min(t.params.Length, maxUDPBlock)) * 8 / float64(r)
		return grace + time.Duration(min(packet, maxTime.Seconds())*2*float64(time.Second))
	}
	return grace
}

// passed returns what has passed s so far. Of what is sent that is what has left, where the
// Host knows.
func (t *test) passed(s *stream) counts {
	c := s.snapshot()
	if !s.sends {
		return c
	}
	if o, ok := t.host.Outgoing(pacedConn(s.conn), s.conn.RemoteAddr()); ok {
		c.bytes = o.Bytes - s.opening.Bytes
		if t.params.UDP {
			c.packets = o.Packets - s.opening.Packets
		}
	}
	return c
}

// pacedConn returns the connection by which the Host knows a dataConn.
func pacedConn(c dataConn) any {
	if p, ok := c.(peer); ok {
		return p.PacketConn
	}
	return c
}
