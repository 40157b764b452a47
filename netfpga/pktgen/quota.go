package pktgen

import "github.com/netcaliper/caliper/netfpga/drivercomm"

// quota is what the generator owes the driver.
type quota struct {
	host    Host
	offered bool                      // mem holds a message that the driver has not taken
	answer  bool                      // a reset is to be answered
	freed   int32                     // input slots that the driver was not told of
	mem     [drivercomm.ReplyLen]byte // the output slot for messages to the driver
}

// sendSpecial offers the driver the answer to a reset, or tells it of freed input slots
// (tech doc section 5.3).
func (g *Generator) sendSpecial() bool {
	q := &g.quota
	if q.offered {
		return false
	}
	var r drivercomm.Reply
	switch {
	case q.answer:
		q.answer = false
		r.Type, r.Quota = drivercomm.ResetDone, drivercomm.StartQuota
	case q.freed >= drivercomm.QuotaStep:
		r.Type, r.Quota = drivercomm.Quota, q.freed
		q.freed = 0
	default:
		return false
	}
	r.Time = g.counter.Down(g.now())
	q.offered = true
	g.stats.Replies++
	q.host.Offer(r.Put(q.mem[:]))
	return true
}

// Taken tells that the driver has the message that was offered.
func (g *Generator) Taken() {
	g.quota.offered = false
	g.wake()
}
