// Package iperf3 speaks iperf3's protocol, as client and as server, and reports as
// iperf3 3.12 does: the same lines of text, the same keys of JSON.
//
// A Client runs one test and a Server one test after another, both on a Host: the
// sockets, the clock and the tasks of the machine. KernelHost is the machine's own; other
// hosts are a userspace stack in real time, or one in virtual time where all tasks are
// coroutines of one goroutine. What was measured comes back as a Result.
//
// # The control connection
//
// The client sends a cookie, and then the server leads with states of one byte:
//
//	client                       server
//	cookie                   →
//	                         ←   PARAM_EXCHANGE, or ACCESS_DENIED when it is busy
//	parameters (JSON)        →
//	                         ←   CREATE_STREAMS
//	streams, each with the cookie, or a hello datagram and its answer
//	                         ←   TEST_START, TEST_RUNNING
//	data, for as long as the client wants
//	TEST_END                 →
//	                         ←   EXCHANGE_RESULTS
//	results (JSON)           ↔   results (JSON)
//	                         ←   DISPLAY_RESULTS
//	IPERF_DONE               →
//
// # Rules
//
// Nothing here blocks but in the Host's calls and in the calls of its connections. There
// are no channels and no goroutines; a task that waits on the control connection is woken
// by moving its read deadline into the past. One task owns a test: the one that reads the
// control connection. The tasks of its streams only count, each under its stream's lock.
//
// # Rate
//
// A rate is iperf3's: payload bit/s of one stream. Where the Host paces, it spaces the
// frames and holds the writer back: there is one schedule, the pacer's. Otherwise the writer
// keeps to the rate itself, block by block.
//
// # What is sent
//
// Where the Host knows, the sender's lines count what has left, not what was written. A
// client that sends has ended its test when that is the same: what it has written has left
// and, over TCP, the server has acknowledged it, or it does not go on any more and is
// lost. That is some milliseconds after the time that was asked for, and part of the last
// interval.
//
// # Limitations
//
//   - No SCTP, authentication, zero copy, files, bursts, and no choice of window, MSS or
//     type of service. A server ignores a client's wish for those.
//   - A client's UDP datagrams carry 1448 bytes over IPv4 and 1428 over IPv6 unless told
//     otherwise, what an Ethernet path takes whole; iperf3 asks the control connection for
//     its MSS.
//   - At the end a receiver counts what has arrived when it hears of the end, or says so,
//     as iperf3 does: what is on its way then is not counted.
//   - Where time is virtual, processor time is reported as 0.
package iperf3
