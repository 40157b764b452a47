package firmware

// slice is for how many cycles a machine in real time runs before the clock's other events
// have their turn, above all the departures of what it has launched: 10 us.
const slice = 1250

// bound returns how far a machine that is to go to a cycle runs now. In real time it may be
// slower than the card's, as it depends on the program and on this computer how fast it is:
// it is behind the clock then, and what it does late is late.
func (g *Generator) bound(cycle uint64) uint64 {
	if !g.real || g.machine.Idle() {
		return cycle
	}
	return min(cycle, max(g.machine.Cycle()+slice, g.machine.Quiet()))
}

// again has a machine that did not come as far as it should go on after what is due now.
func (g *Generator) again() {
	now := g.clk.Now()
	g.stats.Behind = max(g.stats.Behind, now.Sub(g.counter.Time(g.tick(g.machine.Cycle()))))
	g.timer.ResetAt(now)
}
