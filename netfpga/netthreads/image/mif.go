package image

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// ReadMIF reads a program from two memory initialization files, of its instructions and of
// its data. Addresses are in words of 32 bits, from netthreads.TextBase and
// netthreads.DataBase on; what a file does not give is zero. Such a program has no symbols.
//
// The form is that of Altera's tools: all radices, ranges, several values to an address,
// and comments. Where the header leaves something out, it is words of 32 bits and HEX.
// The files are not trusted: no memory is taken beyond that of the machine. Lines that are
// neither of the header nor an address and its values are passed over, as the original's
// loader does, and warn, if it is not nil, is told of each of the first.
func ReadMIF(text, data io.Reader, warn func(string)) (*netthreads.Image, error) {
	if warn == nil {
		warn = func(string) {}
	}
	of := func(what string) func(string) { return func(s string) { warn(what + ": " + s) } }
	t, err := readMIF(text, netthreads.MaxText/4, of("instructions"))
	if err == nil && len(t) == 0 {
		err = errors.New("there are no instructions in it")
	}
	if err != nil {
		return nil, fmt.Errorf("reading instructions in MIF: %w", err)
	}
	d, err := readMIF(data, netthreads.MaxData/4, of("data"))
	if err != nil {
		return nil, fmt.Errorf("reading data in MIF: %w", err)
	}
	return &netthreads.Image{Text: t, Data: d}, nil
}

// WriteMIF writes a program as the two files. They are as the original's tools make them:
// a word a line, without ranges, which is all that the original's loader reads. Data that
// does not end with a word is filled up with zeros, the image's Zeros follow, and symbols are
// lost.
func WriteMIF(text, data io.Writer, img *netthreads.Image) error {
	for _, f := range []struct {
		w     io.Writer
		b     []byte
		zeros int
	}{{text, img.Text, 0}, {data, img.Data, img.Zeros}} {
		if err := writeMIF(f.w, f.b, f.zeros); err != nil {
			return fmt.Errorf("writing MIF: %w", err)
		}
	}
	return nil
}

// depth is what the original's files have as their depth: the words of the instruction
// memory.
const depth = netthreads.MaxText / 4

func writeMIF(to io.Writer, b []byte, zeros int) error {
	w := bufio.NewWriter(to)
	fmt.Fprintf(w, "WIDTH=32;\nDEPTH=%d;\n\nADDRESS_RADIX=HEX;\nDATA_RADIX=HEX;\n\nCONTENT BEGIN\n\n", max(depth, (len(b)+zeros+3)/4))
	for i, v := range eachWord(b, zeros) {
		fmt.Fprintf(w, "%08x : %08x;\n", i, v)
	}
	fmt.Fprintf(w, "END;\n")
	return w.Flush()
}

// word returns the first word of b, which may be shorter or empty.
func word(b []byte) uint32 {
	if len(b) >= 4 {
		return binary.BigEndian.Uint32(b)
	}
	var w [4]byte
	copy(w[:], b)
	return binary.BigEndian.Uint32(w[:])
}

// mif reads a file.
type mif struct {
	in     *bufio.Reader
	line   int
	at     int    // the line that the last token began in
	held   string // a token that is read again, "" for none, and
	heldAt int    // its line
	stray  int    // lines passed over
	warn   func(string)
	room   uint64 // words
	words  []byte // read so far
	work   uint64 // words written, those that were written again included

	addresses, values radix
}

// radix is one of those that the header can name.
type radix struct {
	base   int
	signed bool
}

var radices = map[string]radix{
	"HEX": {base: 16}, "DEC": {base: 10, signed: true}, "UNS": {base: 10}, "OCT": {base: 8}, "BIN": {base: 2},
}

// maxWork is how often all words of a memory may be written: files that fill a memory
// first write them twice.
const maxWork = 4

// readMIF returns the words of a file up to the last one that it gives, of which there can
// be at most room.
func readMIF(r io.Reader, room uint64, warn func(string)) ([]byte, error) {
	m := &mif{in: bufio.NewReader(r), line: 1, warn: warn, room: room, addresses: radices["HEX"], values: radices["HEX"]}
	if err := m.read(); err != nil {
		if err == io.EOF {
			err = errors.New("it ends before its END")
		}
		return nil, fmt.Errorf("line %d: %w", m.line, err)
	}
	if m.stray > maxWarnings {
		warn(fmt.Sprintf("%d lines are passed over in all", m.stray))
	}
	return m.words, nil
}

// maxWarnings is of how many lines it is told that they are passed over.
const maxWarnings = 5

// passOver skips the rest of a line that began with a token in line at. next is the token
// behind it, if that was read and did not fit; if it stands in another line, it is kept.
func (m *mif) passOver(first string, at int, next string) error {
	if m.stray++; m.stray <= maxWarnings {
		m.warn(fmt.Sprintf("line %d is passed over from %.40q on", at, first))
	}
	if next != "" && m.at != at {
		m.held, m.heldAt = next, m.at
		return nil
	}
	if m.line != at {
		return nil
	}
	return m.skip('\n')
}

func (m *mif) read() error {
	for {
		key, err := m.token()
		if err != nil {
			return err
		}
		if strings.EqualFold(key, "CONTENT") {
			break
		}
		if err := m.header(key); err != nil {
			return err
		}
	}
	if err := m.expect("BEGIN"); err != nil {
		return err
	}
	for {
		t, err := m.token()
		if err != nil {
			return err
		}
		if strings.EqualFold(t, "END") {
			return nil
		}
		if err := m.entry(t); err != nil {
			return err
		}
	}
}

// header reads what a key of the header stands for.
func (m *mif) header(first string) error {
	key := strings.ToUpper(first)
	switch key {
	case "WIDTH", "DEPTH", "ADDRESS_RADIX", "DATA_RADIX":
	default:
		return m.passOver(first, m.at, "")
	}
	if err := m.expect("="); err != nil {
		return err
	}
	value, err := m.token()
	if err != nil {
		return err
	}
	switch key {
	case "WIDTH":
		if value != "32" {
			return fmt.Errorf("its words have %s bits: ask for 32", value)
		}
	case "DEPTH":
		n, err := strconv.ParseUint(value, 10, 64)
		if err != nil || n == 0 {
			return fmt.Errorf("a depth of %s", value)
		}
		m.room = min(m.room, n)
	case "ADDRESS_RADIX", "DATA_RADIX":
		r, ok := radices[strings.ToUpper(value)]
		if !ok {
			return fmt.Errorf("there is no radix %q", value)
		}
		if key == "DATA_RADIX" {
			m.values = r
		} else {
			m.addresses = r
		}
	}
	return m.expect(";")
}

// entry reads an address or a range, of which t is the first token, and its values. Values
// of an address go on to the next ones, those of a range begin again until it is full. What
// is neither is passed over.
func (m *mif) entry(t string) error {
	var first, last uint64
	var err error
	if line := m.at; t == "[" {
		if first, last, err = m.reach(); err != nil {
			return err
		}
		if err := m.expect(":"); err != nil {
			return err
		}
	} else {
		if _, err := strconv.ParseUint(t, m.addresses.base, 64); errors.Is(err, strconv.ErrSyntax) || len(t) > maxToken {
			return m.passOver(t, line, "")
		}
		colon, err := m.token()
		if err != nil {
			return err
		}
		if colon != ":" {
			return m.passOver(t, line, colon)
		}
		if first, err = m.address(t); err != nil {
			return err
		}
		last = m.room // any more may follow
	}
	at := first
	for ; ; at++ {
		t, err := m.token()
		if err != nil {
			return err
		}
		if t == ";" {
			break
		}
		if at > last {
			return errors.New("a range has more values than addresses")
		}
		v, err := m.value(t)
		if err == nil {
			err = m.put(at, v)
		}
		if err != nil {
			return err
		}
	}
	if at == first {
		return errors.New("an address without a value")
	}
	for count := at - first; at <= last && last < m.room; at++ {
		if err := m.put(at, word(m.words[4*(at-count):])); err != nil {
			return err
		}
	}
	return nil
}

// reach reads a range behind its first mark.
func (m *mif) reach() (first, last uint64, err error) {
	var ends [2]uint64
	for i, after := range []string{"..", "]"} {
		t, err := m.token()
		if err != nil {
			return 0, 0, err
		}
		if ends[i], err = m.address(t); err != nil {
			return 0, 0, err
		}
		if err = m.expect(after); err != nil {
			return 0, 0, err
		}
	}
	if ends[0] > ends[1] {
		return 0, 0, errors.New("a range ends before it begins")
	}
	return ends[0], ends[1], nil
}

func (m *mif) address(t string) (uint64, error) {
	n, err := strconv.ParseUint(t, m.addresses.base, 64)
	if err != nil {
		return 0, fmt.Errorf("%q is not an address", t)
	}
	if n >= m.room {
		return 0, fmt.Errorf("address %s is beyond the %d words that there are", t, m.room)
	}
	return n, nil
}

func (m *mif) value(t string) (uint32, error) {
	if len(t) > maxToken {
		return 0, fmt.Errorf("%.20q... is too long", t)
	}
	if m.values.signed && strings.HasPrefix(t, "-") {
		n, err := strconv.ParseInt(t, 10, 32)
		if err != nil {
			return 0, fmt.Errorf("%q is not a value of 32 bits", t)
		}
		return uint32(n), nil
	}
	n, err := strconv.ParseUint(t, m.values.base, 32)
	if err != nil {
		return 0, fmt.Errorf("%q is not a value of 32 bits", t)
	}
	return uint32(n), nil
}

// put writes a word.
func (m *mif) put(at uint64, v uint32) error {
	if at >= m.room {
		return fmt.Errorf("there are values beyond the %d words that there are", m.room)
	}
	if m.work++; m.work > maxWork*m.room {
		return errors.New("it gives the same addresses again and again")
	}
	if need := int(4 * (at + 1)); need > len(m.words) {
		m.words = append(m.words, make([]byte, need-len(m.words))...)
	}
	binary.BigEndian.PutUint32(m.words[4*at:], v)
	return nil
}

// expect reads a token that must be there.
func (m *mif) expect(want string) error {
	t, err := m.token()
	if err == nil && !strings.EqualFold(t, want) {
		err = fmt.Errorf("%.20q stands where %q should", t, want)
	}
	return err
}

// maxToken is the longest token, in bytes: a value in BIN has 32. Of a longer one a byte more
// is kept.
const maxToken = 64

// token returns the next token: a mark, "..", or a word or number. It returns io.EOF where
// the file ends before it.
func (m *mif) token() (string, error) {
	if t := m.held; t != "" {
		m.held, m.at = "", m.heldAt
		return t, nil
	}
	c, err := m.space()
	if err != nil {
		return "", err
	}
	m.at = m.line
	if strings.IndexByte("=;:[]", c) >= 0 {
		return string(c), nil
	}
	if c == '.' {
		if next, err := m.in.Peek(1); err != nil || next[0] != '.' {
			return ".", nil
		}
		m.in.Discard(1)
		return "..", nil
	}
	t := []byte{c}
	for {
		c, err := m.in.ReadByte()
		if err == io.EOF {
			return string(t), nil
		}
		if err != nil {
			return "", err
		}
		if c <= ' ' || strings.IndexByte("=;:[].%-", c) >= 0 {
			return string(t), m.in.UnreadByte()
		}
		if len(t) <= maxToken {
			t = append(t, c)
		}
	}
}

// space skips white space and comments, and returns the byte behind them.
func (m *mif) space() (byte, error) {
	for {
		c, err := m.in.ReadByte()
		switch {
		case err != nil:
			return 0, err
		case c == '\n':
			m.line++
		case c == '%':
			err = m.skip('%')
		case c == '-':
			next, peeked := m.in.Peek(1)
			if peeked != nil || next[0] != '-' {
				return c, nil
			}
			err = m.skip('\n')
		case c > ' ':
			return c, nil
		}
		if err != nil {
			return 0, err
		}
	}
}

// skip skips the rest of a comment, and what ends it.
func (m *mif) skip(end byte) error {
	for {
		c, err := m.in.ReadByte()
		if err != nil {
			return err
		}
		if c == '\n' {
			m.line++
		}
		if c == end {
			return nil
		}
	}
}
