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
	b.Add([]byte{0xaa, 0xbb, 0xcc}, 60, 0x0102030405060708)
	b.Add([]byte{0xdd}, 1514, 9)
	want := unhex(t, `
		0000002a 00000000
		0003 003c 01020304 05060708 0001 0018  aabbcc 0000000000
		0001 05ea 00000000 00000009 0001 0000  dd`)
	if !bytes.Equal(b.Bytes(), want) {
		t.Errorf("message\n%x, want\n%x", b.Bytes(), want)
	}
	if TypeOf(b.Bytes()) != Packets || b.Count() != 2 {
		t.Errorf("type %d, %d packets", TypeOf(b.Bytes()), b.Count())
	}
	b.Clear()
	b.Add([]byte{1}, 60, 0)
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

// The counts are those of the original driver with its buffers of 1592 bytes.
func TestPacketsPerBuffer(t *testing.T) {
	for _, c := range []struct{ carried, want int }{
		{42, 24}, {54, 22}, {66, 18}, {200, 7}, {1514, 1}, {760, 2}, {1, 66},
	} {
		var b Builder
		for b.Add(make([]byte, c.carried), MaxWire, 0) {
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
		{"too long for a wire", 8, "0000002a00000000 000305eb 0000000000000000 00010000 aabbcc"},
		{"more carried than on the wire", 8, "0000002a00000000 003d003c 0000000000000000 00010000" + strings.Repeat("aa", 61)},
		{"next in this one", 8, "0000002a00000000 0003003c 0000000000000000 00010010 aabbcc"},
	} {
		if h, _, ok := Packet(unhex(t, c.msg), c.off); ok {
			t.Errorf("%s: read as %+v", c.why, h)
		}
	}
}

// What a Builder writes, Packet reads, whatever the frames.
func FuzzBuilder(f *testing.F) {
	f.Add([]byte("frames of any bytes"), uint16(7), uint64(1)<<40)
	f.Add([]byte{}, uint16(0), uint64(0))
	f.Fuzz(func(t *testing.T, all []byte, cut uint16, departure uint64) {
		size := 1 + int(cut)%MaxWire
		var b Builder
		var frames [][]byte
		for rest := all; len(rest) > 0; {
			n := min(size, len(rest))
			if !b.Add(rest[:n], max(MinWire, n), departure) {
				break
			}
			frames = append(frames, rest[:n])
			rest = rest[n:]
		}
		if len(frames) == 0 {
			return
		}
		off := FirstPacket
		for i, want := range frames {
			h, got, ok := Packet(b.Bytes(), off)
			if !ok || !bytes.Equal(got, want) || h.Clock != departure || !h.Absolute || h.WireLen != max(MinWire, len(want)) {
				t.Fatalf("packet %d at %d: %+v %v, %x, want %x", i, off, h, ok, got, want)
			}
			if last := i == len(frames)-1; last != (h.Next == 0) {
				t.Fatalf("packet %d of %d: next %d", i, len(frames), h.Next)
			}
			off += h.Next
		}
	})
}

// Whatever the bytes, a walk through a message ends, within it.
func FuzzPacket(f *testing.F) {
	var b Builder
	b.Add([]byte{1, 2, 3}, 60, 5)
	b.Add([]byte{4}, 60, 6)
	f.Add(b.Bytes())
	f.Add([]byte("0000002a"))
	f.Fuzz(func(t *testing.T, msg []byte) {
		for off, n := FirstPacket, 0; ; n++ {
			h, frame, ok := Packet(msg, off)
			if !ok || h.Next == 0 {
				return
			}
			if len(frame) != h.Len || n > len(msg)/HeaderLen {
				t.Fatalf("packet %d at %d: %+v, %d bytes", n, off, h, len(frame))
			}
			off += h.Next
		}
	})
}
