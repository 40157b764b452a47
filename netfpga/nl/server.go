package nl

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// Bounds of what a server holds.
const (
	maxDatagram = 64 << 10 // bytes
	maxWaiting  = 1024     // messages, and those of one datagram more
	maxBytes    = 1 << 20  // that they came in
	maxPeers    = 256      // senders whose timing is kept
	maxMarks    = 256      // of a sender, about what the kernel's default buffer for the answers has room for

	// share is how many messages are served before the clock's other events get a turn:
	// so long a packet's departure may have to wait for the packets behind it.
	share = 16
)

// Config says where a Server serves, and whom. A nil Config stands for the first card's
// place, and for the user of this process.
type Config struct {
	Address

	// AllUsers lets every user of the machine send. Otherwise a sender must run as the
	// same user as the server, or as root: whoever may send can put any packet on the
	// wire.
	AllUsers bool

	// Original has the server do as the original's module where that differs on purpose;
	// see the package comment.
	Original bool
}

// Server serves a card to other processes. Its reading goroutine receives the messages,
// and all that they do is done on the clock's goroutine:
//
//	receive  reads a datagram, parses it, waits while too much waits for the clock
//	serve    takes the messages in their order, on the clock's goroutine, until the card is full
//	peer     what a sender's messages mean, and its marks (peer.go)
//
// An answer that a sender's buffer has no room for is tried again if it is a MARK_HIT,
// and lost and counted if it is an error.
type Server struct {
	clk      clock.Clock
	card     *netfpga.Card
	sock     *socket
	address  Address
	allUsers bool
	original bool
	epoch    int64 // the date, in ns since 1970, of the clock's time 0

	wake clock.Timer
	tend clock.Timer // looks after the peers
	quit chan struct{}
	done chan struct{}
	room chan struct{} // has a token if the clock took what had arrived

	// Of the clock's goroutine.
	work    batch
	next    int // of work, the message to be served
	peers   map[uint32]*peer
	out     []byte
	stats   Stats // what the reading goroutine does not count
	serving bool  // serve is running
	tending bool  // tend is set
	closed  bool

	// The reading goroutine shares these with the clock's.
	mu      sync.Mutex
	arrived batch
	read    Stats
	err     error
}

// Stats counts what a server did.
type Stats struct {
	Datagrams uint64
	Messages  uint64 // that were taken, the following among them
	Packets   uint64
	Marks     uint64
	Hits      uint64 // that senders were told
	Refused   uint64 // messages that were answered with an error
	Denied    uint64 // of these, those of users who may not send
	Lost      uint64 // answers that the sender had no room for
	Gone      uint64 // senders that were found dead with marks waiting
	Stalls    uint64 // how often a packet had to wait for room in the card
}

// batch is messages on their way to the clock's goroutine, and the data of their packets.
type batch struct {
	requests []request
	data     []byte
	bytes    int // of the datagrams that they came in
}

// request is a message that is as it must be.
type request struct {
	from uint32
	Header
	packet netfpga.Description
	start  time.Time
	delays []time.Duration
}

// Listen serves a card. The calling thread's network namespace is where the server is. It
// may be called from any goroutine, and is to be closed before the card: senders that wait
// for room in a closed one wait until then.
func Listen(clk clock.Clock, card *netfpga.Card, config *Config) (*Server, error) {
	if config == nil {
		config = &Config{}
	}
	a := config.complete()
	var sock *socket
	err := a.check()
	if err == nil {
		sock, err = listen(a)
	}
	if err != nil {
		return nil, fmt.Errorf("nl: serve at %v: %w", a, err)
	}
	s := &Server{
		clk: clk, card: card, sock: sock, address: a, allUsers: config.AllUsers, original: config.Original,
		epoch: clk.Wall(0).UnixNano(),
		quit:  make(chan struct{}), done: make(chan struct{}), room: make(chan struct{}, 1),
		peers: make(map[uint32]*peer),
	}
	s.wake = clk.AfterFunc(time.Duration(clock.Never), s.serve)
	s.tend = clk.AfterFunc(time.Duration(clock.Never), s.tendPeers)
	s.wake.Stop()
	s.tend.Stop()
	go s.receive()
	return s, nil
}

// Address returns where the server is.
func (s *Server) Address() Address { return s.address }

// receive runs on a goroutine of its own until the server is closed.
func (s *Server) receive() {
	defer close(s.done)
	b := make([]byte, maxDatagram)
	r := reader{original: s.original}
	for {
		d, err := s.sock.receive(b, true)
		select {
		case <-s.quit:
			return
		default:
		}
		if err != nil {
			s.fail(err)
			return
		}
		if d.from == 0 || d.from == s.sock.port {
			continue // the kernel, and ourselves
		}
		refused := r.read(b[:d.n], d, s.allUsers || ours(d.user))
		s.refuse(d.from, refused)
		if !s.put(&r.batch) {
			return
		}
	}
}

// refuse answers messages that are not for the clock's goroutine.
func (s *Server) refuse(to uint32, refused []refusal) {
	var lost, wrong, denied uint64
	for _, r := range refused {
		if r.err.Code != OK {
			wrong++
		}
		if r.err.Code == NotPermitted {
			denied++
		}
		if s.sock.send(AppendError(nil, r.Header, s.sock.port, r.err), to, false) != nil {
			lost++
		}
	}
	s.mu.Lock()
	s.read.Datagrams++
	s.read.Refused += wrong
	s.read.Denied += denied
	s.read.Lost += lost
	s.mu.Unlock()
}

// put hands a batch to the clock's goroutine. It waits while too much waits there, and
// reports false if the server was closed meanwhile.
func (s *Server) put(b *batch) bool {
	for {
		s.mu.Lock()
		waiting := len(s.arrived.requests)
		room := waiting < maxWaiting && s.arrived.bytes < maxBytes
		if room {
			s.arrived.add(b)
		}
		s.mu.Unlock()
		if room {
			if waiting == 0 && len(b.requests) > 0 {
				s.wake.Reset(0)
			}
			return true
		}
		select {
		case <-s.room:
		case <-s.quit:
			return false
		}
	}
}

// add puts a copy of other behind what there is.
func (b *batch) add(other *batch) {
	if len(other.requests) == 0 {
		return
	}
	b.bytes += other.bytes
	for i := range other.requests {
		r := other.requests[i]
		b.data = append(b.data, r.packet.Data...)
		n := len(b.data)
		r.packet.Data = b.data[n-len(r.packet.Data) : n : n]
		b.requests = append(b.requests, r)
	}
}

func (b *batch) clear() {
	clear(b.requests) // they hold lists
	b.requests, b.data, b.bytes = b.requests[:0], b.data[:0], 0
}

// serve does what the messages say, on the clock's goroutine, until there are no more, the
// card is full, or the share is used up.
func (s *Server) serve() {
	s.serving = true
	defer func() { s.serving = false }()
	for range share {
		if s.closed || s.next == len(s.work.requests) && !s.refill() {
			return
		}
		r := &s.work.requests[s.next]
		if !s.do(r) {
			return // resume is called when there is room
		}
		s.next++
	}
	s.wake.Reset(0)
}

// refill takes what has arrived, and reports whether there is anything.
func (s *Server) refill() bool {
	s.work.clear()
	s.next = 0
	s.mu.Lock()
	s.work, s.arrived = s.arrived, s.work
	s.mu.Unlock()
	select {
	case s.room <- struct{}{}:
	default:
	}
	return len(s.work.requests) > 0
}

// resume is told by the card that it has room again, and uses it at once: later others
// would have it. From within Inject, which goes on itself, there is nothing to do.
func (s *Server) resume() {
	if !s.serving {
		s.serve()
	}
}

// do does what a message says, and reports false if it must wait for room in the card.
func (s *Server) do(r *request) bool {
	p, err := s.peer(r.from)
	if err == nil {
		err = p.do(r)
	}
	if errors.Is(err, errFull) {
		s.stats.Stalls++
		return false
	}
	switch {
	case err != nil:
		s.stats.Refused++
		s.answer(r, asError(err))
	default:
		s.stats.Messages++
		if r.Flags&Ack != 0 {
			s.answer(r, &Error{})
		}
	}
	return true
}

// answer answers a message with an NLMSG_ERROR.
func (s *Server) answer(r *request, e *Error) {
	s.out = AppendError(s.out[:0], r.Header, s.sock.port, e)
	if s.sock.send(s.out, r.from, false) != nil {
		s.stats.Lost++
	}
}

func (s *Server) fail(err error) {
	s.mu.Lock()
	s.err = err
	s.mu.Unlock()
}

// Stats returns the counters. It is called on the clock's goroutine.
func (s *Server) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := s.stats
	all.Datagrams = s.read.Datagrams
	all.Refused += s.read.Refused
	all.Denied = s.read.Denied
	all.Lost += s.read.Lost
	return all
}

// Err returns why the server reads no more, or nil. It may be called from any goroutine.
func (s *Server) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return fmt.Errorf("nl: serve at %v: %w", s.address, s.err)
}

// Close ends the server, on the clock's goroutine. What arrived and was not injected yet is
// dropped, and all marks are forgotten. The card stays open. A second Close does nothing.
func (s *Server) Close() error {
	if s.closed {
		return nil
	}
	s.closed = true
	close(s.quit)
	for ended := false; !ended; {
		// The reading goroutine may wait for a datagram: here is one. If there is no
		// room for it, there are others to read.
		s.out = Append(s.out[:0], Header{Type: noop}, nil)
		_ = s.sock.send(s.out, s.sock.port, false)
		select {
		case <-s.done:
			ended = true
		case <-time.After(time.Millisecond):
		}
	}
	for _, p := range s.peers {
		p.forget()
	}
	s.wake.Stop()
	s.tend.Stop()
	if err := s.sock.close(); err != nil {
		return fmt.Errorf("nl: serve at %v: close: %w", s.address, err)
	}
	return nil
}
