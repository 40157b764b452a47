package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/netfpga"
	machine "github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/programs"
	"github.com/netcaliper/caliper/stack/testbed"
)

// What the card is: its largest IP packet in bytes, and its line speed in bit/s.
const (
	cardMTU   = 1500
	cardSpeed = 1e9
)

// cardUsage says of each kind of card what it is.
var cardUsage = map[string]string{
	"native":   "native, the 1 Gbit/s NetFPGA",
	"faithful": "faithful, the same with the NetThreads machine and its firmware",
	"none":     "none, where software paces",
}

// cardFlags say which card sends, of the kinds.
func cardFlags(kinds ...string) []cli.Flag {
	var usage []string
	for _, k := range kinds {
		usage = append(usage, cardUsage[k])
	}
	return []cli.Flag{
		&cli.StringFlag{Name: "card", Value: "native", Usage: "`CARD` that sends: " + strings.Join(usage, "; or ")},
		&cli.StringFlag{Name: "firmware", Usage: "with --card faithful: `IMAGE` that the card runs, a file or one that is built in (default: pktgen)"},
	}
}

// fullPayloadFlag says how much of a frame crosses the faithful card's bus.
func fullPayloadFlag(with string) cli.Flag {
	return &cli.BoolFlag{Name: "full-payload", Usage: with + ": carry frames whole over the bus, and not 200 bytes of them"}
}

// readCard reads which card sends, nil for none.
func readCard(c *cli.Context, kind string) (*testbed.CardConfig, error) {
	card := &testbed.CardConfig{Kind: kind, Firmware: c.String("firmware"), FullPayload: c.Bool("full-payload")}
	switch kind {
	case "native", "none":
		for _, name := range []string{"firmware", "full-payload"} {
			if c.IsSet(name) {
				return nil, badInput(nil, "--%s is for the faithful card", name).hint("give --card faithful")
			}
		}
		if kind == "none" {
			return nil, nil
		}
		return card, nil
	case testbed.Faithful:
	default:
		return nil, badInput(nil, "--card %s: there is no such card", kind).hint("give native, faithful or none")
	}
	if c.IsSet("firmware") {
		warn := func(what string) { fmt.Fprintf(c.App.ErrWriter, "caliper: %s\n", what) }
		if _, err := programs.Open(card.Firmware, warn); err != nil {
			return nil, badInput(err, "--firmware %s", card.Firmware)
		}
	}
	return card, nil
}

// cutPayload is how many bytes of a segment surely cross the faithful card's bus: of
// 200 there are at most 14 + 40 + 20 + 40 of headers.
const cutPayload = 200 - 14 - 40 - 20 - 40

// cut is how much of a segment's payload arrives, 0 for all.
func (s *setup) cut() int {
	if card := s.near().Card; card == nil || card.Kind != testbed.Faithful || card.FullPayload {
		return 0
	}
	return cutPayload
}

// firmwareFault returns what stopped the program of a faithful card that has sent so many
// packets, with all that the machine reports of it; nil if it runs, or there is none.
func (s *setup) firmwareFault(v *console, card *netfpga.Card, sent uint64) error {
	switch {
	case s.card != testbed.Faithful || card == nil:
		return nil
	case card.Err() == nil && sent == 0:
		return failed(nil, "the card's program sent no packet").
			hint("is it one that takes the driver's messages? The built-in one is pktgen; hello and bounce are for caliper netthreads run")
	case card.Err() == nil:
		return nil
	}
	var fault *machine.Fault
	if errors.As(card.Err(), &fault) {
		v.remark(errors.New(fault.Report()))
	}
	return failed(card.Err(), "").hint("`caliper netthreads run` runs the program by itself, and --trace shows its instructions")
}
