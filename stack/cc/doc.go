// Package cc holds congestion controllers for TCP on package stack.
//
// A Controller decides how many packets of one connection may be in flight. It is a plain
// value without a clock, a lock or a goroutine: package stack tells it what happened, with a
// Conn to read from and to write to. New knows three:
//
//   - Reno is RFC 5681's and, with netstack's recovery, RFC 6582's. The window is counted in
//     packets acknowledged (RFC 3465).
//   - Cubic, the Default, is RFC 9438's with HyStart++, RFC 9406, in its first slow start.
//   - BBR is like BBRv3 of draft-ietf-ccwg-bbr-04. It needs a pacer.
//
// One of your own is a type with four methods. If it is a Sampler as well, it hears of every
// acknowledgement; if it is a Pacing controller, it says the rate, from the first window on.
// A controller serves one connection and keeps what it likes from one call to the next.
//
// All arithmetic is in integers: a run is the same on every machine.
//
// # What is netstack's
//
// Package stack runs controllers on an unmodified gVisor, and what that does by itself is
// not theirs to say:
//
//   - Loss recovery. The window of fast recovery is Ssthresh and three packets, and no Ack
//     comes in it. A retransmission that is lost waits for the timer: RACK is off.
//   - The SACK scoreboard has 100 ranges. Where a slow start overshoots by more, recovery
//     needs the timer too. Hence the care for the end of slow start, below.
//   - After an idle time the window is 10 packets at most. Controllers go on from there.
//   - Windows are whole packets. Fractions are kept here.
//   - A recovery that proves spurious is not told of, nor is ECN: Cubic's section 4.9 and
//     the ECN parts of the RFCs are left out.
//
// # Cubic
//
// HyStart++ looks more sharply than RFC 9406 has it, as round trips are measured at the link
// in ns: with the RFC's 4 ms, queues of a few packets would not be seen to grow. Type hystart
// says what is different. A loss in slow start halves the window, as RFC 5681 does; in
// congestion avoidance 0.7 of it are left.
//
// What remains is that a sender knows one round trip late that the path is full. At 100
// Mbit/s, 20 ms and a queue of 5 packets it has lost some 80 by then, once in a connection.
//
// # BBR
//
// Of the draft there is: the maximum filter of the delivery rate over two cycles of probing,
// the minimum filter of the round trip over 10 s, Startup with its exits by plateau and by
// loss, Drain, the four phases of ProbeBW, ProbeRTT, the long-term and short-term bounds
// that losses set, and the bound of 2 BDP in flight. Left out are:
//
//   - ECN, the spurious loss undo, and the restart from idle.
//   - The estimate of ACK aggregation (extra_acked); three packets are spare instead.
//   - The look at single lost packets: losses are counted by round trip, and what the path
//     held is what it delivered in the last one.
//
// And this is done in another way:
//
//   - UP ends also when a round trip has passed and 1.25 BDP are in flight, as in BBRv2:
//     one round of a short queue and not three of a growing one.
//   - The 15 % headroom in CRUISE is not taken out of the BDP. On a queue of a few packets it
//     would cost a tenth of the rate.
//   - ProbeRTT comes after 10 s and not 5 s without the least round trip, and one within
//     1/64 of it counts as such.
//   - In recovery the rate is no more than the bandwidth, and the window stays what was
//     outstanding when it began.
//
// Beside Cubic, BBR takes the larger share of a path with a short queue, an equal one where
// the queue is about half a BDP, and the smaller one where it is long.
package cc
