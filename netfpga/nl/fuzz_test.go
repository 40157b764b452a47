package nl

import (
	"bytes"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer/clock"
)

// What AppendPacket writes, ParsePacket reads.
func FuzzPacket(f *testing.F) {
	f.Add(uint32(0x0a000001), uint32(0x0a000002), uint16(1), uint16(2), []byte("0123456789ab"), int64(13560), true, uint16(1470), []byte("head"), uint8(1))
	f.Add(uint32(0), uint32(1<<32-1), uint16(0), uint16(1<<16-1), []byte{}, int64(1<<63-1), false, uint16(0), []byte{}, uint8(15))
	f.Fuzz(func(t *testing.T, src, dst uint32, sport, dport uint16, macs []byte, departure int64, absolute bool, payload uint16, data []byte, port uint8) {
		want := netfpga.Description{
			Src: netip.AddrPortFrom(ipAddr(src), sport), Dst: netip.AddrPortFrom(ipAddr(dst), dport),
			Departure: clock.Time(departure), Absolute: absolute,
			Payload: int(payload), Data: data, Port: int(port),
		}
		copy(want.SrcMAC[:], macs)
		copy(want.DstMAC[:], macs[min(6, len(macs)):])
		h := Header{Flags: Request, Seq: 9, Port: 8}
		b, err := AppendPacket(nil, h, &want)
		if err != nil {
			if departure >= 0 && len(data) <= int(payload) && payload <= maxPayload && port < maxPorts {
				t.Fatal(err)
			}
			return
		}
		want.Data = bytes.Clone(want.Data)
		for _, layout := range layouts {
			h, body, rest, err := Next(layout(b))
			if err != nil || len(rest) != 0 || h.Seq != 9 || h.Port != 8 || h.Type != Packet {
				t.Fatalf("header %+v, rest %x, %v", h, rest, err)
			}
			var got netfpga.Description
			if err := ParsePacket(h, body, &got); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got.Data, want.Data) {
				t.Errorf("data %x, want %x", got.Data, want.Data)
			}
			got.Data = want.Data
			if !reflect.DeepEqual(got, want) {
				t.Errorf("%+v, want %+v", got, want)
			}
		}
	})
}

// layouts are the ways in which the PKT message of AppendPacket may be laid out: as it is on
// x86-64 and on i386, and each with the padding counted to it (NLMSG_SPACE).
var layouts = []func([]byte) []byte{
	func(b []byte) []byte { return b },
	onI386,
	padded,
	func(b []byte) []byte { return padded(onI386(b)) },
}

// onI386 takes the padding out of a PKT message.
func onI386(b []byte) []byte {
	h, body, _, _ := Next(b)
	return Append(nil, h, slices.Concat(body[:fieldsLen], body[descriptionLen:]))
}

func padded(b []byte) []byte {
	b = bytes.Clone(b)
	native.PutUint32(b, uint32(len(b)))
	return b
}

// Whatever a datagram is, a reader takes what can be written again as it was, and refuses
// no more than it should.
func FuzzReader(f *testing.F) {
	p := describe(10, "head")
	b, _ := AppendPacket(nil, Header{Seq: 1, Flags: Ack}, &p)
	b = Append(b, Header{Type: Mark, Seq: 2}, nil)
	b = AppendSimStart(b, Header{Seq: 3}, time.Unix(1, 2))
	b = AppendDelays(b, Header{Seq: 4}, []time.Duration{1, 2, 3})
	f.Add(b)
	f.Add(b[:len(b)-1])
	f.Add(b[4:])
	b, _ = AppendPacket(nil, Header{}, &p)
	f.Add(Append(onI386(b), Header{Type: SimStart}, []byte{1, 0, 0, 0, 2, 0, 0, 0}))
	for _, payload := range []int{1473, 2000, 2001} {
		p := describe(payload, "head")
		b, _ = AppendPacket(nil, Header{}, &p)
		f.Add(b)
	}
	f.Add(bytes.Repeat([]byte{16, 0, 0, 0}, 40))
	f.Add([]byte{})
	f.Fuzz(func(t *testing.T, b []byte) {
		fuzzReader(t, b, false)
		fuzzReader(t, b, true)
	})
}

func fuzzReader(t *testing.T, b []byte, original bool) {
	r := reader{original: original}
	refused := r.read(b, datagram{from: 1}, true)
	if len(refused) > maxRefused || len(r.batch.requests) > len(b)/headerLen {
		t.Fatalf("%d refused and %d taken, of %d bytes", len(refused), len(r.batch.requests), len(b))
	}
	for _, e := range refused {
		answer := AppendError(nil, e.Header, 1, e.err)
		h, body, rest, err := Next(answer)
		if err != nil || len(rest) != 0 {
			t.Fatalf("answer %x: %v", answer, err)
		}
		if got, ok := ParseError(h.Flags, body); !ok || got.Code != e.err.Code || got.Type != e.Type || got.Seq != e.Seq {
			t.Fatalf("answer %v, want %v", got, e.err)
		}
	}
	var again []byte
	for i := range r.batch.requests {
		again = rewrite(t, again, &r.batch.requests[i])
	}
	second := reader{original: original}
	if refused := second.read(again, datagram{from: 1}, true); len(refused) != 0 {
		t.Fatalf("%x is refused: %v", again, refused[0].err)
	}
	if !reflect.DeepEqual(second.batch.requests, r.batch.requests) {
		t.Errorf("%+v, want %+v", second.batch.requests, r.batch.requests)
	}
}

// rewrite writes a request as a message again.
func rewrite(t *testing.T, b []byte, q *request) []byte {
	h := q.Header
	switch h.Type {
	case Packet:
		b, err := AppendPacket(b, h, &q.packet)
		if err != nil {
			t.Fatal(err)
		}
		return b
	case SimStart:
		return AppendSimStart(b, h, q.start)
	case Delays:
		return AppendDelays(b, h, q.delays)
	}
	return Append(b, h, nil)
}

// Whatever an error's body is, it is read or not, and its text can be printed.
func FuzzParseError(f *testing.F) {
	b := AppendError(nil, Header{Type: Packet, Seq: 1}, 0, &Error{Code: Invalid, Text: "what is wrong"})
	f.Add(uint16(capped|attributes), b[headerLen:])
	f.Add(uint16(capped|attributes), append(bytes.Clone(b[headerLen:headerLen+errorLen]), 0, 0, 1, 0, 255, 255, 1, 0))
	f.Fuzz(func(t *testing.T, flags uint16, body []byte) {
		e, ok := ParseError(flags, body)
		if ok && (printable([]byte(e.Text)) != e.Text || len(e.Text) > len(body)) {
			t.Errorf("text %q", e.Text)
		}
	})
}
