package stack

import (
	"math"
	"net/netip"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"

	"github.com/netcaliper/caliper/stack/cc"
)

// With a gVisor of another layout (CheckGVisor) a connection keeps netstack's own CUBIC. What
// the link's side measures it measures as ever, and pacers work; the window is what netstack
// tells of it, and nothing of it is set: netstack is not asked for more, and has all that its
// window allows waiting for departure.

// builtin reports whether netstack has its own congestion control.
func (t *tcpSide) builtin() bool { return t.snd == nil }

// beginBuiltin leaves netstack's controller in charge. The one that the connection was to have
// is of the same kind, and is there to be named.
func (t *tcpSide) beginBuiltin(controller cc.Controller) {
	t.take(controller)
	t.words.builtin.Store(true)
	ip := header.IPv6MinimumSize
	if netip.AddrFrom16(t.flow.Src).Is4In6() {
		ip = header.IPv4MinimumSize
	}
	unlock := t.lock()
	options := unusedOptions(t.ep.SendTSOk, t.ep.SACKPermitted)
	if t.ep.SendTSOk {
		options += timestampOption
	}
	unlock()
	// What netstack makes of the device's MTU. What the peer, or the path, takes it does not tell.
	t.conn.MSS = t.host.below.Info().MTU - ip - header.TCPMinimumSize - options
	t.firstMSS = t.conn.MSS
	t.readBuiltin()
}

// readBuiltin says what netstack tells of its window. It is called without the connection's
// lock, which netstack takes.
func (t *tcpSide) readBuiltin() {
	var info tcpip.TCPInfoOption
	t.host.touch()
	if t.ep.GetSockOpt(&info) != nil {
		return
	}
	defer t.lock()()
	t.hear()
	t.recovering = info.CcState == tcpip.FastRecovery || info.CcState == tcpip.SACKRecovery
	t.conn.Cwnd, t.conn.Ssthresh = int(info.SndCwnd), int(info.SndSsthresh)
	if info.SndSsthresh == math.MaxUint32 { // of netstack's largest int
		t.conn.Ssthresh = cc.NoSsthresh
	}
	t.window = t.conn.Cwnd
	t.decided()
}
