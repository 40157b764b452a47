package image

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// words returns a file's words.
func words(t *testing.T, text string, room uint64) []uint32 {
	t.Helper()
	b, err := readMIF(strings.NewReader(text), room, func(string) {})
	if err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	w := make([]uint32, len(b)/4)
	for i := range w {
		w[i] = binary.BigEndian.Uint32(b[4*i:])
	}
	return w
}

func TestMIF(t *testing.T) {
	const header = "WIDTH=32; DEPTH=16; ADDRESS_RADIX=HEX; DATA_RADIX=HEX; CONTENT BEGIN "
	for _, test := range []struct {
		name, text string
		want       []uint32
	}{
		{"as the original's", "WIDTH=32;\nDEPTH=65536;\n\nADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\n\nCONTENT BEGIN\n\n" +
			"00000000 : 48656c6c;\n00000001 : 6f20776f;\nEND;\n", []uint32{0x48656c6c, 0x6f20776f}},
		{"nothing", header + "END;", []uint32{}},
		{"a gap, in any order", header + "3:7; 1:5; END;", []uint32{0, 5, 0, 7}},
		{"no header", "content begin a : Ff; end;", []uint32{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255}},
		{"no semicolon in the end", header + "0:1;END", []uint32{1}},
		{"a range", header + "[1..3]:9;END;", []uint32{0, 9, 9, 9}},
		{"a range with blanks", header + "[ 1 .. 2 ] : 9 ;END;", []uint32{0, 9, 9}},
		{"a range that repeats", header + "[0..4]:1 2;END;", []uint32{1, 2, 1, 2, 1}},
		{"a range filled to its last", header + "[0..2]:1 2 3;END;", []uint32{1, 2, 3}},
		{"values that go on", header + "2:1 2 3;END;", []uint32{0, 0, 1, 2, 3}},
		{"up to the last word", header + "e:1 2;END;", append(make([]uint32, 14), 1, 2)},
		{"filled first", header + "[0..f]:0;1:5;END;", append([]uint32{0, 5}, make([]uint32, 14)...)},
		{"comments", "-- one: 1;\n% two\n-- % DEPTH=16; " + header + "0 -- x\n:%;%7;--1:8;\nEND;", []uint32{7}},
		{"DEC", "DATA_RADIX=DEC; ADDRESS_RADIX=DEC; CONTENT BEGIN 10:-1; 0 : 12 -12; END;", []uint32{12, 0xfffffff4, 0, 0, 0, 0, 0, 0, 0, 0, 0xffffffff}},
		{"UNS", "DATA_RADIX=uns; CONTENT BEGIN 0:4294967295; END;", []uint32{0xffffffff}},
		{"OCT", "DATA_RADIX=OCT; ADDRESS_RADIX=OCT; CONTENT BEGIN 2:17; END;", []uint32{0, 0, 15}},
		{"BIN", "DATA_RADIX=BIN; ADDRESS_RADIX=BIN; CONTENT BEGIN 10:10000000000000000000000000000001; END;", []uint32{0, 0, 0x80000001}},
		{"what follows the end", header + "0:1; END; rest %", []uint32{1}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := words(t, test.text, 1<<16); !slices.Equal(got, test.want) {
				t.Errorf("%x, want %x", got, test.want)
			}
		})
	}
}

func TestMIFRefuses(t *testing.T) {
	const begin = "DEPTH=16; CONTENT BEGIN "
	for text, want := range map[string]string{
		"":                                      "line 1: it ends before its END",
		"DEPTH=16;\nCONTENT":                    "line 2: it ends before its END",
		begin + "0:1;":                          "it ends before its END",
		begin + "0:1":                           "it ends before its END",
		begin + "0:1; % END;":                   "it ends before its END",
		"WIDTH=16;" + begin + "END;":            "words have 16 bits",
		"DEPTH=0;":                              "a depth of 0",
		"DEPTH=-1;":                             "a depth of -1",
		"DEPTH=many;":                           "a depth of many",
		"DATA_RADIX=ROMAN;":                     `no radix "ROMAN"`,
		"\x7fELF = 1;":                          "it ends before its END",
		"WIDTH 32;":                             `"32" stands where "=" should`,
		"WIDTH=32 DEPTH":                        `"DEPTH" stands where ";" should`,
		"CONTENT END;":                          `"END" stands where "BEGIN" should`,
		begin + "\n\n10:1;END;":                 "line 3: address 10 is beyond the 16 words",
		begin + "[x..1]:1;END;":                 `"x" is not an address`,
		begin + "[0..-1]:1;END;":                `"-1" is not an address`,
		begin + "0:x;END;":                      `"x" is not a value`,
		begin + strings.Repeat("f", 20) + ":1":  "is not an address",
		begin + "f:1 2;END;":                    "beyond the 16 words",
		begin + "0:;END;":                       "an address without a value",
		begin + "0:123456789;END;":              "not a value of 32 bits",
		begin + "0:-1;END;":                     `"-1" is not a value`,
		begin + "[2..1]:0;END;":                 "a range ends before it begins",
		begin + "[0.1]:0;END;":                  `"." stands where ".." should`,
		begin + "[0..1] 1;END;":                 `"1" stands where ":" should`,
		begin + "[0..1:0;END;":                  `":" stands where "]" should`,
		begin + "[0..10]:0;END;":                "address 10 is beyond",
		begin + "[0..1]:0 1 2;END;":             "more values than addresses",
		begin + strings.Repeat("[0..f]:0;", 5):  "again and again",
		begin + "0:" + strings.Repeat("0", 100): "is too long",
	} {
		if _, err := readMIF(strings.NewReader(text), 1<<16, func(string) {}); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v for\n%s", want, err, text)
		}
	}
}

// Lines that are no entries are passed over, and it is told, of the first ones.
func TestMIFStrayLines(t *testing.T) {
	text := "Memory of a program, = 1.0\n\nDEPTH=16;\n9 9\nWIDTH=32;\nCONTENT BEGIN\n" +
		"0 : 1;\n. : 5\nhello\n1 : 2;\n12\n2 : 3; 3 : 4;\nx:7; 4:8;\n0x5 : 6;\n5 6;\n" +
		strings.Repeat("0", 100) + ": 9;\n7\nEND;\n"
	var got []string
	b, err := readMIF(strings.NewReader(text), 1<<10, func(w string) { got = append(got, w) })
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		`line 1 is passed over from "Memory" on`, `line 4 is passed over from "9" on`,
		`line 8 is passed over from "." on`, `line 9 is passed over from "hello" on`, `line 11 is passed over from "12" on`,
		"10 lines are passed over in all",
	}
	if !slices.Equal(got, want) {
		t.Errorf("it warns of %q, want %q", got, want)
	}
	if want := []byte{0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4}; !bytes.Equal(b, want) {
		t.Errorf("%x, want %x", b, want)
	}
}

// TestMIFRoom has files that claim more than the machine has.
func TestMIFRoom(t *testing.T) {
	huge := "DEPTH=4294967296; CONTENT BEGIN [0..ffffffff]:1; END;"
	if _, err := ReadMIF(strings.NewReader(huge), strings.NewReader(huge), nil); err == nil || !strings.Contains(err.Error(), "beyond the 65536 words") {
		t.Error(err)
	}
	none := "CONTENT BEGIN END;"
	if _, err := ReadMIF(strings.NewReader(none), strings.NewReader(none), nil); err == nil || !strings.Contains(err.Error(), "no instructions") {
		t.Error(err)
	}
}

func TestWriteMIF(t *testing.T) {
	img := &netthreads.Image{Text: []byte("abcdefgh"), Data: []byte("Hello"), Zeros: 4}
	var text, data bytes.Buffer
	if err := WriteMIF(&text, &data, img); err != nil {
		t.Fatal(err)
	}
	const header = "WIDTH=32;\nDEPTH=65536;\n\nADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\n\nCONTENT BEGIN\n\n"
	if got, want := text.String(), header+"00000000 : 61626364;\n00000001 : 65666768;\nEND;\n"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	if got, want := data.String(), header+"00000000 : 48656c6c;\n00000001 : 6f000000;\n00000002 : 00000000;\nEND;\n"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	again, err := ReadMIF(&text, &data, nil)
	if err != nil || !bytes.Equal(again.Text, img.Text) || !bytes.Equal(again.Data, append([]byte("Hello"), make([]byte, 7)...)) {
		t.Errorf("%v, %v", again, err)
	}
}

// FuzzReadMIF checks that what was read is read again as it was written, and that nothing
// takes more memory than there is.
func FuzzReadMIF(f *testing.F) {
	f.Add("WIDTH=32;\nDEPTH=16;\nADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\nCONTENT BEGIN\n0 : 1 2 3;\n[4..a] : 7 8;\nEND;\n")
	f.Add("DATA_RADIX=DEC; -- x\nCONTENT % y % BEGIN 0:-5; END;")
	f.Add("CONTENT BEGIN [0..ff]:0;[0..ff]:1;[0..ff]:2;END")
	f.Add("DATA_RADIX=BIN;ADDRESS_RADIX=OCT;CONTENT BEGIN 17:101;END;")
	f.Fuzz(func(t *testing.T, text string) {
		const room = 1 << 10
		b, err := readMIF(strings.NewReader(text), room, func(string) {})
		if len(b) > 4*room || len(b)%4 != 0 {
			t.Fatalf("%d bytes", len(b))
		}
		if err != nil {
			return
		}
		var again bytes.Buffer
		if err := writeMIF(&again, b, 0); err != nil {
			t.Fatal(err)
		}
		c, err := readMIF(io.Reader(&again), room, func(w string) { t.Errorf("what was written: %s", w) })
		if err != nil || !bytes.Equal(b, c) {
			t.Fatalf("%v: %x, then %x", err, b, c)
		}
	})
}
