// Package nl is the NetLink side of the driver: another process describes packets, and
// the card sends them (tech doc sections 3.2, 3.5 and 6.1).
//
//	Server   serves a netfpga.Card to the processes of this network namespace
//	Client   sends to such a server, in another process or this one, or to the original's
//	         kernel module
//	Address  where a server is: a netlink protocol and a port id
//	Header   a message; Append... write one, Next and Parse... read one
//
// The life of a packet: Client.Stream or Client.Send put many descriptions into one
// datagram. The server's goroutine receives it, refuses what is not a message, and hands
// the rest to the clock's goroutine, which injects it into the card (server.go). A mark
// goes the same way, and its MARK_HIT comes back when the transmit buffer that holds the
// packet before it has been copied to the card (peer.go).
//
// # Rules
//
// Nothing is lost. If the card is full, the server stops to read, the kernel's buffer
// fills up, and whoever sends with a blocking call waits. A message is taken whole or not
// at all: one that is not as it must be is answered with NLMSG_ERROR and changes nothing.
// The other messages of its datagram count, but for those behind one whose length is
// wrong, or behind the 16th that is refused.
//
// A sender is its port id, and is served in the order of its messages. What is relative is
// relative to its own packet before; its marks are told to it alone, and are forgotten if
// it is found dead, while packets that it sent before still leave.
//
// # Messages
//
// All numbers are in the host's byte order, addresses and ports too: 10.0.0.1 is
// 0x0a000001. A message is a struct nlmsghdr and its body, and begins at a multiple of 4
// bytes in its datagram.
//
//	offset  nlmsghdr       offset  pkt_descr, 48 bytes       offset  pkt_descr, continued
//	 0 u32  nlmsg_len       0 u32  src_ip                    24 u64  departure_time, ns
//	 4 u16  nlmsg_type      4 u32  dst_ip                    32 int  is_absolute
//	 6 u16  nlmsg_flags     8 u16  src_port                  36 int  payload_len
//	 8 u32  nlmsg_seq      10 u16  dst_port                  40 int  custom_data_len
//	12 u32  nlmsg_pid      12 u8   src_mac[6]                44      4 bytes of padding
//	                       18 u8   dst_mac[6]                48      the custom bytes
//
//	type  name       body
//	  16  DELAYS     u64 each: gaps in ns
//	  17  PKT        pkt_descr; the custom bytes are the head of the UDP payload
//	  18  SIM_START  struct timespec: s64 seconds, s64 ns
//	  19  MARK       none
//	  20  MARK_HIT   none; nlmsg_seq is the mark's
//
// An absolute departure_time is a date, in ns since 1970 (CLOCK_REALTIME), or, behind a
// SIM_START, counts from the date in that. Behind DELAYS, the next gap of the list, which
// starts over at its end, is added to the departure_time of every relative packet; an
// empty list ends this. What the original does with these two is not documented: this is
// the start of a simulation coupled to the card, and pktgen's option -D in the place where
// the card is.
//
// While a sender's marks wait it gets an NLMSG_NOOP every five seconds, which netlink has
// programs ignore, and which tells the server whether it is still there.
//
// An addition of ours: the top four bits of nlmsg_flags in a PKT are the number of the
// card's Ethernet port, 0 in the original. With NLM_F_ACK a message is answered also when
// nothing is wrong. NLMSG_ERROR carries a text, in the kernel's form (NLMSGERR_ATTR_MSG).
//
// # Limitations
//
// Only Linux. Only IPv4, as pkt_descr has room for no more. The custom bytes begin where C
// puts what follows a struct, behind its padding on x86-64; a generator built for i386 has
// them at 44. The host's date is read once, when the clock starts: if it is set meanwhile,
// absolute departures keep to the old one.
package nl

import (
	"errors"
	"fmt"
)

// Usersock is NETLINK_USERSOCK, the netlink protocol between processes, and Module the
// number that the original's kernel module has.
const (
	Usersock = 2
	Module   = 17
)

// DefaultPort is the port id of the first card's server: "nf2c". It is larger than any
// process id, which are the port ids that the kernel gives out. Further cards take those
// behind it.
const DefaultPort = 0x6e663263

// Address is where a server can be reached by the processes of a network namespace.
type Address struct {
	Protocol int    // of netlink: Usersock, which 0 stands for, Module, or 23 to 31
	Port     uint32 // its port id; 0 for DefaultPort, or with another protocol for the kernel
}

// complete returns the address with all defaults filled in.
func (a Address) complete() Address {
	if a.Protocol == 0 {
		a.Protocol = Usersock
	}
	if a.Port == 0 && a.Protocol == Usersock {
		a.Port = DefaultPort
	}
	return a
}

// check refuses the protocols that belong to parts of the kernel: to them our messages
// would say something else, such as to delete an interface.
func (a Address) check() error {
	const firstFree, last = 23, 31
	if a.Protocol == Usersock || a.Protocol == Module || a.Protocol >= firstFree && a.Protocol <= last {
		return nil
	}
	return errors.New("that protocol is none of ours: use 2 between processes, or 17 for nf2.ko")
}

// String writes the address as "netlink protocol 2, port id 1852191331".
func (a Address) String() string {
	a = a.complete()
	if a.Port == 0 {
		return fmt.Sprintf("netlink protocol %d, the kernel", a.Protocol)
	}
	return fmt.Sprintf("netlink protocol %d, port id %d", a.Protocol, a.Port)
}
