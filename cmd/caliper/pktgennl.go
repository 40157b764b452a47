package main

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"strconv"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/netfpga/nl"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/traffic"
)

// netlinkLead is how long before the first departure the descriptions begin to go to a
// card in another process, as with the original generator.
const netlinkLead = time.Second

// notOverNetlink are the flags of what the process has that the card is in.
var notOverNetlink = []string{"port", "addr", "pcap", "trace-hash", "replay"}

// readNetlink reads where a running card is.
func (t *pktgenTest) readNetlink(c *cli.Context) error {
	if !c.IsSet("netlink") {
		if c.IsSet("netlink-protocol") {
			return badInput(nil, "--netlink-protocol is for --netlink")
		}
		return nil
	}
	for _, name := range notOverNetlink {
		if c.IsSet(name) {
			return badInput(nil, "--%s and --netlink exclude each other", name).
				hint("the process that the card is in has its port, and is told of descriptions only")
		}
	}
	id, err := strconv.ParseUint(c.String("netlink"), 10, 32)
	if err != nil {
		return badInput(nil, "--netlink %s is not a netlink port id", c.String("netlink")).
			hint("0 stands for %d, that of the first card", uint32(nl.DefaultPort))
	}
	protocol := c.Int("netlink-protocol")
	if protocol < 1 || protocol > 31 {
		return badInput(nil, "--netlink-protocol %d is not from 1 to 31", protocol).
			hint("%d is for a card in another process, %d for the original's kernel module", nl.Usersock, nl.Module)
	}
	t.netlink = &nl.Address{Protocol: protocol, Port: uint32(id)}
	return nil
}

// described are what the command prints when the card is in another process, which has the
// departures.
type described struct {
	Clock   string  `json:"clock"`
	Card    string  `json:"card"`
	Pacer   string  `json:"pacer"`
	Seed    uint64  `json:"seed"`
	Flow    string  `json:"flow"`
	Packets uint64  `json:"packets"` // that the driver was told of
	Payload uint64  `json:"payload_bytes"`
	Seconds float64 `json:"seconds"` // that it took until all were on the card
	Error   string  `json:"error,omitempty"`

	refused bool // some of them, or all
}

// overNetlink describes the packets to a card in another process.
func (t *pktgenTest) overNetlink(signalled context.Context) error {
	client, err := nl.Dial(*t.netlink)
	if err != nil {
		return failed(err, "")
	}
	defer client.Close()
	f := &described{Clock: "real", Card: t.netlink.String(), Pacer: t.describe(), Seed: t.setup.Seed,
		Flow: pacer.FlowOf(pacer.ProtoUDP, t.src, t.dst).String()}
	began := time.Now()
	err = client.Stream(signalled, nl.Window{}, t.counted(traffic.Packets(&t.plan, began.Add(netlinkLead)), f))
	f.Seconds = time.Since(began).Seconds()
	f.refused = errors.As(err, new(*nl.Error))
	if err != nil {
		f.Error = err.Error()
	}
	t.console.done()
	if wrote := f.write(t); wrote != nil {
		return failed(wrote, "write the result")
	}
	switch {
	case signalled.Err() != nil:
		return wasInterrupted()
	case f.refused:
		return failed(err, "").hint("what it refused did not leave; the process with the card may say more")
	case err != nil:
		return failed(err, "")
	}
	return nil
}

// counted describes packets, counts them, and shows how many there were.
func (t *pktgenTest) counted(packets iter.Seq[traffic.Packet], f *described) iter.Seq[netfpga.Description] {
	return func(yield func(netfpga.Description) bool) {
		d := t.like()
		for p := range packets {
			describe(&d, &p)
			if !yield(d) {
				return
			}
			f.Packets++
			f.Payload += uint64(d.Payload)
			t.console.show("%s", t.progress(f.Packets))
		}
	}
}

// write writes the findings as text or as JSON.
func (f *described) write(t *pktgenTest) error {
	if t.json {
		return writeJSON(t.console, f)
	}
	refused := ""
	if f.refused {
		refused = ", which did not take them all"
	}
	_, err := fmt.Fprintf(t.console, "%s\n%s described in %.3f s to %s%s\npacer: %s; the process with the card has the departures\n",
		f.Flow, link.Count(f.Packets, "packet"), f.Seconds, f.Card, refused, f.Pacer)
	return err
}
