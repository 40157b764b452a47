// Package simulator runs programs on the NetThreads machine without a card: the simulator
// of tech doc section 4.5.
//
//	ParseSpec   reads what a port of the card is connected to: captures, a tap interface
//	Simulation  gives the machine the packets that arrive, and takes those that it sends
//	Report      is what came of it, as text and JSON
//
// # Packets in
//
//	capture or tap -> queue of the port -> input slot -> the program
//
// A packet of a capture arrives as long after cycle 0 as it stands behind the first packet
// of its file, in cycles of 8 ns, rounded up. A frame of a tap arrives when it is there: the
// machine has no clock of its own and runs as fast as it can, or waits when it is idle.
//
// Each port has a queue of 8 KiB. Its packets go to the input slots that the program gives
// to the hardware, in turn with those of other ports, and are dropped at a full queue, as
// the hardware does it (tech doc section 3.4). With Config.Lossless they wait instead, in
// the capture or the kernel.
//
// On the card only port 0 of the host's is connected to the processors (tech doc section
// 4.1): a simulation that connects the others departs from it.
//
// # Packets out
//
// Each packet is written down, or sent into the tap, once for every port that its IOQ header
// names, with the cycle in which its first word left the output memory. How it fares at the
// MAC behind that is not simulated.
//
// # The end
//
// A run ends when nothing can happen any more: when the machine is idle for ever and no
// input is left, which it does not find out when it traces, simulates caches or skips
// nothing. A program that counts the rounds of the 32-bit time register is never idle: its
// run ends when no packet and no line of text came for such a round, of 34 s, unless
// Config.Cycles says when. With a tap there is no end but these cycles and the context's.
//
// # Limitations
//
// The queue's size is an assumption, and a slot that becomes free is seen up to 16 cycles
// later, or 0.4 % of the time for which nothing has happened. Captured packets that were cut are offered as they are, and counted. Taps are
// Linux's.
package simulator
