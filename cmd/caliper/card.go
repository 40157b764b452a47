package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga/nl"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack/testbed"
)

const cardHelp = `The card runs in real time until it is interrupted, and sends what other processes describe
to it, as the original's driver does:

   caliper card --port tun:cal0 --addr 10.99.0.2/24
   caliper pktgen -N --netlink 0 -I 10.99.0.2 -i 10.99.0.1 -d 100000 -n 1000

Root may send to it, and the user that it runs as. At its end it prints the departures of all
packets. With --card faithful it is the NetThreads machine, as fast as this computer runs it,
and says by how much it was behind the clock.`

func cardCommand(v *console) *cli.Command {
	return &cli.Command{
		Name:            "card",
		Usage:           "serve a card to caliper pktgen -N --netlink in other processes",
		Description:     cardHelp,
		HideHelpCommand: true,
		OnUsageError:    usageError,
		Action: func(c *cli.Context) error {
			t, err := newCardTest(c, v)
			if err == nil {
				err = t.run()
			}
			return orHelp(err, c.Command.Name)
		},
		Flags: append(append(portFlags("tun", "tap", "packet", "pcap"), cardFlags("native", "faithful")...),
			netlinkFlag("0", "netlink port `ID` to serve at; 0 for the first card's"),
			&cli.BoolFlag{Name: "original", Usage: "answer senders, and make packets, as the original's kernel module did (go doc ./netfpga/nl)"},
			jsonFlag(),
		),
	}
}

// cardTest is one call of the command.
type cardTest struct {
	console *console
	json    bool
	setup   setup
	config  nl.Config
}

func newCardTest(c *cli.Context, v *console) (*cardTest, error) {
	t := &cardTest{console: v, json: c.Bool("json")}
	if c.Args().Present() {
		return nil, badInput(nil, "%q is not a flag", c.Args().First())
	}
	id, err := strconv.ParseUint(c.String("netlink"), 10, 32)
	if err != nil {
		return nil, badInput(nil, "--netlink %s is not a netlink port id", c.String("netlink"))
	}
	t.config.Port, t.config.Original = uint32(id), c.Bool("original")
	if !c.IsSet("port") {
		return nil, badInput(nil, "give the card a port").hint("for instance --port tun:cal0 --addr 10.99.0.2/24, or --port pcap:out.pcapng")
	}
	if strings.HasPrefix(c.String("port"), "wire") {
		return nil, badInput(nil, "--port %s: a wire is in virtual time, and other processes are not", c.String("port")).
			hint("give --port tun:NAME or --port pcap:FILE")
	}
	if t.setup, err = readSetup(c, "tun", "tap", "packet", "pcap"); err != nil {
		return nil, err
	}
	t.setup.Real = true
	t.setup.bare(false)
	return t, t.setup.meet()
}

// cardReport is what the command prints.
type cardReport struct {
	Port     string `json:"port"`
	Netlink  uint32 `json:"netlink"` // port id
	Messages uint64 `json:"messages"`
	Refused  uint64 `json:"refused"`
	Denied   uint64 `json:"denied"` // of these, those of users who may not send
	counted

	// Behind is by how many ns the faithful card's machine was behind the clock at most.
	Behind int64 `json:"machine_behind_ns,omitempty"`
}

// text writes the report for a terminal.
func (s *cardReport) text(card string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d messages, %d refused", s.Messages, s.Refused)
	if s.Denied > 0 {
		fmt.Fprintf(&b, ", of these %d of users who may not send", s.Denied)
	}
	fmt.Fprintf(&b, "\n%s", s.Departures)
	if card == "faithful" {
		fmt.Fprintf(&b, "card: faithful, up to %v behind the clock\n", time.Duration(s.Behind))
	}
	fmt.Fprintf(&b, "port: %s\n", s.Port)
	if s.Interface != nil {
		fmt.Fprintf(&b, "%v\n", s.Interface)
	}
	fmt.Fprintf(&b, "%s\n", realClock(s.TraceHash))
	return b.String()
}

func (t *cardTest) run() error {
	defer tuneRuntime(false)()
	stop, signalled := t.console.watch()
	defer stop()
	b, err := t.setup.open(t.console, nil)
	if err != nil {
		return err
	}
	up, cancel := whileUp(signalled, b)
	defer cancel()
	err = t.serve(b, up)
	if lost := lost(b); lost != nil {
		err = lost
	}
	if closed := t.setup.close(b); err == nil {
		err = closed
	}
	if err == nil {
		err = wasInterrupted()
	}
	return err
}

// serve serves the card until the context ends, and prints what left.
func (t *cardTest) serve(b *testbed.Testbed, ctx context.Context) error {
	near := b.Host("near")
	b.Do(func() { near.Top.Attach(testbed.Discard{}) })
	server, err := nl.Listen(b.Clock().(*clock.Real), near.Card, &t.config)
	if err != nil {
		return failed(err, "").hint("is there another card? give this one another --netlink ID")
	}
	v := t.console
	if !t.json {
		fmt.Fprintf(v, "the card serves netlink port id %d to %s; its port is %v\n", server.Address().Port, whoMaySend(), t.setup.port)
	}
	for ended := false; !ended; {
		select {
		case <-ctx.Done():
			ended = true
		case <-time.After(lookAtCard):
			b.Do(func() { ended = near.Card.Err() != nil })
		}
	}

	s := cardReport{Port: t.setup.port.String(), Netlink: server.Address().Port}
	b.Do(func() {
		stats := server.Stats()
		s.Messages, s.Refused, s.Denied = stats.Messages, stats.Refused, stats.Denied
		server.Close()
	})
	b.Drain(lastDepartures)
	b.Do(func() {
		s.counted, _ = count(b, link.Drops{}, near)
		c := near.Card.Counters()
		s.Behind = c.Get("machine_behind_ns")
	})
	if t.json {
		err = writeJSON(v, s)
	} else {
		_, err = io.WriteString(v, s.text(t.setup.card))
	}
	if err != nil {
		return failed(err, "write the result")
	}
	if err := server.Err(); err != nil {
		return err
	}
	if near.Card.Err() == nil && s.Messages == 0 { // and so nothing was to be sent
		return nil
	}
	return t.setup.firmwareFault(v, near.Card, s.Departures.Packets)
}

// whoMaySend returns the users who may.
func whoMaySend() string {
	if id := os.Geteuid(); id != 0 {
		return fmt.Sprintf("root and user %d", id)
	}
	return "root"
}

// lookAtCard is how often the program of a faithful card is asked whether it has failed.
const lookAtCard = 100 * time.Millisecond

// lastDepartures is how long a card that was interrupted goes on sending what it has taken.
const lastDepartures = 2 * time.Second
