package simulator

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/netcaliper/caliper/netfpga/drivercomm"
)

// A Spec says what a port is connected to.
type Spec struct {
	Host   bool // a DMA port of the host, not a MAC
	Number int  // from 0 to drivercomm.MaxPorts-1

	In, Out string // captures; "" is none
	Tap     string // name of the interface, "" for none
}

// ParseSpec reads the number of a port, and what it is connected to:
//
//	N=pcap:IN[,OUT]   packets arrive from the capture IN, and are written to OUT in pcapng;
//	                  either can be left out
//	N=tap:NAME        a tap interface, made if there is none of that name
//	N=none            nothing
func ParseSpec(host bool, s string) (Spec, error) {
	p := Spec{Host: host}
	number, rest, ok := strings.Cut(s, "=")
	if !ok {
		return p, errors.New("it is not of the form N=SPEC")
	}
	n, err := strconv.ParseUint(number, 10, 8)
	if err != nil || n >= drivercomm.MaxPorts {
		return p, fmt.Errorf("%q is not a port from 0 to %d", number, drivercomm.MaxPorts-1)
	}
	p.Number = int(n)
	kind, rest, _ := strings.Cut(rest, ":")
	switch kind {
	case "pcap":
		p.In, p.Out, _ = strings.Cut(rest, ",")
		if p.In == "" && p.Out == "" {
			return p, errors.New("pcap needs a file to read, to write, or both")
		}
	case "tap":
		p.Tap = rest
		if rest == "" || len(rest) > 15 || rest == "." || rest == ".." || strings.ContainsFunc(rest, unfit) {
			return p, fmt.Errorf("%q cannot be the name of an interface: use up to 15 letters, digits, - and _", rest)
		}
	case "none":
		if rest != "" {
			return p, errors.New("none takes nothing")
		}
	default:
		return p, fmt.Errorf("a port is connected to pcap:IN[,OUT], tap:NAME or none, and not to %q", kind)
	}
	return p, nil
}

// unfit are the characters that Linux does not let into the name of an interface, or
// would expand.
func unfit(r rune) bool { return r <= ' ' || r == '/' || r == ':' || r == '%' || r >= 0x7f }

// port is the number by which programs know the port: its bit in the IOQ header.
func (p Spec) port() int {
	if p.Host {
		return 2*p.Number + 1
	}
	return 2 * p.Number
}

// Name returns "mac 0", "host 0", and so on.
func (p Spec) Name() string { return portName(p.port()) }

func portName(port int) string {
	return fmt.Sprintf("%s %d", [...]string{"mac", "host"}[port%2], port/2)
}
