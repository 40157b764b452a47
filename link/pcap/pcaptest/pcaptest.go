// Package pcaptest makes capture files for tests, byte by byte and in either byte order, so
// that they can be what package pcap itself would never write.
package pcaptest

import (
	"bytes"
	"encoding/binary"
	"net/netip"

	"github.com/netcaliper/caliper/pacer"
)

// A File is a capture in the making. Little and Big return new ones.
type File struct {
	bytes.Buffer
	Order Order
}

// Order is that of the bytes: binary.LittleEndian or binary.BigEndian.
type Order interface {
	binary.ByteOrder
	binary.AppendByteOrder
}

// Part returns what write puts into a file, to be joined with others.
func Part(order Order, write func(*File)) []byte {
	f := &File{Order: order}
	write(f)
	return f.Bytes()
}

// Little returns a new file in little-endian order.
func Little() *File { return &File{Order: binary.LittleEndian} }

// Big returns a new file in big-endian order.
func Big() *File { return &File{Order: binary.BigEndian} }

// Kinds of pcapng's blocks.
const (
	section    = 0x0a0d0d0a
	interfaces = 1
	packets    = 6
)

// Codes of pcapng's options.
const (
	optionEnd        = 0
	optionComment    = 1
	optionFlags      = 2 // of a packet
	optionName       = 2 // of an interface
	optionResolution = 9
)

// U16 writes numbers of 16 bits.
func (f *File) U16(v ...int) {
	for _, x := range v {
		f.Write(f.Order.AppendUint16(nil, uint16(x)))
	}
}

// U32 writes numbers of 32 bits.
func (f *File) U32(v ...int) {
	for _, x := range v {
		f.Write(f.Order.AppendUint32(nil, uint32(x)))
	}
}

// Pad fills up to four bytes.
func (f *File) Pad() { f.Write(make([]byte, -f.Len()&3)) }

// Block writes a pcapng block around what body writes.
func (f *File) Block(kind int, body func(*File)) {
	in := &File{Order: f.Order}
	body(in)
	in.Pad()
	f.U32(kind, in.Len()+12)
	f.Write(in.Bytes())
	f.U32(in.Len() + 12)
}

// Section begins a pcapng file.
func (f *File) Section() {
	f.Block(section, func(f *File) {
		f.U32(0x1a2b3c4d)
		f.U16(1, 0)
		f.U32(-1, -1)
	})
}

// Option writes one option.
func (f *File) Option(code int, value []byte) {
	f.U16(code, len(value))
	f.Write(value)
	f.Pad()
}

// Interface describes an interface, with the value of if_tsresol if there is one.
func (f *File) Interface(linkType int, name string, resolution ...byte) {
	f.Block(interfaces, func(f *File) {
		f.U16(linkType, 0)
		f.U32(0)
		f.Option(optionName, []byte(name))
		if len(resolution) > 0 {
			f.Option(optionResolution, resolution)
		}
		f.Option(optionEnd, nil)
	})
}

// Packet writes a packet of length bytes, of which those in data are in the file.
func (f *File) Packet(id int, stamp uint64, flags int, data []byte, length int) {
	f.Block(packets, func(f *File) {
		f.U32(id, int(stamp>>32), int(stamp), len(data), length)
		f.Write(data)
		f.Pad()
		f.Option(optionComment, []byte("a comment"))
		f.Option(optionFlags, f.Order.AppendUint32(nil, uint32(flags)))
		f.Option(optionEnd, nil)
	})
}

// Flow is that of UDP4.
var Flow = pacer.FlowOf(pacer.ProtoUDP, netip.MustParseAddrPort("10.0.0.1:4000"), netip.MustParseAddrPort("10.0.0.2:5201"))

// UDP4 returns an IP packet of Flow with a payload of n bytes.
func UDP4(n int) []byte {
	b := make([]byte, 28+n)
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(b[20:], 4000)
	binary.BigEndian.PutUint16(b[22:], 5201)
	binary.BigEndian.PutUint16(b[24:], uint16(8+n))
	return b
}

// An Endless is a capture to read as often as it takes: Head once, and Body again and again.
type Endless struct {
	Head, Body []byte

	i int
}

func (e *Endless) Read(b []byte) (int, error) {
	if len(e.Head) > 0 {
		n := copy(b, e.Head)
		e.Head = e.Head[n:]
		return n, nil
	}
	n := copy(b, e.Body[e.i:])
	if e.i += n; e.i == len(e.Body) {
		e.i = 0
	}
	return n, nil
}
