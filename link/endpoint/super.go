package endpoint

import (
	"gvisor.dev/gvisor/pkg/tcpip/header"
	gstack "gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
)

var _ gstack.GSOEndpoint = (*Endpoint)(nil)

// SupportedGSO implements GSOEndpoint: TCP is cut here, or below.
func (e *Endpoint) SupportedGSO() gstack.SupportedGSO {
	if e.config.Segments {
		return gstack.GSONotSupported
	}
	return gstack.HostGSOSupported
}

// GSOMaxSize implements GSOEndpoint: an IP packet, in bytes.
func (*Endpoint) GSOMaxSize() uint32 { return link.MaxSuper - link.EthernetHeader }

// segmentSize returns how much payload a frame of a TCP packet carries at most, in bytes: what
// netstack says, which is made for segments without SACK blocks, less those that the packet
// has. Linux does the same (tcp_current_mss).
func (e *Endpoint) segmentSize(pkt *gstack.PacketBuffer) int {
	tcp := pkt.TransportHeader().Slice()
	return min(int(pkt.GSOOptions.MSS)-blocks(tcp), e.info.MTU-len(pkt.NetworkHeader().Slice())-len(tcp))
}

// blocks returns how many bytes the SACK blocks take of a TCP header that netstack has made:
// what its options are more than a time stamp, which is first where there is one.
func blocks(tcp header.TCP) int {
	const timestamp = 12 // two NOPs, and 10
	options := tcp.Options()
	if len(options) >= timestamp && options[2] == header.TCPOptionTS {
		options = options[timestamp:]
	}
	return len(options)
}

// super is a super-segment, and the packet that its bytes are in. It is its Cutter.
type super struct {
	link.Super
	endpoint *Endpoint
	pkt      *gstack.PacketBuffer
	flow     *flow
	seq      pacer.Seq // of the next frame
	views    [][]byte
}

func (e *Endpoint) newSuper() *super {
	if n := len(e.supers); n > 0 {
		s := e.supers[n-1]
		e.supers = e.supers[:n-1]
		return s
	}
	return &super{endpoint: e}
}

// outgoingSuper sends a packet of TCP with more payload than a segment, cut where the device
// below does not take it whole.
func (e *Endpoint) outgoingSuper(out *written, segment int, now clock.Time) {
	pkt := out.pkt
	s := e.newSuper()
	s.pkt = pkt
	first := s.look()
	ip := e.info.Header()
	l4 := ip + len(pkt.NetworkHeader().Slice())
	if !s.Set(first, ip, l4, pacer.ProtoTCP, segment, s.views...) { // the MTU is less than the headers
		e.sent.Drops[link.TooLong]++
		s.Release(nil)
		return
	}
	f := s.Frame(&e.pool, s)
	f.Flow, f.Size = pacer.ParseCut(first[ip:], pkt.Size()-ip)
	f.Tag.DSCP, f.Tag.Label = pacer.ParseTag(first[ip:])
	e.tag(f, pkt)
	fl := e.flows.get(f.Flow)
	f.Depart, f.Stop = now, fl.stopped
	tcp := header.TCP(first[l4:])
	s.flow, s.seq = fl, pacer.Seq(tcp.SequenceNumber())
	fl.sent(s.Longest() - ip)
	fl.sequence.sent(tcp, f.Size.Payload)
	fl.waiting += s.Frames()
	fresh := fl.tcp.fresh(s.seq)
	if fresh && pkt.Size() <= e.info.Super {
		fl.tcp.holds(s.seq, s.seq+pacer.Seq(f.Size.Payload))
		e.put(f)
		return
	}
	for c := f.Cut(); c != nil; c = f.Cut() {
		w := c.Cookie.(*waiting)
		if w.data = !fl.tcp.holds(w.seq, w.end); w.data {
			e.put(c)
		} else {
			e.sent.Drop(c, link.Duplicate)
		}
	}
	f.Free()
}

// look finds the pieces of the packet, and returns the first, with all headers.
func (s *super) look() (first []byte) {
	views, skip := s.pkt.AsViewList()
	s.views = s.views[:0]
	for v := views.Front(); v != nil; v = v.Next() {
		switch data := v.AsSlice(); {
		case skip >= len(data):
			skip -= len(data)
		case first == nil:
			first = data[skip:]
		default:
			s.views = append(s.views, data)
		}
	}
	return first
}

// Cut implements link.Cutter.
func (s *super) Cut(_, f *link.Frame) {
	w := s.endpoint.newWaiting(s.flow)
	w.data, w.seq = true, s.seq
	s.seq += pacer.Seq(f.Size.Payload)
	w.end = s.seq
	f.Origin, f.Cookie = s.endpoint, w
}

// Release implements link.Owner: all is cut off, and netstack has its bytes back.
func (s *super) Release(*link.Frame) {
	s.pkt.DecRef()
	s.Clear()
	clear(s.views)
	s.pkt, s.flow = nil, nil
	s.endpoint.supers = append(s.endpoint.supers, s)
}
