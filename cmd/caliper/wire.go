package main

import (
	"fmt"

	"github.com/netcaliper/caliper/link/wire"
)

// wireReport is what the emulated wire did to the frames.
type wireReport struct {
	Frames    uint64 `json:"frames"` // both directions
	Dropped   uint64 `json:"dropped"`
	Waiting   uint64 `json:"waiting"`    // for the wire when the test was over
	QueuePeak int    `json:"queue_peak"` // frames
	// QueueMean is how many frames waited on average, at the fuller end.
	QueueMean float64 `json:"queue_mean"`
}

// wireReport gathers what the wires did so far. Where one end sends nearly all, its queue
// is the fuller one.
func (b *bench) wireReport() *wireReport {
	r := new(wireReport)
	for _, w := range b.wires {
		sent, _ := w.Stats()
		r.Frames += sent.Frames
		r.Dropped += sent.Dropped()
		r.Waiting += uint64(w.Waiting())
		q := w.Queue()
		r.QueuePeak = max(r.QueuePeak, q.MaxFrames)
		r.QueueMean = max(r.QueueMean, q.Mean(wire.Queue{}))
	}
	return r
}

func (r *wireReport) String() string {
	waiting := ""
	if r.Waiting > 0 {
		waiting = fmt.Sprintf(", %d waiting at the end", r.Waiting)
	}
	return fmt.Sprintf("wire: %d frames, %d dropped%s, in the queue %.1f on average and at most %d",
		r.Frames, r.Dropped, waiting, r.QueueMean, r.QueuePeak)
}
