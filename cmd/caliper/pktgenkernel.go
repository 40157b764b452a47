package main

import (
	"context"

	"github.com/netcaliper/caliper/cmd/caliper/internal/socket"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/pacer/traffic"
	"github.com/netcaliper/caliper/stack/testbed"
)

// pktgenKernel is the way through the kernel's sockets.
type pktgenKernel struct {
	*socket.Sender
	clk      *clock.Real
	counters *traffic.Counters
}

// newPktgenKernel opens the socket.
func newPktgenKernel(t *pktgenTest) (*pktgenKernel, error) {
	g := &pktgenKernel{clk: testbed.StartClock(), counters: traffic.NewCounters()}
	var err error
	if g.Sender, err = socket.Open(g.clk, t.dst, t.src.Port()); err != nil {
		g.clk.Close()
		return nil, failed(err, "").hint("ip route get %v shows which way packets to it go", t.dst.Addr())
	}
	if err := t.checkSizes(g.MTU()); err != nil {
		g.close()
		return nil, err
	}
	g.Departures.Tick = testbed.RealTick
	g.Begin(&t.plan, g.counters)
	return g, nil
}

func (g *pktgenKernel) close() {
	g.clk.Close()
	g.Close()
}

// throughKernel sends through the kernel's socket.
func (t *pktgenTest) throughKernel(signalled context.Context) error {
	g, err := newPktgenKernel(t)
	if err != nil {
		return err
	}
	defer g.close()
	g.clk.Do(func() { g.Start(lead) })
	t.await(g.counters, signalled)
	f := &pktgenFindings{findings: findings{Clock: "real", Card: "none", Port: "kernel", Pacer: t.describe(), Seed: t.setup.Seed}}
	g.clk.Do(func() {
		g.Stop()
		f.Departures, f.Sent, f.NoRoom = g.Departures.Report(), g.counters.Summary(), g.Full
	})
	f.Flow = g.Flow().String()
	if err = g.counters.Err(); err != nil {
		err = failed(err, "")
	}
	return t.finish(f, err, signalled)
}
