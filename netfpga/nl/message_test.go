package nl

import (
	"bytes"
	"encoding/hex"
	"errors"
	"net/netip"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/netcaliper/caliper/netfpga"
)

// unhex reads bytes as a little-endian host has them, and skips the test on others.
func unhex(t *testing.T, s string) []byte {
	t.Helper()
	if native.Uint16([]byte{1, 0}) != 1 {
		t.Skip("the table is of a little-endian host")
	}
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func describe(payload int, data string) netfpga.Description {
	return netfpga.Description{
		Src:    netip.MustParseAddrPort("10.0.0.1:4000"),
		Dst:    netip.MustParseAddrPort("10.0.0.2:5201"),
		SrcMAC: [6]byte{2, 0, 0, 0, 0, 1}, DstMAC: [6]byte{2, 0, 0, 0, 0, 2},
		Departure: 13560, Payload: payload, Data: []byte(data),
	}
}

// The packet's bytes are those that gcc on x86-64 lays out for struct pkt_descr: offsets
// 0 4 8 10 12 18 24 32 36 40, size 48.
func TestBytes(t *testing.T) {
	packet := describe(1470, "abcde")
	packet.Absolute, packet.Departure, packet.Port = true, 0x0102030405060708, 3
	for _, c := range []struct {
		name string
		make func(Header) []byte
		want string
	}{
		{"packet", func(h Header) []byte {
			b, err := AppendPacket(nil, h, &packet)
			if err != nil {
				t.Fatal(err)
			}
			return b
		}, `45000000 1100 0130 07000000 d2040000
			0100000a 0200000a a00f 5114 020000000001 020000000002
			0807060504030201 01000000 be050000 05000000 00000000
			6162636465 000000`},
		{"mark", func(h Header) []byte { h.Type = Mark; return Append(nil, h, nil) },
			"10000000 1300 0100 07000000 d2040000"},
		{"mark hit", func(h Header) []byte { h.Type = MarkHit; return Append(nil, h, nil) },
			"10000000 1400 0100 07000000 d2040000"},
		{"start", func(h Header) []byte { return AppendSimStart(nil, h, time.Unix(0x5f00, 999999999)) },
			"20000000 1200 0100 07000000 d2040000 005f000000000000 ffc99a3b00000000"},
		{"delays", func(h Header) []byte { return AppendDelays(nil, h, []time.Duration{13560, 1 << 40}) },
			"20000000 1000 0100 07000000 d2040000 f834000000000000 0000000000010000"},
		{"no delays", func(h Header) []byte { return AppendDelays(nil, h, nil) },
			"10000000 1000 0100 07000000 d2040000"},
		{"error", func(h Header) []byte {
			h.Type = Packet
			return AppendError(nil, h, 5, &Error{Code: Invalid, Text: "no good"})
		}, `30000000 0200 0003 07000000 05000000
			eaffffff 10000000 1100 0100 07000000 d2040000
			0c00 0100 6e6f20676f6f64 00`},
		{"all is well", func(h Header) []byte { h.Type = Mark; return AppendError(nil, h, 5, &Error{}) },
			"24000000 0200 0001 07000000 05000000 00000000 10000000 1300 0100 07000000 d2040000"},
	} {
		got := c.make(Header{Flags: Request, Seq: 7, Port: 1234})
		if want := unhex(t, c.want); !bytes.Equal(got, want) {
			t.Errorf("%s:\n%x, want\n%x", c.name, got, want)
		}
	}
}

// Messages follow each other in a datagram, each at a multiple of four bytes.
func TestSeveralMessages(t *testing.T) {
	p := describe(3, "abc")
	b := Append(nil, Header{Type: Mark, Seq: 1}, nil)
	b, _ = AppendPacket(b, Header{Seq: 2}, &p)
	b = Append(b, Header{Type: 99, Seq: 3}, []byte("xy"))
	b = Append(b, Header{Type: Mark, Seq: 4}, nil)
	var seqs []uint32
	for len(b) > 0 {
		h, _, rest, err := Next(b)
		if err != nil {
			t.Fatal(err)
		}
		seqs = append(seqs, h.Seq)
		b = rest
	}
	if !reflect.DeepEqual(seqs, []uint32{1, 2, 3, 4}) {
		t.Errorf("messages %v", seqs)
	}
	// The last one may lack its padding.
	b = Append(nil, Header{Type: 99}, []byte("x"))
	if _, body, rest, err := Next(b[:17]); err != nil || string(body) != "x" || len(rest) != 0 {
		t.Errorf("body %q, rest %x, %v", body, rest, err)
	}
}

func TestNextRefuses(t *testing.T) {
	good := Append(nil, Header{Type: Mark, Seq: 5}, []byte("four"))
	for name, b := range map[string][]byte{
		"nothing":       {},
		"half a header": good[:15],
		"cut":           good[:19],
		"length 0":      append(make([]byte, 4), good[4:]...),
		"length 15":     native.AppendUint32(nil, 15),
		"length -1":     append(native.AppendUint32(nil, 1<<32-1), good[4:]...),
	} {
		_, _, rest, err := Next(b)
		var e *Error
		if !errors.As(err, &e) || e.Code != Invalid || len(rest) != 0 {
			t.Errorf("%s: rest %x, %v", name, rest, err)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	p := describe(100, "abcdefgh")
	msg, err := AppendPacket(nil, Header{}, &p)
	if err != nil {
		t.Fatal(err)
	}
	good := msg[headerLen:]
	with := func(at int, value ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], value)
		return b
	}
	minus := []byte{255, 255, 255, 255}
	for name, b := range map[string][]byte{
		"nothing":                    {},
		"cut":                        good[:43],
		"cut in the custom bytes":    good[:fieldsLen+7],
		"custom negative, no data":   append(bytes.Clone(good[:40]), append(minus, 0, 0, 0)...),
		"departure of 64 bits":       with(24, 255, 255, 255, 255, 255, 255, 255, 255),
		"payload negative":           with(36, minus...),
		"payload of 2 GB":            with(36, native.AppendUint32(nil, 1<<31-1)...),
		"custom negative":            with(40, minus...),
		"custom past the end":        with(40, native.AppendUint32(nil, 13)...),
		"custom longer than payload": with(36, native.AppendUint32(nil, 7)...),
	} {
		d := describe(1, "x")
		before := d
		var e *Error
		if err := ParsePacket(Header{}, b, &d); !errors.As(err, &e) || e.Code != Invalid {
			t.Errorf("%s: %v", name, err)
		}
		if !reflect.DeepEqual(d, before) {
			t.Errorf("%s: it was read as %+v", name, d)
		}
	}
	date := func(s, ns uint64) []byte { return native.AppendUint64(native.AppendUint64(nil, s), ns) }
	for name, b := range map[string][]byte{
		"cut":               make([]byte, 15),
		"seconds negative":  date(1<<64-1, 0),
		"beyond 63 bits":    date(uint64(maxSeconds)+1, 0),
		"ns negative":       date(0, 1<<64-1),
		"ns beyond seconds": date(0, 1e9),
	} {
		if d, err := ParseSimStart(b); err == nil {
			t.Errorf("start, %s: %v", name, d)
		}
	}
	for name, b := range map[string][]byte{"cut": make([]byte, 12), "64 bits": date(5, 1<<63)} {
		if d, err := ParseDelays(b); err == nil {
			t.Errorf("delays, %s: %v", name, d)
		}
	}
}

func TestAppendPacketRefuses(t *testing.T) {
	for name, change := range map[string]func(*netfpga.Description){
		"no address":          func(d *netfpga.Description) { d.Src = netip.AddrPort{} },
		"IPv6":                func(d *netfpga.Description) { d.Dst = netip.MustParseAddrPort("[fd00::1]:1") },
		"departure negative":  func(d *netfpga.Description) { d.Departure = -1 },
		"payload negative":    func(d *netfpga.Description) { d.Payload, d.Data = -1, nil },
		"payload too long":    func(d *netfpga.Description) { d.Payload = 65508 },
		"data beyond payload": func(d *netfpga.Description) { d.Payload = 4 },
		"port negative":       func(d *netfpga.Description) { d.Port = -1 },
		"port 16":             func(d *netfpga.Description) { d.Port = 16 },
	} {
		d := describe(100, "abcde")
		change(&d)
		b, err := AppendPacket([]byte("before"), Header{}, &d)
		if err == nil || !strings.HasPrefix(err.Error(), "nl: ") || string(b) != "before" {
			t.Errorf("%s: %q, %v", name, b, err)
		}
	}
	mapped := describe(100, "")
	mapped.Src = netip.MustParseAddrPort("[::ffff:10.0.0.1]:4000")
	if _, err := AppendPacket(nil, Header{}, &mapped); err != nil {
		t.Error(err)
	}
}

func TestErrors(t *testing.T) {
	for _, c := range []struct {
		e    Error
		want string
	}{
		{Error{Code: NoRoom, Type: Mark, Seq: 7}, "nl: MARK 7 is refused: no room"},
		{Error{Code: Invalid, Type: Packet, Seq: 8, Text: "a payload of 9000 bytes"}, "nl: PKT 8 is refused: invalid message: a payload of 9000 bytes"},
		{Error{Code: 12, Type: 77}, "nl: type 77 0 is refused: error 12"},
		{Error{Type: Delays, Text: strings.Repeat("x", maxText)}, "nl: DELAYS 0 is refused: no error: " + strings.Repeat("x", maxText)},
	} {
		b := AppendError(nil, Header{Type: c.e.Type, Seq: c.e.Seq}, 0, &c.e)
		h, body, _, err := Next(b)
		if err != nil {
			t.Fatal(err)
		}
		e, ok := ParseError(h.Flags, body)
		if !ok || *e != c.e || e.Error() != c.want {
			t.Errorf("%v, want %s", e, c.want)
		}
	}
	long := AppendError(nil, Header{}, 0, &Error{Text: strings.Repeat("x", 10_000)})
	if len(long) > answersLen {
		t.Errorf("an answer of %d bytes", len(long))
	}
	body := Append(nil, Header{}, nil) // has no error in it
	if e, ok := ParseError(0, body); ok {
		t.Errorf("read as %v", e)
	}
	body = make([]byte, errorLen)
	native.PutUint32(body, 5) // positive
	if e, ok := ParseError(0, body); ok {
		t.Errorf("read as %v", e)
	}
	// A text does not reach the terminal as it is.
	b := AppendError(nil, Header{}, 0, &Error{Code: 1, Text: "a\x1b[2J\xffb\nc"})
	if e, _ := ParseError(capped|attributes, b[headerLen:]); e.Text != "a[2Jbc" {
		t.Errorf("text %q", e.Text)
	}
}

// A reader takes the good messages of a datagram and refuses the others.
func TestReader(t *testing.T) {
	p := describe(10, "head")
	mark := Append(nil, Header{Type: Mark, Seq: 1}, nil)
	packet, _ := AppendPacket(nil, Header{Seq: 2}, &p)
	bad := Append(nil, Header{Type: Packet, Seq: 3}, make([]byte, 20))
	hit := Append(nil, Header{Type: MarkHit, Seq: 4}, nil)
	own := Append(nil, Header{Type: noop, Seq: 5}, nil)
	wrong := AppendError(nil, Header{Type: Packet}, 0, &Error{Code: Invalid})
	start := AppendSimStart(nil, Header{Seq: 6}, time.Unix(5, 6))
	delays := AppendDelays(nil, Header{Seq: 7}, []time.Duration{1, 2})
	join := func(all ...[]byte) []byte { return bytes.Join(all, nil) }
	for _, c := range []struct {
		name    string
		b       []byte
		d       datagram
		denied  bool
		taken   []uint32
		refused []uint32
		code    Errno
	}{
		{name: "good", b: join(mark, packet, start, delays), taken: []uint32{1, 2, 6, 7}},
		{name: "a bad one between", b: join(packet, bad, mark), taken: []uint32{2, 1}, refused: []uint32{3}, code: Invalid},
		{name: "not for servers", b: join(hit, mark), taken: []uint32{1}, refused: []uint32{4}, code: Unsupported},
		{name: "netlink's own", b: join(own, wrong, mark), taken: []uint32{1}},
		{name: "cut", b: join(mark, packet[:40]), taken: []uint32{1}, refused: []uint32{2}, code: Invalid},
		{name: "not even a header", b: []byte("hello"), refused: []uint32{0}, code: Invalid},
		{name: "too long", b: join(mark, packet), d: datagram{cut: true}, refused: []uint32{1}, code: TooLong},
		{name: "another user's", b: join(mark, packet), denied: true, refused: []uint32{1}, code: NotPermitted},
		{name: "another user's noop", b: own, denied: true},
		{name: "many", b: bytes.Repeat(hit, 100), refused: make([]uint32, maxRefused), code: Unsupported},
	} {
		var r reader
		for range 2 { // the memory of the first is used again
			refused := r.read(c.b, c.d, !c.denied)
			var got []uint32
			for _, q := range r.batch.requests {
				got = append(got, q.Seq)
			}
			if !reflect.DeepEqual(got, c.taken) {
				t.Errorf("%s: took %v, want %v", c.name, got, c.taken)
			}
			if len(refused) != len(c.refused) {
				t.Errorf("%s: refused %+v, want %v", c.name, refused, c.refused)
				continue
			}
			for i, f := range refused {
				if f.err.Code != c.code || c.name != "many" && f.Seq != c.refused[i] {
					t.Errorf("%s: refused %d: %v", c.name, f.Seq, f.err)
				}
			}
		}
	}
}

// A pkt_descr has 44 bytes on i386, where the custom bytes follow at once, and 48 elsewhere; a
// timespec 8 and 16. The length of the message tells which, also with padding counted to it.
func TestLayouts(t *testing.T) {
	fields := unhex(t, `0100000a 0200000a a00f 5114 020000000001 020000000002
		f834000000000000 00000000 be050000`)
	message := func(custom int, rest string) []byte {
		return append(native.AppendUint32(bytes.Clone(fields), uint32(custom)), rest...)
	}
	for _, c := range []struct {
		body []byte
		data string
	}{
		{message(0, ""), ""},
		{message(0, "...."), ""},
		{message(5, "abcde"), "abcde"},
		{message(5, "abcde..."), "abcde"},
		{message(5, "....abcde"), "abcde"},
		{message(5, "....abcde..."), "abcde"},
		{message(4, "abcd"), "abcd"},
		{message(4, "....abcd"), "abcd"},
		{message(1, "a..."), "a"},
		{message(1, "....a"), "a"},
	} {
		want := describe(1470, c.data)
		var got netfpga.Description
		if err := ParsePacket(Header{}, c.body, &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%x: %+v, want %+v: %v", c.body, got, want, err)
		}
	}
	for _, body := range [][]byte{message(5, "abcd"), message(1, ""), fields} {
		if err := ParsePacket(Header{}, body, new(netfpga.Description)); err == nil {
			t.Errorf("%x is taken", body)
		}
	}
	for _, body := range []string{"005f0000 ffc99a3b", "005f0000 ffc99a3b 0000", "005f000000000000 ffc99a3b00000000"} {
		if at, err := ParseSimStart(unhex(t, body)); err != nil || at.UnixNano() != 0x5f00*1e9+999999999 {
			t.Errorf("start %s: %v, %v", body, at, err)
		}
	}
	for _, body := range []string{"ffffffff 00000000", "00000000 ffffffff", "00000000 00ca9a3b", "00000000 00000000 00000000"} {
		if at, err := ParseSimStart(unhex(t, body)); err == nil {
			t.Errorf("start %s: %v", body, at)
		}
	}
}
