// Package traffic decides which packet is sent when, and has it sent: the userspace packet
// generator of tech doc section 2, and the replay of captures.
//
//	Plan       when packets leave and how large they are: Gaps and Sizes, listed or drawn
//	           from a Dist
//	Generator  gives the packets of a plan to an Injector, such as the driver of a card
//	Tempo      when the packets of a capture leave
//	Player     gives a device the frames of a capture at a Tempo
//	Counters   count what was given to be sent and what left; a Monitor under the card says
//	           what left
//
// A schedule is absolute, with what is less than a nanosecond carried on: after any number
// of packets it is off by less than one. A packet that cannot leave at its time leaves as
// soon as it can, and those behind it catch up, back to back, until the schedule is kept
// again. Nothing of the schedule is dropped, and the first packet leaves at its start.
//
// Generator and Player belong to the clock's goroutine, but for the methods that say
// otherwise.
package traffic
