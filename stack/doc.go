// Package stack is a host: TCP/IP on gVisor's netstack above a chain of devices, with the
// sockets of package net.
//
//	Host    has addresses, and Dial, DialContext, Listen and ListenPacket
//	World   hosts in virtual time, and the processes that use them
//
// A Host above a device on the real clock is used from any goroutine. A Host of a World
// is used from the processes of that world, which are coroutines: a blocked Read lets
// the world go on, and costs no time but what the world says. Without a process, from
// functions called by the clock, everything works too but never blocks: what would block
// returns ErrWouldBlock, and Notify tells when to try again.
//
// Dates are the world's, which begins in 1970: deadlines are Host.Now().Add(d), contexts
// come from World.WithTimeout. What was made with time.Now is refused. Run ends with
// ErrDeadlock when its process waits for what does not come, and the error says who waits
// where. Only the processes use the hosts: another goroutine gets ErrOutside, and so does Run.
//
// # Settings
//
// CUBIC, SACK, buffers of 8 MiB, minimum RTO as Config says, and RACK off, as the RACK of
// this netstack loses the order of segments sent at one instant. There is no delayed ACK
// and no tail loss probe. ICMP echo is answered, if it fits a frame. Of ICMP errors those
// count that quote a packet on its way.
//
// # Reproducible
//
// A world runs on one goroutine. After each event the stack it touched is brought to
// rest before anything else happens: segments of open connections are processed on that
// goroutine (inline.go), and for others netstack's is waited for. All randomness comes from
// the world's seed: the same seed gives the same frames at the same times, on any number of
// processors.
//
// # Limits
//
// One interface a host. Routes are the prefixes of its addresses and one gateway. In a
// world, code that starts goroutines of its own, as net/http's Server and Transport do,
// does not see virtual time: such code runs on hosts in real time. UDP sockets do not share
// ports.
package stack
