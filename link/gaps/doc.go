// Package gaps measures what a capture shows of the times between packets.
//
//	Reader     takes packets out of a capture: time, flow, sizes
//	Analysis   takes packet by packet and keeps histograms for each flow
//	Report     is what came of it, as text and JSON; Flow.Draw makes a picture of one flow
//
// A capture shows when packets passed, and not when they were asked to. What was asked for
// is computed: a pacer.Pacer is asked for a departure for each packet, as it was when the
// packets were sent, and the distances of its answers are compared with those in the file.
//
// A series is one flow as one interface saw it in one direction: a file that has a packet
// both as it left one host and as it reached another shows it in two series.
//
// # Memory
//
// It does not grow with the file. Of a packet no more is read than its headers. There are
// at most maxSeries series; packets of others are counted. Their histograms hold at most
// maxBins bins each and binBudget in all: they tell every nanosecond apart until more
// distinct values come than that, and then become coarser by powers of two. The worst file
// costs some 150 MB.
//
// # Limits
//
// A packet that hardware cut into several after it was captured counts as one. Those of
// link/pcap, which reads the file.
package gaps
