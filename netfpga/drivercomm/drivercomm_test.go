package drivercomm

import (
	"bytes"
	"encoding/hex"
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
	var b Builder
	b.Add(Header{WireLen: 60, Clock: 0x0102030405060708, Absolute: true}, []byte{0xaa, 0xbb, 0xcc})
	b.Add(Header{WireLen: 61, Clock: 7}, []byte{0xee})
	b.Add(Header{WireLen: 1514, Clock: 9, Absolute: true, Port: 3}, []byte{0xdd})
	want := unhex(t, `
		0000002a 00000000
		0003 003c 01020304 05060708 0001 0018  aabbcc 0000000000
		0001 003d 00000000 00000007 0000 0018  ee 00000000000000
		0001 05ea 00000000 00000009 0301 0000  dd`)
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("message\n%x, want\n%x", b.Bytes(), want)
	}
	if TypeOf(b.Bytes()) != Packets || b.Count() != 3 {
		t.Errorf("type %d, %d packets", TypeOf(b.Bytes()), b.Count())
	}
	b.Clear()
	b.Add(Header{WireLen: 60, Absolute: true}, []byte{1})
	if want := unhex(t, "0000002a00000000 0001003c0000000000000000 00010000 01"); !bytes.Equal(b.Bytes(), want) {
		t.Errorf("used again\n%x, want\n%x", b.Bytes(), want)
	}
}

func TestResetBytes(t *testing.T) {
	dirty := bytes.Repeat([]byte{0xff}, MaxDMA)
	want := unhex(t, "00000021"+strings.Repeat("00", 56))
	if got := PutReset(dirty); !bytes.Equal(got, want) {
		t.Errorf("reset %x, want %x", got, want)
	}
	if TypeOf([]byte{0, 0, 0}) != 0 {
		t.Error("three bytes have a type")
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
		mac    int
	}{
		{NewIOQ(MACBit(0), 60), "0001 0008 0000 003c", 0},
		{NewIOQ(MACBit(3), 1514), "0040 00be 0000 05ea", 3},
		{NewIOQ(HostBit(0), 48), "0002 0006 0000 0030", -1},
		{NewIOQ(HostBit(3), 1), "0080 0001 0000 0001", -1},
		{NewIOQ(MACBit(1)|MACBit(2)|HostBit(0), 0), "0016 0000 0000 0000", 1},
		{IOQ{Dst: 0xff00, Words: 1, Src: 2, Bytes: 3}, "ff00 0001 0002 0003", -1},
	} {
		got := bytes.Repeat([]byte{0xff}, IOQHeader)
		c.header.Put(got)
		if want := unhex(t, c.bytes); !bytes.Equal(got, want) {
			t.Errorf("%+v is %x, want %x", c.header, got, want)
		}
		if back := ParseIOQ(got); back != c.header || back.MAC() != c.mac {
			t.Errorf("%x is read as %+v to MAC %d, want %+v to %d", got, back, back.MAC(), c.header, c.mac)
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
		if len(b.Bytes()) > MaxDMA {
			t.Errorf("a message of %d bytes", len(b.Bytes()))
		}
	}
}

func TestPacketRefuses(t *testing.T) {
	good := unhex(t, "0000002a00000000 0003003c 0000000000000000 00010000 aabbcc")
	if h, frame, ok := Packet(good, FirstPacket); !ok || h.Len != 3 || len(frame) != 3 {
		t.Fatalf("a good message is read as %+v, %x, %v", h, frame, ok)
	}
	for _, c := range []struct {
		why string
		off int
		msg string
	}{
		{"no header", 8, "0000002a00000000"},
		{"half a header", 8, "0000002a00000000 0003003c 00000000"},
		{"header in front", 0, "0003003c0000000000000000 00010000 aabbcc"},
		{"header not aligned", 12, "0000002a0000000000000000 0003003c0000000000000000 00010000 aabbcc"},
		{"bytes past the end", 8, "0000002a00000000 0004003c 0000000000000000 00010000 aabbcc"},
		{"too short for a wire", 8, "0000002a00000000 0003003b 0000000000000000 00010000 aabbcc"},
		{"too long for a wire", 8, "0000002a00000000 000305f3 0000000000000000 00010000 aabbcc"},
		{"more carried than on the wire", 8, "0000002a00000000 003d003c 0000000000000000 00010000" + strings.Repeat("aa", 61)},
		{"a port that no card has", 8, "0000002a00000000 0003003c 0000000000000000 04010000 aabbcc"},
		{"next in this one", 8, "0000002a00000000 0003003c 0000000000000000 00010010 aabbcc"},
	} {
		if h, _, ok := Packet(unhex(t, c.msg), c.off); ok {
			t.Errorf("%s: read as %+v", c.why, h)
		}
	}
}

// What a Builder writes, Packet reads, whatever the frames.
func FuzzBuilder(f *testing.F) {
	f.Add([]byte("frames of any bytes"), uint16(7), uint64(1)<<40, byte(3))
	f.Add([]byte{}, uint16(0), uint64(0), byte(4))
	f.Fuzz(func(t *testing.T, all []byte, cut uint16, departure uint64, kind byte) {
		size := 1 + int(cut)%MaxWire
		var b Builder
		var frames [][]byte
		var headers []Header
		for rest := all; len(rest) > 0; {
			n := min(size, len(rest))
			h := Header{WireLen: uint16(max(MinWire, n)), Clock: departure, Absolute: kind&4 != 0, Port: kind & 3}
			if !b.Add(h, rest[:n]) {
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
		off := FirstPacket
		for i, want := range frames {
			h, got, ok := Packet(b.Bytes(), off)
			next := h.Next
			h.Next = 0
			if !ok || !bytes.Equal(got, want) || h != headers[i] {
				t.Fatalf("packet %d at %d: %+v %v, %x, want %+v, %x", i, off, h, ok, got, headers[i], want)
			}
			if last := i == len(frames)-1; last != (next == 0) {
				t.Fatalf("packet %d of %d: next %d", i, len(frames), next)
			}
			off += int(next)
		}
	})
}

// Whatever the bytes, a walk through a message ends, within it.
func FuzzPacket(f *testing.F) {
	var b Builder
	b.Add(Header{WireLen: 60, Clock: 5}, []byte{1, 2, 3})
	b.Add(Header{WireLen: 60, Clock: 6}, []byte{4})
	f.Add(b.Bytes())
	f.Add([]byte("0000002a"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		for off, n := FirstPacket, 0; ; n++ {
			h, frame, ok := Packet(msg, off)
			if !ok || h.Next == 0 {
				return
			}
			if len(frame) != int(h.Len) || n > len(msg)/HeaderLen {
				t.Fatalf("packet %d at %d: %+v, %d bytes", n, off, h, len(frame))
			}
			off += int(h.Next)
		}
	})
}
