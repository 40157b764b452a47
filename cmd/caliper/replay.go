package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/link/pcap"
	"github.com/netcaliper/caliper/pacer/traffic"
	"github.com/netcaliper/caliper/stack/testbed"
)

// replayFlags say what caliper pktgen replays, and how.
var replayFlags = []cli.Flag{
	&cli.StringFlag{Name: "replay", Usage: "with -N: send the packets of the pcap or pcapng `FILE` at their own times; - is standard input"},
	&cli.StringFlag{Name: "filter", Usage: "with --replay: only the packets of `FLOW`, as caliper gaps prints it or parts of that: \"tcp > :5201\", \"sent at near\""},
	&cli.StringFlag{Name: "speed", Value: "1", Usage: "with --replay: `X` times as fast"},
	&cli.StringFlag{Name: "pps", Usage: "with --replay: `N` packets a second, whatever their times were"},
	&cli.StringFlag{Name: "mbps", Usage: "with --replay: `N` Mbit/s of frames, without FCS, preamble and gap"},
	&cli.BoolFlag{Name: "topspeed", Usage: "with --replay: as fast as the line takes them"},
	&cli.StringFlag{Name: "loop", Value: "1", Usage: "with --replay: `N` times, 0 without an end"},
	mtuFlag("with --replay: send what has up to `BYTES` of IP; more than 1500, jumbo frames, with --card none"),
}

// tempos are the flags that say how fast: one of them.
var tempos = []string{"speed", "pps", "mbps", "topspeed"}

// readReplay reads what is replayed, and opens the file.
func (t *pktgenTest) readReplay(c *cli.Context) (err error) {
	r := &t.replay
	r.Packets, r.Duration = t.plan.Packets, t.plan.Duration
	r.MTU, r.Ethernet = t.setup.near().MTU, t.setup.port.kind != "tun"
	copy(r.Src[:], testbed.MAC(0))
	copy(r.Dst[:], testbed.MAC(1))
	if err := t.readTempo(c); err != nil {
		return err
	}
	if r.Filter, err = pcap.ParseFilter(c.String("filter")); err != nil {
		return badInput(err, "--filter %s", c.String("filter")).hint(`for instance --filter "10.0.0.1 >", or --filter "sent at near"`)
	}
	if r.Passes, err = strconv.ParseUint(c.String("loop"), 10, 32); err != nil {
		return badInput(nil, "--loop %s is not a number of times from 0 on", c.String("loop"))
	}
	t.file = pcap.NameOf(c.String("replay"))
	if t.capture, err = pcap.Open(c.String("replay"), pcap.MaxKept); err != nil {
		return badInput(err, "--replay")
	}
	if err = t.checkFiles(r.Passes != 1); err != nil {
		t.capture.Close()
	}
	return err
}

// readTempo reads how fast.
func (t *pktgenTest) readTempo(c *cli.Context) (err error) {
	var given []string
	for _, name := range tempos {
		if c.IsSet(name) {
			given = append(given, "--"+name)
		}
	}
	if len(given) > 1 {
		return badInput(nil, "%s exclude each other", strings.Join(given, " and ")).hint("each says how fast packets leave: give one")
	}
	r := &t.replay.Tempo
	for name, v := range map[string]*traffic.Speed{"speed": &r.Speed, "pps": &r.PPS, "mbps": &r.Mbps} {
		if s := c.String(name); s != "" || c.IsSet(name) {
			if *v, err = traffic.ParseSpeed(s); err != nil {
				return badInput(err, "--%s", name)
			}
		}
	}
	if c.Bool("topspeed") {
		r.Line = t.lineSpeed()
	}
	return nil
}

// lineSpeed is the speed of the line that takes the frames of a replay, in bit/s: the
// card's, or without a card that of a wire.
func (t *pktgenTest) lineSpeed() int64 {
	p := &t.setup.port
	if t.setup.card != "none" || p.kind != "wire" {
		return cardSpeed
	}
	if p.Line > 0 {
		return p.Line
	}
	return p.Rate
}

// checkFiles refuses to write to the file that is replayed, and to read a pipe twice.
func (t *pktgenTest) checkFiles(again bool) error {
	source := t.capture.Stat()
	if again && !source.Mode().IsRegular() {
		return badInput(nil, "--loop: %s cannot be read twice", t.file)
	}
	for _, name := range []string{t.setup.near().Capture, t.setup.port.name} {
		if info, err := os.Stat(name); err == nil && os.SameFile(info, source) {
			return badInput(nil, "%s is replayed and cannot be written to", t.file)
		}
	}
	return nil
}

// describe says what is sent: the pacer of the report.
func (t *pktgenTest) describe() string {
	if t.capture == nil {
		return fmt.Sprintf("gaps %v, payloads %v", t.plan.Gaps, t.plan.Sizes)
	}
	return fmt.Sprintf("replay of %s, %v", t.file, t.replay.Tempo)
}
