package pcap

import (
	"bytes"
	"encoding/binary"
	"io"
	"net/netip"

	"github.com/netcaliper/caliper/pacer"
)

// A file is a capture in the making.
type file struct {
	bytes.Buffer
	order interface {
		binary.ByteOrder
		binary.AppendByteOrder
	}
}

func (f *file) u16(v ...int) {
	for _, x := range v {
		f.Write(f.order.AppendUint16(nil, uint16(x)))
	}
}

func (f *file) u32(v ...int) {
	for _, x := range v {
		f.Write(f.order.AppendUint32(nil, uint32(x)))
	}
}

func (f *file) pad() { f.Write(make([]byte, -f.Len()&3)) }

// block writes a pcapng block around what body writes.
func (f *file) block(kind int, body func(*file)) {
	in := &file{order: f.order}
	body(in)
	in.pad()
	f.u32(kind, in.Len()+12)
	f.Write(in.Bytes())
	f.u32(in.Len() + 12)
}

func (f *file) section() {
	f.block(blockSection, func(f *file) {
		f.u32(byteOrderMagic)
		f.u16(1, 0)
		f.u32(-1, -1)
	})
}

// option writes one option.
func (f *file) option(code int, value []byte) {
	f.u16(code, len(value))
	f.Write(value)
	f.pad()
}

// iface describes an interface.
func (f *file) iface(linkType LinkType, name string, resolution ...byte) {
	f.block(blockInterface, func(f *file) {
		f.u16(int(linkType), 0)
		f.u32(0)
		f.option(optionName, []byte(name))
		if len(resolution) > 0 {
			f.option(optionResolution, resolution)
		}
		f.option(optionEnd, nil)
	})
}

// packet writes a packet of length bytes, of which those in data are in the file.
func (f *file) packet(id int, stamp uint64, flags int, data []byte, length int) {
	f.block(blockPacket, func(f *file) {
		f.u32(id, int(stamp>>32), int(stamp), len(data), length)
		f.Write(data)
		f.pad()
		f.option(1, []byte("a comment"))
		f.option(optionFlags, f.order.AppendUint32(nil, uint32(flags)))
		f.option(optionEnd, nil)
	})
}

var ipFlow = pacer.FlowOf(pacer.ProtoUDP, netip.MustParseAddrPort("10.0.0.1:4000"), netip.MustParseAddrPort("10.0.0.2:5201"))

// udp4 returns an IP packet of ipFlow with a payload of n bytes.
func udp4(n int) []byte {
	b := make([]byte, 28+n)
	b[0], b[8], b[9] = 0x45, 64, 17
	binary.BigEndian.PutUint16(b[2:], uint16(len(b)))
	copy(b[12:], []byte{10, 0, 0, 1, 10, 0, 0, 2})
	binary.BigEndian.PutUint16(b[20:], 4000)
	binary.BigEndian.PutUint16(b[22:], 5201)
	binary.BigEndian.PutUint16(b[24:], uint16(8+n))
	return b
}

// ethernet puts an Ethernet header with VLAN tags before an IP packet.
func ethernet(ip []byte, tags ...int) []byte {
	b := make([]byte, 12)
	for _, tag := range tags {
		b = binary.BigEndian.AppendUint16(b, uint16(tag))
		b = binary.BigEndian.AppendUint16(b, 42)
	}
	return append(append(b, 0x08, 0x00), ip...)
}

// readAll reads a file to its end or to what is wrong with it.
func readAll(b []byte) (all []Packet, r *Reader, err error) {
	if r, err = NewReader(bytes.NewReader(b), 1<<11); err != nil {
		return nil, r, err
	}
	for {
		p, err := r.Next()
		if err == io.EOF {
			return all, r, nil
		}
		if err != nil {
			return all, r, err
		}
		p.Bytes = bytes.Clone(p.Bytes)
		all = append(all, p)
	}
}

// little and big are new files in either byte order.
func little() *file { return &file{order: binary.LittleEndian} }
func big() *file    { return &file{order: binary.BigEndian} }
