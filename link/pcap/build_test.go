package pcap

import (
	"bytes"
	"encoding/binary"
	"io"
)

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
