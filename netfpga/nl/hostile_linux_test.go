package nl

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"reflect"
	"runtime"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link/linktest"
	"github.com/netcaliper/caliper/netfpga"
)

// Whatever is wrong with a datagram, it is answered and changes nothing.
func TestHostile(t *testing.T) {
	r := newCard(t)
	s := r.raw()
	p := describe(100, "abcdefgh")
	packet, err := AppendPacket(nil, Header{Seq: 5}, &p)
	if err != nil {
		t.Fatal(err)
	}
	edit := func(at int, value ...byte) []byte {
		b := bytes.Clone(packet)
		copy(b[at:], value)
		return b
	}
	minus := []byte{255, 255, 255, 255}
	bad := [][]byte{
		[]byte("x"), make([]byte, 16), packet[:15], packet[:16], packet[:40], packet[:len(packet)-1],
		edit(0, minus...), edit(0, 0, 0, 0, 0), edit(0, 15),
		edit(headerLen+24, append(minus, minus...)...),
		edit(headerLen+36, minus...), edit(headerLen+40, minus...), edit(headerLen+40, 200),
		edit(4, byte(SimStart)), edit(4, byte(MarkHit)), edit(4, 99), edit(4, 255, 255),
		Append(nil, Header{Type: Delays}, make([]byte, 7)),
		Append(nil, Header{Type: Mark}, make([]byte, maxDatagram)),
	}
	before := r.card.Counters()
	for i, b := range bad {
		if err := s.send(b, DefaultPort, true); err != nil {
			t.Fatal(err)
		}
		r.settle()
		if all, refused := r.answers(s); len(refused) != 1 || len(all) != 1 || refused[0].Code == OK {
			t.Errorf("bad message %d (%x) is answered with %v, %v", i, b[:min(len(b), 80)], all, refused)
		}
	}
	if after := r.card.Counters(); !reflect.DeepEqual(after, before) || len(r.wire.left) != 0 {
		t.Errorf("the card did something: %+v, before %+v", after, before)
	}
	if p := r.server.peers[s.port]; p != nil {
		t.Errorf("the server knows the sender: %+v", p)
	}
	if got := r.server.Stats(); got.Refused != uint64(len(bad)) || got.Packets != 0 {
		t.Errorf("%+v, want %d refused", got, len(bad))
	}
	// It may become better.
	if err := s.send(packet, DefaultPort, true); err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return len(r.wire.left) == 1 })
}

// Noise of all lengths stops neither the server nor others.
func TestNoise(t *testing.T) {
	r := newCard(t)
	s := r.raw()
	c := r.dial()
	defer c.Close()
	rnd := rand.New(rand.NewPCG(1, 2))
	const n = 3000
	err := r.while(func() error {
		for i, d := range list(packets(n, 0, 8)) {
			b := make([]byte, 1+rnd.IntN(200))
			for j := range b {
				b[j] = byte(rnd.Uint32())
			}
			if len(b) > 8 && i%2 == 0 { // let it look like a message
				native.PutUint32(b, uint32(len(b)))
				native.PutUint16(b[4:], uint16(minType)+2+uint16(rnd.IntN(9)))
			}
			if err := s.send(b, DefaultPort, true); err != nil {
				return err
			}
			if err := c.Send(background, []netfpga.Description{d}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.until(func() bool { return len(r.wire.left) == n })
	r.expect(n)
	if st := r.server.Stats(); st.Refused == 0 || st.Lost == 0 {
		t.Errorf("%+v", st)
	}
}

// However much a sender has to say, the server keeps only so much of it.
func TestBoundedMemory(t *testing.T) {
	r := newCard(t)
	s := r.raw()
	long := Append(nil, Header{Type: Delays}, make([]byte, 8000*delayLen))
	ctx, cancel := context.WithCancel(background)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := s.send(long, DefaultPort, true); err != nil && !errors.Is(err, errTimeout) {
				t.Error(err)
				return
			}
		}
	}()
	other := r.raw()
	// Nothing runs on the clock, and so nobody takes what arrives.
	for r.arrived().bytes < maxBytes || !errors.Is(other.send(long, DefaultPort, false), errTimeout) {
		runtime.Gosched()
	}
	if n := r.arrived().bytes; n >= maxBytes+maxDatagram {
		t.Errorf("%d bytes wait, want %d and no more than a datagram above", n, maxBytes)
	}
	cancel()
	<-done
	r.until(func() bool { return r.server.peers[s.port] != nil && len(r.server.peers[s.port].delays) == 8000 })
}

// Another user cannot send, unless that is wanted.
func TestOtherUser(t *testing.T) {
	if unix.Geteuid() != 0 {
		linktest.Skip(t, "becoming another user: run the test as root")
	}
	r := newCard(t)
	s := r.raw()
	mark := Append(nil, Header{Type: Mark, Seq: 7}, nil)
	asNobody(t, func() error { return s.send(mark, DefaultPort, true) })
	r.until(func() bool { return r.server.Stats().Refused == 1 })
	if _, refused := r.answers(s); len(refused) != 1 || refused[0].Code != NotPermitted || refused[0].Seq != 7 {
		t.Errorf("answered with %v", refused)
	}
	second, err := Listen(r.clk, r.card, &Config{Address: Address{Port: 77}, AllUsers: true})
	if err != nil {
		t.Fatal(err)
	}
	defer second.Close()
	asNobody(t, func() error { return s.send(mark, 77, true) })
	r.until(func() bool { return second.Stats().Hits == 1 })

	// A client learns it before it sends anything.
	c := r.dial()
	defer c.Close()
	asNobody(t, func() error {
		var e *Error
		if err := c.Send(background, list(packets(1, 0, 0))); !errors.As(err, &e) || e.Code != NotPermitted {
			t.Errorf("%v", err)
		}
		return nil
	})
	r.until(func() bool { return r.server.Stats().Denied == 2 }) // which is counted behind the answer
	if st := r.server.Stats(); st.Refused != 2 || st.Messages != 0 {
		t.Errorf("%+v", st)
	}
}

// Another user who has taken the port id is told nothing, and is not believed.
func TestOtherUserServes(t *testing.T) {
	if unix.Geteuid() != 0 {
		linktest.Skip(t, "becoming another user: run the test as root")
	}
	linktest.Namespace(t)
	impostor, err := open(Address{}.complete(), DefaultPort)
	if err != nil {
		t.Fatal(err)
	}
	defer impostor.close()
	limit := unix.NsecToTimeval(int64(20 * time.Second))
	if err := unix.SetsockoptTimeval(impostor.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		t.Fatal(err)
	}
	c, err := Dial(Address{})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	told := make(chan error, 1)
	go func() { told <- c.Send(background, list(packets(1, 0, 0))) }()
	b := make([]byte, answersLen)
	asNobody(t, func() error {
		for {
			d, err := impostor.receive(b, true)
			if err != nil {
				return err
			}
			h, _, _, err := Next(b[:d.n])
			if err != nil || h.Type != noop {
				t.Errorf("it was told %v, %v", h.Type, err)
			}
			if err == nil && h.Flags&Ack != 0 {
				return impostor.send(AppendError(nil, h, DefaultPort, &Error{}), d.from, true)
			}
		}
	})
	if err := <-told; err == nil || !strings.Contains(err.Error(), "user 65534 has that port id") {
		t.Errorf("%v", err)
	}
	if d, err := impostor.receive(b, false); !errors.Is(err, errTimeout) {
		t.Errorf("it was told %x, %v", b[:d.n], err)
	}
}

// asNobody runs f as the user nobody.
func asNobody(t *testing.T, f func() error) {
	done := make(chan error, 1)
	go func() {
		runtime.LockOSThread() // the thread ends with the goroutine
		const nobody = 65534
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, nobody, nobody, nobody); errno != 0 {
			done <- errno
			return
		}
		done <- f()
	}()
	err := <-done
	if errors.Is(err, unix.EINVAL) {
		linktest.Skip(t, "becoming another user: this user namespace has none: run the test as root")
	}
	if err != nil {
		t.Fatal(err)
	}
}
