package linktest

import (
	"bytes"
	"net"
	"testing"

	"golang.org/x/sys/unix"
)

// A Tap sees and sends whole packets on the kernel's side of an interface, by a packet socket.
type Tap struct {
	fd   int
	left [][]byte
}

// NewTap returns a Tap of the interface of that name, until the test ends.
func NewTap(t *testing.T, name string) *Tap {
	t.Helper()
	protocol := int(unix.ETH_P_ALL>>8 | unix.ETH_P_ALL&0xff<<8)
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	face, err := net.InterfaceByName(name)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: uint16(protocol), Ifindex: face.Index}); err != nil {
		t.Fatal(err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 16<<20); err != nil {
		t.Log(err)
	}
	return &Tap{fd: fd}
}

// Left returns what the kernel has received so far.
func (p *Tap) Left() [][]byte {
	b := make([]byte, 1<<16)
	for {
		n, from, err := unix.Recvfrom(p.fd, b, 0)
		if err != nil {
			return p.left
		}
		if from.(*unix.SockaddrLinklayer).Pkttype != unix.PACKET_OUTGOING {
			p.left = append(p.left, bytes.Clone(b[:n]))
		}
	}
}

// Arrive has the kernel send a packet.
func (p *Tap) Arrive(b []byte) {
	if _, err := unix.Write(p.fd, b); err != nil {
		panic(err)
	}
}
