package nl

import (
	"context"
	"encoding/binary"
	"errors"
	"iter"
	"net/netip"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// childVariable says what the test binary shall be, if it is not to run tests: one of
// children.
const childVariable = "CALIPER_NL_CHILD"

func TestMain(m *testing.M) {
	if name := os.Getenv(childVariable); name != "" {
		os.Exit(runChild(name))
	}
	goleak.VerifyTestMain(m)
}

// wire is the device below the card. It takes everything that leaves, or nothing.
type wire struct {
	link.Bottom
	full    bool
	forget  bool // what left
	handler link.Handler
	left    []departure
}

// departure is a frame that left, and the number that its payload begins with.
type departure struct {
	at     clock.Time
	number uint64
}

func (w *wire) Info() link.Info       { return link.Info{Name: "wire", MTU: 1500, Address: make([]byte, 6)} }
func (w *wire) Attach(h link.Handler) { w.handler = h }
func (w *wire) Close() error          { return nil }

func (w *wire) Transmit(frames []*link.Frame) (int, error) {
	if w.full {
		return 0, link.ErrFull
	}
	for _, f := range frames {
		if w.forget {
			f.Free()
			continue
		}
		d := departure{at: f.Sent.Or(clock.Never)}
		if b := f.Bytes(); len(b) >= 50 {
			d.number = binary.LittleEndian.Uint64(b[42:]) // behind Ethernet, IPv4 and UDP
		}
		w.left = append(w.left, d)
		f.Free()
	}
	return len(frames), nil
}

func (w *wire) open() {
	w.full = false
	w.handler.Ready()
}

// host is above the card. A greedy one sends frames whenever there is room.
type host struct {
	card   *netfpga.Card
	greedy bool
	sent   int
}

func (h *host) Receive([]*link.Frame) {}

func (h *host) Ready() {
	for h.greedy {
		f := link.NewFrame(1514)
		if n, _ := h.card.Transmit([]*link.Frame{f}); n == 0 {
			f.Free()
			return
		}
		h.sent++
	}
}

// testCard is a card in virtual time and its server, in a network namespace of the test's own.
// The test's goroutine is the clock's.
type testCard struct {
	t      testing.TB
	clk    *clock.Virtual
	end    clock.Time // events behind it wait
	wire   wire
	host   host
	card   *netfpga.Card
	server *Server
}

func newCard(t testing.TB) *testCard {
	t.Helper()
	return newCardWith(t, nil)
}

func newCardWith(t testing.TB, config *netfpga.Config) *testCard {
	t.Helper()
	return newServed(t, config, nil)
}

func newServed(t testing.TB, config *netfpga.Config, serve *Config) *testCard {
	t.Helper()
	linktest.Namespace(t)
	r := &testCard{t: t, clk: clock.NewVirtual(), end: clock.Time(4 * time.Second)}
	var err error
	if r.card, err = netfpga.New(r.clk, &r.wire, config); err != nil {
		t.Fatal(err)
	}
	r.host.card = r.card
	r.card.Attach(&r.host)
	if r.server, err = Listen(r.clk, r.card, serve); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.server.Close(); err != nil {
			t.Error(err)
		}
		if err := r.server.Err(); err != nil {
			t.Error(err)
		}
		r.card.Close()
	})
	return r
}

// until runs the clock, and lets others run, until it is so. What takes minutes is not going
// to be.
func (r *testCard) until(so func() bool) {
	r.t.Helper()
	began := time.Now()
	for n := 1; !so(); n++ {
		if n%1024 == 0 && time.Since(began) > 2*time.Minute {
			r.t.Fatalf("it does not come to that; %+v", r.server.Stats())
		}
		if r.clk.Next() > r.end || !r.clk.Step() {
			runtime.Gosched()
		}
	}
}

// while runs the clock until f, on a goroutine of its own, has returned.
func (r *testCard) while(f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	var err error
	r.until(func() bool {
		select {
		case err = <-done:
			return true
		default:
			return false
		}
	})
	return err
}

// settle runs the clock until the server has got and done all that was sent to it.
func (r *testCard) settle() {
	r.t.Helper()
	c := r.dial()
	err := r.while(func() error {
		_, err := c.Mark(context.Background())
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	r.until(func() bool { p := r.server.peers[c.sock.port]; return p != nil })
	c.Close()
}

// stuck tells whether a stream of the usual window waits for its marks.
func (r *testCard) stuck() bool {
	s := r.server.Stats()
	return s.Marks == s.Hits+2
}

// crammed tells whether the card and the server are full.
func (r *testCard) crammed() bool {
	return r.server.Stats().Stalls > 0 && len(r.arrived().requests) >= maxWaiting
}

// arrived returns what waits to be taken to the clock's goroutine.
func (r *testCard) arrived() batch {
	r.server.mu.Lock()
	defer r.server.mu.Unlock()
	return r.server.arrived
}

func (r *testCard) dial() *Client {
	r.t.Helper()
	c, err := Dial(Address{})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// raw is a client's socket, for what a Client does not send.
func (r *testCard) raw() *socket {
	r.t.Helper()
	s, err := dial(Address{}.complete())
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { s.close() })
	return s
}

// answers returns the messages that have come for a socket.
func (r *testCard) answers(s *socket) (all []Header, refused []*Error) {
	b := make([]byte, answersLen)
	for {
		d, err := s.receive(b, false)
		if errors.Is(err, errTimeout) {
			return all, refused
		}
		if err != nil {
			r.t.Fatal(err)
		}
		h, body, _, err := Next(b[:d.n])
		if err != nil {
			r.t.Fatal(err)
		}
		if h.Type == noop {
			continue
		}
		all = append(all, h)
		if e, ok := ParseError(h.Flags, body); ok && h.Type == errorType {
			refused = append(refused, e)
		}
	}
}

// expect checks that packets 0 to n-1 have left, in order.
func (r *testCard) expect(n int) {
	r.t.Helper()
	if len(r.wire.left) != n {
		r.t.Errorf("%d packets left, want %d", len(r.wire.left), n)
	}
	for i, d := range r.wire.left {
		if d.number != uint64(i) {
			r.t.Fatalf("packet %d left as number %d", d.number, i)
		}
	}
}

// packets are n packets with a number in each, the first at a date, and the others a gap
// after the one before them.
func packets(n int, first clock.Time, gap time.Duration) iter.Seq[netfpga.Description] {
	return func(yield func(netfpga.Description) bool) {
		var data [8]byte
		d := netfpga.Description{
			Src: netip.MustParseAddrPort("10.0.0.1:4000"), Dst: netip.MustParseAddrPort("10.0.0.2:5201"),
			DstMAC:    [6]byte{2, 0, 0, 0, 0, 2},
			Departure: first, Absolute: true,
			Payload: 18, Data: data[:],
		}
		for i := range n {
			binary.LittleEndian.PutUint64(data[:], uint64(i))
			if !yield(d) {
				return
			}
			d.Departure, d.Absolute = clock.Time(gap), false
		}
	}
}

// mark sets a mark and waits for it.
func mark(c *Client) (seq uint32, err error) {
	if seq, err = c.Mark(context.Background()); err == nil {
		err = c.Wait(context.Background(), seq)
	}
	return seq, err
}

// list is what packets yields, each with data of its own.
func list(all iter.Seq[netfpga.Description]) (l []netfpga.Description) {
	for d := range all {
		d.Data = append([]byte(nil), d.Data...)
		l = append(l, d)
	}
	return l
}

// descriptors returns how many files this process has open.
func descriptors(t testing.TB) int {
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// setBuffer gives a socket the smallest receive buffer that the kernel has.
func setBuffer(t testing.TB, s *socket) {
	if err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 1); err != nil {
		t.Fatal(err)
	}
}
