// Package pktgen is the userspace packet generator of tech doc section 2: it decides which
// packet is sent when, and has it sent.
//
//	Plan       when packets leave and how large they are: Gaps and Sizes, listed or drawn
//	Kernel     sends a plan through the kernel's sockets, and waits busily for each time
//	Generator  describes the packets of a plan to the driver of a card
//	Tempo      when the packets of a capture leave
//	Player     gives a card the frames of a capture at a Tempo
//	Tally      what was given to be sent and what left; a Meter under the card fills it in
//
// A schedule is absolute, with what is less than a nanosecond carried on: after any number
// of packets it is off by less than one. A packet that cannot leave at its time leaves as
// soon as it can, and those behind it catch up, back to back, until the schedule is kept
// again. Nothing of the schedule is dropped, and the first packet leaves at its start.
//
// Generator, Player and Kernel belong to the clock's goroutine, but for the methods that
// say otherwise.
package pktgen
