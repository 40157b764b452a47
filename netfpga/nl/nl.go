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
//	offset  nlmsghdr       offset  pkt_descr                 offset  pkt_descr, continued
//	 0 u32  nlmsg_len       0 u32  src_ip                    24 u64  departure_time, ns
//	 4 u16  nlmsg_type      4 u32  dst_ip                    32 int  is_absolute
//	 6 u16  nlmsg_flags     8 u16  src_port                  36 int  payload_len
//	 8 u32  nlmsg_seq      10 u16  dst_port                  40 int  custom_data_len
//	12 u32  nlmsg_pid      12 u8   src_mac[6]                44      4 bytes of padding, on i386 none
//	                       18 u8   dst_mac[6]                48      the custom bytes, on i386 at 44
//
//	type  name       body
//	  16  DELAYS     u64 each: gaps in ns
//	  17  PKT        pkt_descr; the custom bytes are the head of the UDP payload
//	  18  SIM_START  struct timespec: s64 seconds, s64 ns; on i386 s32 and s32
//	  19  MARK       none
//	  20  MARK_HIT   none; nlmsg_seq is the mark's
//
// A server takes both layouts, as the original's generator and module were built for i386.
// The length of the message tells which: behind the 44 bytes of a pkt_descr there are
// custom_data_len bytes and less than 4 of padding, or 4 more in front of them; and a timespec
// has 8 bytes, or 16. A Client writes that of x86-64.
//
// An absolute departure_time counts from the date in the last SIM_START, and without one from
// 1970 (CLOCK_REALTIME). Behind DELAYS, the next gap of the list, which starts over at its
// end, is added to the departure_time of every relative packet; an empty list ends this.
//
// # The original's module
//
// Config.Original has a server do as that does. Otherwise it differs on purpose:
//
//	                                     the original's           this server
//	absolute times without a SIM_START   count from when the      are dates
//	                                     card's clock began
//	a second MARK in a transmit buffer   EBUSY                    is hit, too
//	a payload of 1473 to 2000 bytes      cut to 1472              an error that says why
//	custom bytes beyond the payload      cut                      an error that says why
//	DELAYS                               passed over              gaps, as above
//	unknown types                        passed over              EOPNOTSUPP
//	the port in nlmsg_flags              none                     as below
//	IP identification, DF                counts up, not set       0, set
//	UDP checksum                         0                        that of the packet
//	a src_mac of zeros                   stands in the frame      stands for the card's own
//
// A Client serves itself of what both have: it sends a SIM_START first and counts from that,
// sets no two marks behind one packet, and sets one again that is refused with EBUSY.
//
// # Who may send
//
// Whoever sends to a card may put any packet on the wire: a server takes messages from root
// and from its own user, and answers others with EPERM (Config.AllUsers). A client takes
// answers from root and from its own user only, and sends nothing before there was one: port
// ids are given to the first that asks. The users are those that the kernel adds to each message
// (SCM_CREDENTIALS), as this user namespace has them.
//
// While a sender's marks wait it gets an NLMSG_NOOP every five seconds, which netlink has
// programs ignore, and which tells the server whether it is still there.
//
// An addition of ours: the top four bits of nlmsg_flags in a PKT are the number of the
// card's Ethernet port, 0 in the original. With NLM_F_ACK a message, an NLMSG_NOOP too, is
// answered also when nothing is wrong. NLMSG_ERROR carries a text, in the kernel's form
// (NLMSGERR_ATTR_MSG).
//
// # Limitations
//
// Only Linux. Only IPv4, as pkt_descr has room for no more. The host's date is read once,
// when the clock starts: if it is set meanwhile, absolute departures keep to the old one.
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
