package main

import (
	"context"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/traffic"
	"github.com/netcaliper/caliper/stack/testbed"
)

// A source has packets sent.
type source interface {
	Start(lead time.Duration)
	Stop()
}

// pktgenCard is a testbed whose host near has a source of packets in the place of TCP/IP:
//
//	source -> hold, of a replay -> card -> monitor -> trace -> capture -> the port
type pktgenCard struct {
	*testbed.Testbed
	near     *testbed.Host
	counters *traffic.Counters
	source   source
	player   *traffic.Player // the source of a replay
}

// openCard puts it together.
func (t *pktgenTest) openCard() (*pktgenCard, error) {
	g := &pktgenCard{counters: traffic.NewCounters()}
	var err error
	if g.Testbed, err = t.setup.open(t.console, g.monitor); err != nil {
		return nil, err
	}
	g.near = g.Host("near")
	g.Do(func() {
		g.near.Top.Attach(testbed.Discard{})
		if t.capture != nil {
			g.player = traffic.NewPlayer(g.Clock(), g.near.Top, t.capture, t.replay, g.counters)
			g.source = g.player
			return
		}
		g.source = traffic.NewGenerator(g.Clock(), &t.plan, g.counters, func(ready func()) traffic.Injector {
			return &injector{g.near.Card.NewSender(netfpga.SenderConfig{Ready: ready}), t.like()}
		})
	})
	return g, nil
}

// monitor counts what leaves. It is called while the testbed is made.
func (g *pktgenCard) monitor(b *testbed.Testbed, below link.Device) link.Device {
	return traffic.NewMonitor(below, b.Clock(), cardSpeed, g.counters)
}

// injector has a card's driver make the packets of a generator.
type injector struct {
	sender *netfpga.Sender
	packet netfpga.Description
}

// Inject implements traffic.Injector.
func (i *injector) Inject(p *traffic.Packet) error {
	describe(&i.packet, p)
	return i.sender.Inject(&i.packet)
}

// like returns what all packets of a plan have in common, as a card's driver is told.
func (t *pktgenTest) like() netfpga.Description {
	return netfpga.Description{Src: t.src, Dst: t.dst, DstMAC: t.mac}
}

// describe says how large a packet is and when it leaves.
func describe(d *netfpga.Description, p *traffic.Packet) {
	d.Payload, d.Absolute, d.Departure = p.Payload, p.Absolute, p.Departure
}

// throughCard sends through a card of this process, or without one by a replay's own times.
func (t *pktgenTest) throughCard(signalled context.Context) error {
	g, err := t.openCard()
	if err != nil {
		if t.capture != nil {
			t.capture.Close()
		}
		return err
	}
	if t.capture != nil { // a read of it may wait, and in virtual time the run with it
		defer context.AfterFunc(signalled, func() { t.capture.Close() })()
	}
	g.Do(func() { g.source.Start(lead) })
	if g.World() != nil {
		t.advance(g, signalled)
	} else {
		up, cancel := whileUp(signalled, g.Testbed)
		t.await(g.counters, up)
		cancel()
	}
	f := t.findings(g)
	closed := t.setup.close(g.Testbed)
	if g.player != nil {
		g.player.Close()
		r := g.player.Replayed()
		f.Replay = &r
	}
	if err = t.setup.firmwareFault(t.console, g.near.Card, f.Departures.Packets); err == nil {
		err = t.failure(g, signalled)
	}
	if err = t.finish(f, err, signalled); err == nil {
		err = closed
	}
	return err
}

// failure returns what ended a run before its end.
func (t *pktgenTest) failure(g *pktgenCard, signalled context.Context) error {
	err := g.counters.Err()
	switch {
	case err != nil && t.capture != nil && signalled.Err() != nil: // the signal closed the file
		return nil
	case err != nil && t.capture != nil:
		return failed(err, "--replay %s", t.file)
	case err != nil:
		return failed(err, "")
	}
	return lost(g.Testbed)
}

// advance runs the virtual time until all has left, and what waits at the wire is on it.
func (t *pktgenTest) advance(g *pktgenCard, signalled context.Context) {
	began := time.Now()
	clk := g.World().Clock()
	over := func() bool {
		select {
		case <-g.counters.Over():
			return true
		default:
			return false
		}
	}
	for n := 1; !over() && clk.Step(); n++ {
		if n%4096 != 0 {
			continue
		}
		if signalled.Err() != nil {
			return
		}
		virtual := clk.Now().Sub(0)
		t.console.show("%s, %.1f s in virtual time, %.1f x real time", t.progress(g.counters.Left()), virtual.Seconds(), virtual.Seconds()/time.Since(began).Seconds())
	}
	for g.Waiting() > 0 && clk.Step() {
	}
}

// findings gathers what was written down.
func (t *pktgenTest) findings(g *pktgenCard) *pktgenFindings {
	f := &pktgenFindings{findings: t.setup.findings(t.describe())}
	if t.capture == nil {
		f.Flow = pacer.FlowOf(pacer.ProtoUDP, t.src, t.dst).String()
	}
	g.Do(func() {
		g.source.Stop()
		f.counted, _ = count(g.Testbed, link.Drops{}, g.near)
		f.Sent = g.counters.Summary()
	})
	return f
}
