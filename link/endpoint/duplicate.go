package endpoint

import "gvisor.dev/gvisor/pkg/tcpip/header"

// waitingData is which TCP data of a flow waits for its departure. The flow's frames leave
// in the order in which they were written, and so it is what lies between two sequence
// numbers, which wrap.
type waitingData struct {
	left, written uint32 // what has left ends before left; what was written, before written
}

// holds reports whether the data from seq to end waits already, and notes it if it does
// not.
func (d *waitingData) holds(seq, end uint32) bool {
	switch {
	case d.left == d.written: // nothing waits
		d.left, d.written = seq, end
	case !before(seq, d.left) && !before(d.written, end):
		return true
	case before(d.written, end):
		d.written = end
	}
	return false
}

// departed notes that the data before end has left or was dropped.
func (d *waitingData) departed(end uint32) {
	if before(d.left, end) && !before(d.written, end) {
		d.left = end
	}
}

func before(a, b uint32) bool { return int32(a-b) < 0 }

// sequence returns the sequence number of a TCP packet, given from its IP header on. The
// packet has been parsed before.
func sequence(ip []byte) uint32 {
	length := header.IPv6MinimumSize
	if header.IPVersion(ip) == header.IPv4Version {
		length = int(header.IPv4(ip).HeaderLength())
	}
	return header.TCP(ip[length:]).SequenceNumber()
}
