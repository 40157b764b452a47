package iperf3

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"net"
	"sync"
	"time"
)

// A stream is one flow of data. Its task counts what passes; everything else here is the
// test's own, in the task that reads the control connection.
type stream struct {
	id      int // in the protocol: 1, 3, 4, 5 ...
	socket  int // in reports: 5, 7, 9 ...; iperf3 prints its file descriptors
	sends   bool
	conn    dataConn
	reader  io.Reader // nil if a server's datagrams come by the socket of all streams
	paced   bool      // the Host spaces the frames, and holds the writer back
	departs Departures
	opening Outgoing  // what had left before the test began
	drained time.Time // when the wait for the rest of it was over, if there was one
	wait    func()    // for the task; nil if there is none

	mu      sync.Mutex
	total   counts
	arrival arrival
	err     error // why the task ended, if it did before it was told to

	base, last counts      // at the end of the omitted time; of the last interval, in the end of the test
	info       TCPInfo     // of a sending TCP connection, at the end of the last interval
	knows      bool        // the Host knows info
	left       int64       // segments that had left by the end of the last interval
	baseResent int64       // segments sent again by the end of the omitted time
	peaks      SenderPeaks // over the intervals
	rttSum     int64       // us, for the mean
	rttSamples int64
}

// A dataConn is what a stream sends by. A net.Conn is one.
type dataConn interface {
	Write(p []byte) (int, error)
	SetWriteDeadline(t time.Time) error
	LocalAddr() net.Addr
	RemoteAddr() net.Addr
	Close() error
}

// newStream returns the stream that was opened as the index'th, from 0.
func newStream(index int, sends bool, conn dataConn, reader io.Reader) *stream {
	id := index + 2
	if index == 0 {
		id = 1 // iperf3 never gives 2
	}
	return &stream{id: id, socket: 5 + 2*index, sends: sends, conn: conn, reader: reader}
}

// counts is what has passed a stream. Packets are UDP's: those sent, or the highest
// number received.
type counts struct {
	bytes, packets  int64
	lost, disorders int64
	jitter          float64 // seconds, RFC 1889
}

// since returns what has passed since b was counted.
func (c counts) since(b counts) counts {
	c.bytes -= b.bytes
	c.packets -= b.packets
	c.lost -= b.lost
	c.disorders -= b.disorders
	return c
}

// arrival is what jitter is computed from.
type arrival struct {
	transit time.Duration // of the last datagram, on two clocks that need not agree
	known   bool
}

// count adds what was sent or received.
func (s *stream) count(bytes int, packets int64) {
	s.mu.Lock()
	s.total.bytes += int64(bytes)
	s.total.packets += packets
	s.mu.Unlock()
}

// snapshot returns what has passed so far.
func (s *stream) snapshot() counts {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}

// reset begins the count anew, when the omitted time is over. What was omitted stays in
// total, as the protocol wants it.
func (s *stream) reset(total counts) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total.jitter, s.arrival.known, total.jitter = 0, false, 0
	s.base, s.last = total, total
	s.baseResent, s.peaks, s.rttSum, s.rttSamples = s.info.Retransmits, SenderPeaks{}, 0, 0
}

// fail notes why the task ended.
func (s *stream) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *stream) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// join returns when the task has ended.
func (s *stream) join() {
	if s.wait != nil {
		s.wait()
		s.wait = nil
	}
}

// putHead writes the head of a datagram: a time stamp, since any moment, in seconds and
// microseconds, and a number of 32 or 64 bits.
func putHead(b []byte, stamp time.Duration, number int64, wide bool) {
	binary.BigEndian.PutUint32(b[0:], uint32(stamp/time.Second))
	binary.BigEndian.PutUint32(b[4:], uint32(stamp%time.Second/time.Microsecond))
	if wide {
		binary.BigEndian.PutUint64(b[8:], uint64(number))
	} else {
		binary.BigEndian.PutUint32(b[8:], uint32(number))
	}
}

// maxNumber is how many bits of a datagram's number count: the sum over all streams is no
// overflow.
const maxNumber = 54

// receive counts a datagram that came at the given time since any moment. What is shorter
// than iperf3's shortest is none: it is a hello, sent twice.
func (s *stream) receive(b []byte, at time.Duration, wide bool) {
	if len(b) < minUDPBlock {
		return
	}
	sent := time.Duration(binary.BigEndian.Uint32(b[0:]))*time.Second +
		time.Duration(binary.BigEndian.Uint32(b[4:]))*time.Microsecond

	s.mu.Lock()
	defer s.mu.Unlock()
	c := &s.total
	var n int64
	if wide {
		n = int64(binary.BigEndian.Uint64(b[8:]) & (1<<maxNumber - 1))
	} else {
		// Of the numbers with these low bits the one nearest to the last, so that 2^32
		// packets are no end.
		n = c.packets + int64(int32(binary.BigEndian.Uint32(b[8:])-uint32(c.packets)))
	}
	c.bytes += int64(len(b))
	if n > c.packets {
		c.lost += n - c.packets - 1
		c.packets = n
	} else {
		// It was counted as lost when a later one came before it.
		c.disorders++
		c.lost = max(0, c.lost-1)
	}
	transit := at - sent
	if s.arrival.known {
		d := (transit - s.arrival.transit).Abs()
		c.jitter += (d.Seconds() - c.jitter) / 16
	}
	s.arrival = arrival{transit, true}
}

// payload returns a block of n bytes to send: noise, the same in every run, or digits, or
// zeros.
func payload(n int, digits, zeros bool) []byte {
	b := make([]byte, n)
	if zeros {
		return b
	}
	if digits {
		for i := range b {
			b[i] = '0' + byte(i%10)
		}
		return b
	}
	rand.NewChaCha8([32]byte{}).Read(b)
	return b
}
