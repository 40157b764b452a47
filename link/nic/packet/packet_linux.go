package packet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/nic"
)

// needs is which right a packet socket takes, and two ways to get it.
const needs = "it needs CAP_NET_RAW: run it as root, or in a namespace of its own that has an interface," +
	" which `unshare -Urn` opens, or allow it once with `sudo setcap cap_net_raw+ep $(which caliper)`"

// open joins the interface. All that it changes there ends with the sockets.
func open(c *Config) (face, error) {
	on, err := net.InterfaceByName(c.Interface)
	if err != nil {
		return face{}, fmt.Errorf("%w: `ip link` lists those that there are", err)
	}
	if on.Flags&net.FlagUp == 0 {
		return face{}, fmt.Errorf("the interface is down: bring it up with `ip link set %s up`", c.Interface)
	}
	p, err := newSockets(on)
	if err != nil {
		return face{}, err
	}
	if err = p.isEthernet(); err == nil {
		err = c.settle(on.HardwareAddr, on.MTU)
	}
	if err == nil {
		err = p.listen(on, c.Address)
	}
	if err != nil {
		p.Close()
		return face{}, err
	}
	info := link.Info{Name: on.Name, MTU: c.MTU, Address: c.Address, Speed: speed(p.send, on.Name)}
	return face{backend: p, info: info, index: on.Index}, nil
}

// sockets is the back end: one socket for each direction, as only the frames that are
// received have an offload's header.
type sockets struct {
	recv   *nic.Descriptor
	send   int // not known to Go's poller, which every frame that has left would wake
	handed handed
}

// newSockets opens the sockets. They receive nothing yet.
func newSockets(on *net.Interface) (p *sockets, err error) {
	p = new(sockets)
	if p.send, err = socket(); err != nil {
		return nil, err
	}
	recv, err := socket()
	if err == nil {
		p.recv, err = nic.NewDescriptor(os.NewFile(uintptr(recv), "packet socket"))
	}
	if err != nil {
		unix.Close(p.send)
		return nil, err
	}
	if err := p.prepareSend(on); err != nil {
		p.Close()
		return nil, err
	}
	return p, nil
}

// socket opens a packet socket without a protocol, which receives nothing.
func socket() (int, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	switch {
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return 0, fmt.Errorf("%w: %s", err, needs)
	case err != nil:
		return 0, fmt.Errorf("open: %w", err)
	}
	return fd, nil
}

func (p *sockets) prepareSend(on *net.Interface) error {
	if err := unix.SetsockoptInt(p.send, unix.SOL_PACKET, unix.PACKET_QDISC_BYPASS, 1); err != nil {
		return fmt.Errorf("send past the queueing discipline: %w", err)
	}
	if err := unix.Bind(p.send, &unix.SockaddrLinklayer{Ifindex: on.Index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// isEthernet refuses interfaces with another link header, or none.
func (p *sockets) isEthernet() error {
	name, err := unix.Getsockname(p.send)
	if err != nil {
		return fmt.Errorf("ask for the kind of interface: %w", err)
	}
	if a, ok := name.(*unix.SockaddrLinklayer); !ok || a.Hatype != unix.ARPHRD_ETHER || a.Halen != 6 {
		return errors.New("the interface is not an Ethernet")
	}
	return nil
}

// receiveBuffer is how much the kernel may keep until we read it, in bytes of its memory,
// where it lets us have as much: some 7000 full frames.
const receiveBuffer = 16 << 20

// listen begins to receive what is for the address.
func (p *sockets) listen(on *net.Interface, address net.HardwareAddr) error {
	if unix.SetsockoptInt(p.recv.FD(), unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, receiveBuffer) != nil {
		// Without CAP_NET_ADMIN we have what net.core.rmem_max lets everybody have.
		if err := unix.SetsockoptInt(p.recv.FD(), unix.SOL_SOCKET, unix.SO_RCVBUF, receiveBuffer); err != nil {
			return fmt.Errorf("set the buffer: %w", err)
		}
	}
	program := filter(address)
	fprog := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.SetsockoptSockFprog(p.recv.FD(), unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &fprog); err != nil {
		return fmt.Errorf("attach the filter: %w", err)
	}
	if err := unix.SetsockoptInt(p.recv.FD(), unix.SOL_PACKET, unix.PACKET_VNET_HDR, 1); err != nil {
		return fmt.Errorf("ask for what is left to the card: %w", err)
	}
	if err := unix.SetsockoptInt(p.recv.FD(), unix.SOL_PACKET, unix.PACKET_IGNORE_OUTGOING, 1); err != nil {
		return fmt.Errorf("leave out what the kernel sends: %w", err)
	}
	all := binary.NativeEndian.Uint16([]byte{0, unix.ETH_P_ALL}) // in network order
	if err := unix.Bind(p.recv.FD(), &unix.SockaddrLinklayer{Protocol: all, Ifindex: on.Index}); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	// The card shall not filter our address out.
	mreq := unix.PacketMreq{Ifindex: int32(on.Index), Type: unix.PACKET_MR_PROMISC}
	if err := unix.SetsockoptPacketMreq(p.recv.FD(), unix.SOL_PACKET, unix.PACKET_ADD_MEMBERSHIP, &mreq); err != nil {
		return fmt.Errorf("set promiscuous mode: %w", err)
	}
	return nil
}

// filter returns the program that lets through, without a VLAN tag, what is addressed to
// a or to a group.
func filter(a net.HardwareAddr) []unix.SockFilter {
	const (
		loadByte = unix.BPF_LD | unix.BPF_B | unix.BPF_ABS
		loadHalf = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		loadWord = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		equal    = unix.BPF_JMP | unix.BPF_JEQ | unix.BPF_K
		bits     = unix.BPF_JMP | unix.BPF_JSET | unix.BPF_K
		ret      = unix.BPF_RET | unix.BPF_K

		// SKF_AD_VLAN_TAG_PRESENT of linux/filter.h: tags are kept beside the frame.
		tagged = 0xfffff000 + 48
	)
	return []unix.SockFilter{
		{Code: loadWord, K: tagged},
		{Code: equal, K: 0, Jf: 7},
		{Code: loadByte, K: 0},
		{Code: bits, K: 1, Jt: 4}, // a group's address
		{Code: loadWord, K: 2},
		{Code: equal, K: uint32(a[2])<<24 | uint32(a[3])<<16 | uint32(a[4])<<8 | uint32(a[5]), Jf: 3},
		{Code: loadHalf, K: 0},
		{Code: equal, K: uint32(a[0])<<8 | uint32(a[1]), Jf: 1},
		{Code: ret, K: 0x7fffffff}, // all of it
		{Code: ret, K: 0},
	}
}

// Read implements nic.Backend.
func (p *sockets) Read(to *nic.Receiver, wait bool) error {
	n, err := p.recv.Read(p.handed.pieces(to), wait)
	return p.took(to, n, err)
}

// took takes in the outcome of a read.
func (p *sockets) took(to *nic.Receiver, n int, err error) error {
	switch {
	case err == nil:
		p.handed.take(to, n)
	case errors.Is(err, unix.EINVAL): // the kernel cannot describe it
		to.Lose(link.Malformed, 1)
	case errors.Is(err, unix.ENETDOWN):
		return nic.ErrDown
	default:
		return err
	}
	return nil
}

// Write implements nic.Backend.
func (p *sockets) Write(b []byte) error { return nic.Write(p.send, b) }

// Lost implements nic.Backend. The kernel's counter starts afresh when it is asked for.
func (p *sockets) Lost() uint64 {
	s, err := unix.GetsockoptTpacketStats(p.recv.FD(), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		return 0
	}
	return uint64(s.Drops)
}

// Close implements nic.Backend.
func (p *sockets) Close() error {
	return errors.Join(p.recv.Close(), unix.Close(p.send))
}
