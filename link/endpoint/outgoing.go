package endpoint

import (
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

// waiting is what is known of a frame that has not left.
type waiting struct {
	written
	flow     *flow
	data     bool      // it is TCP data that the flow keeps account of,
	seq, end pacer.Seq // and these its sequence numbers: the first, and the one behind it
	syn      bool      // it opens the flow
}

func (e *Endpoint) newWaiting(fl *flow) (w *waiting) {
	if n := len(e.spare); n > 0 {
		w = e.spare[n-1]
		e.spare = e.spare[:n-1]
	} else {
		w = new(waiting)
	}
	w.flow = fl
	return w
}

// outgoing makes a frame of a packet, or a super-segment, and puts it behind those that wait;
// or it drops it.
func (e *Endpoint) outgoing(out *written, now clock.Time) {
	pkt := out.pkt
	if pkt.GSOOptions.Type != gstack.GSONone {
		if segment := e.segmentSize(pkt); pkt.Data().Size() > segment {
			e.outgoingSuper(out, segment, now)
			return
		}
	}
	size := pkt.Size()
	if size > e.info.MTU+e.info.Header() {
		e.sent.Drops[link.TooLong]++
		out.parcel.gone(false)
		e.enter()
		pkt.DecRef()
		return
	}
	f := e.pool.Frame(size)
	fill(f.Bytes(), pkt)
	if pkt.GSOOptions.NeedsCsum {
		l4 := e.info.Header() + len(pkt.NetworkHeader().Slice())
		link.CompleteSum(f.Bytes(), l4, l4+header.TCPChecksumOffset)
	}
	f.Measure(e.info.Header())
	if out.parcel.whole != nil {
		if header.IPVersion(f.Bytes()[e.info.Header():]) == header.IPv6Version {
			// A flow without ports, as ICMP errors quote it. Fragments of IPv4 are for
			// routers to cut, and none is an error's.
			e.flows.get(f.Flow).sent(f.Size.IP)
		}
		out.parcel.measure(f)
	}
	e.tag(f, pkt)
	fl := e.flows.get(f.Flow)
	f.Depart, f.Stop = now, fl.stopped
	fl.waiting++
	fl.sent(f.Size.IP)
	w := e.newWaiting(fl)
	f.Origin, f.Cookie = e, w
	if f.Flow.Proto == pacer.ProtoTCP {
		pkt.DecRef() // its bytes are charged until they are acknowledged
		if !e.data(fl, w, tcpHeader(f.Bytes()[e.info.Header():]), f.Size.Payload) {
			e.sent.Drop(f, link.Duplicate)
			return
		}
	} else {
		w.written = *out
	}
	e.put(f)
}

// data notes what a TCP segment carries, and reports false if that waits already.
func (e *Endpoint) data(fl *flow, w *waiting, tcp header.TCP, payload int) bool {
	fl.sequence.sent(tcp, payload)
	if payload == 0 {
		w.syn = fl.loop == nil && tcp.Flags().Contains(header.TCPFlagSyn)
		return true
	}
	w.seq = pacer.Seq(tcp.SequenceNumber())
	w.end = w.seq + pacer.Seq(payload)
	w.data = !fl.tcp.holds(w.seq, w.end)
	return w.data
}

// tag puts on a frame what netstack knows of its packet.
func (e *Endpoint) tag(f *link.Frame, pkt *gstack.PacketBuffer) {
	f.Tag.Mark = pkt.Mark
	if pkt.Owner != nil {
		f.Tag.Owner = pkt.Owner.KUID()
	}
}

// fill copies a packet, with all its headers, to b.
func fill(b []byte, pkt *gstack.PacketBuffer) {
	views, skip := pkt.AsViewList()
	for v := views.Front(); v != nil; v = v.Next() {
		data := v.AsSlice()
		if skip >= len(data) {
			skip -= len(data)
			continue
		}
		b = b[copy(b, data[skip:]):]
		skip = 0
	}
}

// tcpHeader returns the TCP header of a packet of ours, given from its IP header on. The
// packet has been parsed before.
func tcpHeader(ip []byte) header.TCP {
	length := header.IPv6MinimumSize
	if header.IPVersion(ip) == header.IPv4Version {
		length = int(header.IPv4(ip).HeaderLength())
	}
	return header.TCP(ip[length:])
}
