package nl

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// How many bytes a client puts into a datagram, unless a single message has more: of a
// server, 255 packets without data; of a module of the kernel, which need not look for a
// second message, one message.
const (
	maxBurst = 16 << 10
	aloneLen = 1
)

// busyFor is how long a client waits before it sets a mark again.
const busyFor = time.Millisecond

// answersLen is more than the longest answer has.
const answersLen = 1024

// Client sends packets through the card that a server serves. It is not safe for
// concurrent use.
//
// A call that has to wait, for room in the card or for an answer, ends with its context,
// within a tenth of a second. What the server refuses is learned only after it was sent:
// the call that comes upon the answer does what it was asked to and then returns the
// *Error, which names the message. Unlike other errors it ends nothing.
//
// Nothing is sent before the server has told that it runs as the same user as the client, or
// as root: anybody may take a port id. What comes from another user is an error.
type Client struct {
	sock    *socket
	server  Address
	met     bool // the server is one to be trusted
	most    int  // bytes in a datagram
	seq     uint32
	out, in []byte
	marks   map[uint32]markState // that were set and not hit
	refused *Error               // the first that was not returned yet

	started bool  // by Start, with a date of the caller's
	origin  int64 // else the date that the server counts from, ns since 1970
	dated   bool  // it was told
}

// markState is what became of a mark.
type markState uint8

const (
	markSet    markState = iota
	markWanted           // it was refused, as there was another in the buffer
)

// Window says how much a Client.Stream lets wait in the driver: so many bursts of so many
// packets. The zero Window is that of the original generator.
type Window struct {
	Burst  int // packets between two marks; 0 stands for 100
	Bursts int // of which the oldest mark must be hit before the next burst; 0 stands for 2
}

// Dial returns a client of the server at an address. The calling thread's network
// namespace is where it looks for it.
func Dial(a Address) (*Client, error) {
	a = a.complete()
	var sock *socket
	err := a.check()
	if err == nil {
		sock, err = dial(a)
	}
	if err != nil {
		return nil, fmt.Errorf("nl: reach %v: %w", a, err)
	}
	c := &Client{
		sock: sock, server: a, most: maxBurst,
		in:    make([]byte, answersLen),
		marks: make(map[uint32]markState),
	}
	if c.kernel() {
		c.most, c.met = aloneLen, true
	} else if err := c.knock(); err != nil {
		sock.close()
		return nil, err
	}
	return c, nil
}

// kernel tells whether the server is a module of the kernel.
func (c *Client) kernel() bool { return c.server.Port == 0 }

// knock returns an error if there is no server.
func (c *Client) knock() error {
	b := Append(nil, Header{Type: noop, Port: c.sock.port}, nil)
	if err := c.sock.send(b, c.server.Port, false); err != nil && !errors.Is(err, errTimeout) {
		return c.wrap(err)
	}
	return nil
}

// meet asks whether the server is there, and waits for the answer, which tells whose it is.
func (c *Client) meet(ctx context.Context) error {
	h := Header{Type: noop, Flags: Request | Ack, Port: c.sock.port}
	for asked := false; !c.met; {
		if ctx.Err() != nil {
			return fmt.Errorf("nl: wait for an answer of %v: %w", c.server, context.Cause(ctx))
		}
		if !asked {
			err := c.sock.send(Append(nil, h, nil), c.server.Port, true)
			if err != nil && !errors.Is(err, errTimeout) {
				return c.wrap(err)
			}
			asked = err == nil
			continue
		}
		switch err := c.receive(true); {
		case err == nil:
		case !errors.Is(err, errTimeout):
			return c.wrap(err)
		default:
			if err := c.knock(); err != nil {
				return err
			}
		}
		if err := c.takeRefused(); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) wrap(err error) error {
	if errors.Is(err, errGone) {
		return fmt.Errorf("nl: reach %v: %w: no card is served there: start one, in this network namespace", c.server, err)
	}
	return fmt.Errorf("nl: reach %v: %w", c.server, err)
}

// Send sends packets, as many in a datagram as it holds, and returns when the server's
// socket has them. Absolute departures are dates in ns since 1970, or count from Start's.
// Without Start the server is told a date that they count from before the first of them, as
// the original's module knows no dates. A packet that the message has no room for is an
// error, and the packets before it have been sent.
func (c *Client) Send(ctx context.Context, packets []netfpga.Description) error {
	for i := range packets {
		if err := c.add(ctx, &packets[i]); err != nil {
			return errors.Join(err, c.flush(ctx))
		}
	}
	return c.finish(ctx)
}

// Stream sends packets for as long as there are any, with no more of them waiting in the
// driver than the window allows, and returns when all have been copied to the card, or at
// the first error. It uses a packet's Data only until the next is asked for.
func (c *Client) Stream(ctx context.Context, w Window, packets iter.Seq[netfpga.Description]) error {
	if w.Burst <= 0 {
		w.Burst = 100
	}
	if w.Bursts <= 0 {
		w.Bursts = 2
	}
	var marks []uint32 // the oldest first
	n := 0             // packets since the last
	for d := range packets {
		if err := c.add(ctx, &d); err != nil {
			return errors.Join(err, c.flush(ctx))
		}
		if n++; n < w.Burst {
			continue
		}
		n = 0
		seq, err := c.Mark(ctx)
		if err != nil {
			return err
		}
		marks = append(marks, seq)
		if len(marks) == w.Bursts {
			if err := c.Wait(ctx, marks[0]); err != nil {
				return err
			}
			marks = append(marks[:0], marks[1:]...)
		}
	}
	if n > 0 {
		seq, err := c.Mark(ctx)
		if err != nil {
			return err
		}
		marks = append(marks, seq)
	}
	for _, seq := range marks {
		if err := c.Wait(ctx, seq); err != nil {
			return err
		}
	}
	return nil
}

// Mark sets a mark behind the packets sent so far, and returns its number.
func (c *Client) Mark(ctx context.Context) (seq uint32, err error) {
	h := c.header(Mark)
	if err := c.message(ctx, Append(c.out, h, nil)); err != nil {
		return 0, err
	}
	c.marks[h.Seq] = markSet
	return h.Seq, c.finish(ctx)
}

// markAgain sets a mark that was refused, as the transmit buffer had another, behind all
// packets sent so far. It waits a little before.
func (c *Client) markAgain(ctx context.Context, seq uint32) error {
	select {
	case <-ctx.Done():
		return nil // Wait says it
	case <-time.After(busyFor):
	}
	c.marks[seq] = markSet
	h := Header{Type: Mark, Flags: Request, Seq: seq, Port: c.sock.port}
	if err := c.message(ctx, Append(c.out, h, nil)); err != nil {
		return err
	}
	return c.flush(ctx)
}

// Wait returns when a mark was hit: the packets sent before it have been copied to the
// card. It returns at once if there is no such mark, or if it was waited for before.
func (c *Client) Wait(ctx context.Context, seq uint32) error {
	for {
		if err := c.takeRefused(); err != nil {
			return err
		}
		state, waits := c.marks[seq]
		if !waits {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("nl: wait for %v to copy the packets: %w", c.server, context.Cause(ctx))
		}
		if state == markWanted {
			if err := c.markAgain(ctx, seq); err != nil {
				return err
			}
		}
		switch err := c.receive(true); {
		case err == nil:
		case !errors.Is(err, errTimeout):
			return c.wrap(err)
		case !c.kernel():
			if err := c.knock(); err != nil {
				return err
			}
		}
	}
}

// Start says what date absolute departures count from, in packets sent afterwards.
func (c *Client) Start(ctx context.Context, date time.Time) error {
	c.started = true
	if err := c.message(ctx, AppendSimStart(c.out, c.header(SimStart), date)); err != nil {
		return err
	}
	return c.finish(ctx)
}

// Delays gives the server a list of gaps, which it adds in turn to those of the relative
// packets sent afterwards. An empty list ends that.
func (c *Client) Delays(ctx context.Context, gaps []time.Duration) error {
	if most := (maxBurst - headerLen) / delayLen; len(gaps) > most {
		return fmt.Errorf("nl: a list of %d delays: a message has room for %d", len(gaps), most)
	}
	if err := c.message(ctx, AppendDelays(c.out, c.header(Delays), gaps)); err != nil {
		return err
	}
	return c.finish(ctx)
}

func (c *Client) header(t Type) Header {
	c.seq++
	return Header{Type: t, Flags: Request, Seq: c.seq, Port: c.sock.port}
}

// add puts a packet with what is to be sent.
func (c *Client) add(ctx context.Context, d *netfpga.Description) error {
	if d.Absolute && !c.started && d.Departure >= 0 {
		date := int64(d.Departure)
		if !c.dated || date < c.origin {
			c.origin, c.dated = min(date, time.Now().UnixNano()), true
			if err := c.message(ctx, AppendSimStart(c.out, c.header(SimStart), time.Unix(0, c.origin))); err != nil {
				return err
			}
		}
		counted := *d
		counted.Departure = clock.Time(date - c.origin)
		d = &counted
	}
	b, err := AppendPacket(c.out, c.header(Packet), d)
	if err != nil {
		return err
	}
	return c.message(ctx, b)
}

// message takes what is to be sent, with one message more, and sends what was there
// before it if they are too long together.
func (c *Client) message(ctx context.Context, b []byte) error {
	before := len(c.out)
	if before > 0 && len(b) > c.most {
		if err := c.flush(ctx); err != nil {
			return err
		}
		b = append(b[:0], b[before:]...)
	}
	c.out = b
	return nil
}

// flush sends what is to be sent. It waits for the server to read, if it must.
func (c *Client) flush(ctx context.Context) error {
	if len(c.out) == 0 {
		return nil
	}
	if err := c.meet(ctx); err != nil {
		return err
	}
	b := c.out
	c.out = c.out[:0]
	for {
		if ctx.Err() != nil {
			return fmt.Errorf("nl: wait for room in %v: %w", c.server, context.Cause(ctx))
		}
		err := c.sock.send(b, c.server.Port, true)
		if err == nil {
			return nil
		}
		if !errors.Is(err, errTimeout) {
			return c.wrap(err)
		}
	}
}

// finish sends what is to be sent, and returns what the server refused until now.
func (c *Client) finish(ctx context.Context) error {
	if err := c.flush(ctx); err != nil {
		return err
	}
	for {
		err := c.receive(false)
		if errors.Is(err, errTimeout) {
			return c.takeRefused()
		}
		if err != nil {
			return c.wrap(err)
		}
	}
}

// receive reads a datagram with answers.
func (c *Client) receive(wait bool) error {
	d, err := c.sock.receive(c.in, wait)
	if err != nil {
		return err
	}
	if d.from != c.server.Port {
		return nil // whoever that is, we did not ask
	}
	if !c.kernel() && !ours(d.user) {
		return fmt.Errorf("user %d has that port id, who is neither root nor you: serve the card at another", d.user)
	}
	for b := c.in[:d.n]; len(b) > 0; {
		h, body, rest, err := Next(b)
		if err != nil {
			return nil
		}
		b = rest
		switch h.Type {
		case MarkHit:
			delete(c.marks, h.Seq)
		case errorType:
			switch e, ok := ParseError(h.Flags, body); {
			case ok && e.Code != OK:
				c.refuse(e)
			case ok && e.Type == noop:
				c.met = true
			}
		}
	}
	return nil
}

// refuse notes that the server refused a message.
func (c *Client) refuse(e *Error) {
	if _, waits := c.marks[e.Seq]; waits && e.Type == Mark {
		if e.Code == Busy {
			c.marks[e.Seq] = markWanted
			return
		}
		delete(c.marks, e.Seq)
	}
	if c.refused == nil {
		c.refused = e
	}
}

// takeRefused returns what the server refused, once.
func (c *Client) takeRefused() error {
	if c.refused == nil {
		return nil
	}
	e := c.refused
	c.refused = nil
	return e
}

// Close closes the socket. The packets that were sent still leave.
func (c *Client) Close() error {
	if err := c.sock.close(); err != nil {
		return fmt.Errorf("nl: close: %w", err)
	}
	return nil
}
