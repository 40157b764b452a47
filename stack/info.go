package stack

import "gvisor.dev/gvisor/pkg/tcpip/header"

// SendWindow returns the window that the peer offers, in bytes of payload (snd_wnd of
// Linux' tcp_info); 0 with another gVisor (CheckGVisor), which does not tell. In real time it
// must not be called from the clock's goroutine.
func (c *TCPConn) SendWindow() int64 {
	defer c.loop.tcp.lock()()
	if c.loop.tcp.builtin() {
		return 0
	}
	return int64(c.loop.tcp.snd.SndWnd)
}

// PMTU returns the largest IP packet in bytes that the path is known to carry: the
// device's MTU, or less where ICMP has said so (RFC 1191, 8201), unless it is another gVisor
// (CheckGVisor), which does not tell.
func (c *TCPConn) PMTU() int {
	mtu := c.host.below.Info().MTU
	mss := int(c.loop.words.mss.Load())
	if mss == c.loop.firstMSS { // the peer's MSS is no word on the path
		return mtu
	}
	ip := header.IPv4MinimumSize
	if c.remote.Addr().Is6() {
		ip = header.IPv6MinimumSize
	}
	return min(mtu, mss+ip+header.TCPMinimumSize+header.TCPOptionsMaximumSize)
}

// Buffers returns the sizes of the socket's buffers in bytes: what may wait to be sent and
// acknowledged, and what may have come and not been read.
func (s *socket) Buffers() (send, receive int) {
	o := s.ep.SocketOptions()
	return int(o.GetSendBufferSize()), int(o.GetReceiveBufferSize())
}
