package main

import (
	"errors"
	"fmt"
	"strings"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/netfpga"
	machine "github.com/netcaliper/caliper/netfpga/netthreads"
	"github.com/netcaliper/caliper/netfpga/netthreads/programs"
)

// cardSpec says what sends: what --card, --firmware and --full-payload are given.
type cardSpec struct {
	kind  string // native, faithful or none; "" for a host that sends no data
	image *machine.Image
	full  bool // frames cross the bus whole
}

// cutPayload is how many bytes of a segment surely cross the faithful card's bus: of
// 200 there are at most 14 + 40 + 20 + 40 of headers.
const cutPayload = 200 - 14 - 40 - 20 - 40

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

// inRealTime refuses the card that is too slow for it.
func (s *cardSpec) inRealTime() error {
	if s.kind == "faithful" {
		return badInput(nil, "--card faithful runs in virtual time only, but for `caliper card`").hint("give no real port, or --card native")
	}
	return nil
}

// readCard reads which card sends.
func readCard(c *cli.Context, kind string) (cardSpec, error) {
	s := cardSpec{kind: kind, full: c.Bool("full-payload")}
	switch kind {
	case "native", "none":
		for _, name := range []string{"firmware", "full-payload"} {
			if c.IsSet(name) {
				return s, badInput(nil, "--%s is for the faithful card", name).hint("give --card faithful")
			}
		}
		return s, nil
	case "faithful":
	default:
		return s, badInput(nil, "--card %s: there is no such card", kind).hint("give native, faithful or none")
	}
	if c.IsSet("firmware") {
		var err error
		if s.image, err = programs.Open(c.String("firmware"), func(what string) { fmt.Fprintf(c.App.ErrWriter, "caliper: %s\n", what) }); err != nil {
			return s, badInput(err, "--firmware %s", c.String("firmware"))
		}
	}
	return s, nil
}

// name is what the card is called in reports.
func (s *cardSpec) name() string {
	if s.kind == "" {
		return "native"
	}
	return s.kind
}

// config returns the card's configuration.
func (s *cardSpec) config() *netfpga.Config {
	if s.kind != "faithful" {
		return nil
	}
	return &netfpga.Config{Firmware: &netfpga.Firmware{Image: s.image, FullPayload: s.full}}
}

// cut is how much of a segment's payload arrives, 0 for all.
func (s *cardSpec) cut() int {
	if s.kind != "faithful" || s.full {
		return 0
	}
	return cutPayload
}

// firmwareFault returns what stopped the program of a card that has sent so many packets,
// with all that the machine reports of it; nil if it runs.
func (s *cardSpec) firmwareFault(v *console, card *netfpga.Card, sent uint64) error {
	switch {
	case s.kind != "faithful" || card == nil:
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
