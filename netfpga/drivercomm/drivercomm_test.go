package drivercomm

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strings"
	"testing"
)

func unhex(t *testing.T, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestPacketsBytes(t *testing.T) {
	b := NewBuilder()
	b.Add(Header{WireLen: 1500}, bytes.Repeat([]byte{0xff}, 1500))
	b.Clear()
	b.Add(Header{WireLen: 60, Clock: 0x0102030405060708, Absolute: true}, []byte{0xaa, 0xbb, 0xcc})
	b.Add(Header{WireLen: 61, Clock: 7}, []byte{0xee})
	b.Add(Header{WireLen: 1514, Clock: 9, Absolute: true, Port: 3}, []byte{0xdd})
	want := unhex(t, `
		0000002a 00000000
		0003 003c 01020304 05060708 0001 0018  aabbcc 0000000000
		0001 003d 00000000 00000007 0000 0018  ee 00000000000000
		0001 05ea 00000000 00000009 0301 0000  dd`)
	if !bytes.Equal(b.Message().Bytes, want) {
		t.Errorf("message\n%x, want\n%x", b.Message().Bytes, want)
	}
	if m := b.Message(); m.Type != Packets || b.Count() != 3 || m.Len != len(want) {
		t.Errorf("%+v, %d packets", m, b.Count())
	}
	b.Clear()
	b.Add(Header{WireLen: 60, Absolute: true}, []byte{1})
	if want := unhex(t, "0000002a00000000 0001003c0000000000000000 00010000 01"); !bytes.Equal(b.Message().Bytes, want) {
		t.Errorf("used again\n%x, want\n%x", b.Message().Bytes, want)
	}
}

func TestResetBytes(t *testing.T) {
	dirty := bytes.Repeat([]byte{0xff}, MaxDMA)
	want := unhex(t, "00000021"+strings.Repeat("00", 56))
	if got := PutReset(dirty); !bytes.Equal(got, want) {
		t.Errorf("reset %x, want %x", got, want)
	}
	if m := NewReset(); m.Type != Reset || m.Len != ResetLen || !bytes.Equal(m.Bytes, want) {
		t.Errorf("reset %+v", m)
	}
}

func TestReplyBytes(t *testing.T) {
	for _, c := range []struct {
		reply Reply
		bytes string
	}{
		{Reply{ResetDone, 0, 0}, "00000058 00000000 00000000 00000000"},
		{Reply{Quota, 4, 1<<32 + 5}, "00000064 00000004 00000001 00000005"},
		{Reply{Quota, -1, 1<<64 - 1}, "00000064 ffffffff ffffffff ffffffff"},
	} {
		want := unhex(t, c.bytes+strings.Repeat("00", 32))
		got := c.reply.Put(bytes.Repeat([]byte{0xff}, ReplyLen))
		if !bytes.Equal(got, want) {
			t.Errorf("%+v is %x, want %x", c.reply, got, want)
		}
		if back, ok := ParseReply(want); !ok || back != c.reply {
			t.Errorf("%x is read as %+v, want %+v", want, back, c.reply)
		}
	}
	if _, ok := ParseReply(make([]byte, ReplyLen-1)); ok {
		t.Error("47 bytes are taken for a reply")
	}
}

func TestIOQBytes(t *testing.T) {
	for _, c := range []struct {
		header IOQ
		bytes  string
	}{
		{NewIOQ(MACBit(0), 60), "0001 0008 0000 003c"},
		{NewIOQ(MACBit(3), 1514), "0040 00be 0000 05ea"},
		{NewIOQ(HostBit(0), 48), "0002 0006 0000 0030"},
		{NewIOQ(HostBit(3), 1), "0080 0001 0000 0001"},
		{NewIOQ(MACBit(1)|MACBit(2)|HostBit(0), 0), "0016 0000 0000 0000"},
		{IOQ{Dst: 0xff00, Words: 1, Src: 2, Bytes: 3}, "ff00 0001 0002 0003"},
	} {
		got := bytes.Repeat([]byte{0xff}, IOQHeader)
		c.header.Put(got)
		if want := unhex(t, c.bytes); !bytes.Equal(got, want) {
			t.Errorf("%+v is %x, want %x", c.header, got, want)
		}
	}
}

// The counts are those of the original driver with its buffers of 1592 bytes.
func TestPacketsPerBuffer(t *testing.T) {
	for _, c := range []struct{ carried, want int }{
		{42, 24}, {54, 22}, {66, 18}, {200, 7}, {1514, 1}, {760, 2}, {1, 66},
	} {
		var b Builder
		for b.Add(Header{WireLen: MaxWire}, make([]byte, c.carried)) {
		}
		if b.Count() != c.want {
			t.Errorf("%d packets of %d bytes fit, want %d", b.Count(), c.carried, c.want)
		}
		if b.Message().Len > MaxDMA {
			t.Errorf("a message of %d bytes", b.Message().Len)
		}
	}
}

// What a Builder says of a message is what its bytes say, whatever the frames, also where it
// does not have the bytes, and where its memory was used before.
func FuzzBuilder(f *testing.F) {
	f.Add([]byte("frames of any bytes"), uint16(7), uint64(1)<<40, byte(3))
	f.Add([]byte{}, uint16(0), uint64(0), byte(4))
	f.Fuzz(func(t *testing.T, all []byte, cut uint16, departure uint64, kind byte) {
		size := 1 + int(cut)%MaxWire
		b := NewBuilder()
		var account Builder
		for _, x := range []*Builder{&b, &account} {
			x.Add(Header{WireLen: 60}, bytes.Repeat([]byte{0xff}, int(cut)%1500))
			x.Message()
			x.Clear()
		}
		var frames [][]byte
		var headers []Header
		for rest := all; len(rest) > 0; {
			n := min(size, len(rest))
			h := Header{WireLen: uint16(max(MinWire, n)), Clock: departure, Absolute: kind&4 != 0, Port: kind & 3}
			if ok := b.Add(h, rest[:n]); ok != account.Add(h, rest[:n]) {
				t.Fatal("there is room in one, and not in the other")
			} else if !ok {
				break
			}
			h.Len = uint16(n)
			headers = append(headers, h)
			frames = append(frames, rest[:n])
			rest = rest[n:]
		}
		if len(frames) == 0 {
			return
		}
		m := b.Message()
		if a := account.Message(); a.Bytes != nil || a.Len != m.Len || a.Type != m.Type || !slices.Equal(a.Packets, m.Packets) {
			t.Fatalf("accounted for as %+v, and is %+v", a, m)
		}
		off := FirstPacket
		for i, h := range m.Packets {
			p, next := m.Bytes[off:], h.Next
			h.Next = 0
			if h != headers[i] || !bytes.Equal(p[HeaderLen:HeaderLen+int(h.Len)], frames[i]) {
				t.Fatalf("packet %d at %d: %+v, %x, want %+v, %x", i, off, h, p, headers[i], frames[i])
			}
			if got := binary.BigEndian.Uint16(p[14:]); got != next || off%8 != 0 {
				t.Fatalf("packet %d at %d: the next is %d bytes on, accounted for as %d", i, off, got, next)
			}
			if last := i == len(frames)-1; last != (next == 0) || last && off+HeaderLen+int(h.Len) != m.Len {
				t.Fatalf("packet %d of %d at %d: %+v, next %d of %d", i, len(frames), off, h, next, m.Len)
			}
			off += int(next)
		}
	})
}
