package testbed

import (
	"time"

	"golang.org/x/sys/unix"

	"github.com/netcaliper/caliper/pacer/clock"
)

// slice is for how long the thread that packets leave on wants the processor at a time: with
// less than others it gets it sooner when it wakes (EEVDF, Linux 6.12).
const slice = 100 * time.Microsecond

// StartClock starts the clock of a testbed in real time. Its thread has no higher priority
// than others: with one, who receives on this machine has no turn for many packets.
func StartClock() *clock.Real {
	clk := clock.NewReal()
	clk.Do(func() {
		a, err := unix.SchedGetAttr(0, 0)
		if err == nil && a.Policy == unix.SCHED_NORMAL {
			a.Runtime = uint64(slice)
			_ = unix.SchedSetAttr(0, a, 0) // older kernels have one slice for all
		}
	})
	return clk
}
