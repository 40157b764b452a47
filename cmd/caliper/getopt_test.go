package main

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v2"
)

func TestArrange(t *testing.T) {
	app := newApp(newConsole(os.Stdout, os.Stderr))
	for given, want := range map[string]string{
		"":                                   "",
		"--version":                          "--version",
		"iperf3 -c far -t1 -b10M":            "iperf3 --client=far --time=1 --bitrate=10M",
		"iperf3 -uRt1 -cfar":                 "iperf3 --udp --reverse --time=1 --client=far",
		"iperf3 -t=1 -t -1 -6":               "iperf3 --time=1 --time=-1 --version6",
		"iperf3 --bandwidth=1M --time 5":     "iperf3 --bitrate=1M --time=5",
		"iperf3 --band=1M --rev --json-s":    "iperf3 --bitrate=1M --reverse --json-stream",
		"iperf3 --no-delay=false -N":         "iperf3 --no-delay=false --no-delay",
		"iperf3 -c far stray -t1":            "iperf3 --client=far --time=1 -- stray",
		"iperf3 -T -t -- -u":                 "iperf3 --title=-t -- -u",
		"pktgen -d13560 -Ni10.0.0.2":         "pktgen --delay=13560 --netfpga --destination=10.0.0.2",
		"gaps --log a.pcap --top 3":          "gaps --log --top=3 -- a.pcap",
		"gaps - --json":                      "gaps --json -- -",
		"netthreads run hello --mac 0=none":  "netthreads run --mac=0=none -- hello",
		"netthreads --help":                  "netthreads --help",
		"gaps a.pcap --help":                 "gaps --help",
		"help netthreads run":                "help -- netthreads run",
		"iperf4 -c far":                      "iperf4 -c far",
		"netthreads nosuch --trace -":        "netthreads nosuch --trace -",
		"netthreads run --trace - --classic": "netthreads run --trace=- --delay-slots",
	} {
		got, err := arrange(app, strings.Fields(given), make(spellings))
		if err != nil || !slices.Equal(got, strings.Fields(want)) {
			t.Errorf("%s: %q, %v; want %q", given, got, err, want)
		}
	}
	for given, want := range map[string]string{
		"iperf3 -c far -t":      "-t needs a value",
		"iperf3 -ut":            "-t needs a value",
		"iperf3 --re":           "--re may be --reverse or --repeating-payload",
		"iperf3 --wind 1":       "there is no flag --wind",
		"iperf3 --client":       "--client needs a value",
		"iperf3 -uq":            "there is no flag -q",
		"iperf3 --reverted":     "there is no flag --reverted",
		"iperf3 -w 1M":          "-w is iperf3's, and is not supported",
		"iperf3 --logfile=x":    "--logfile is iperf3's, and is not supported",
		"pktgen -w 1M":          "there is no flag -w",
		"netthreads run --nope": "there is no flag --nope",
		"-t1":                   "there is no flag -t",
	} {
		_, err := arrange(app, strings.Fields(given), make(spellings))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", given, err, want)
		}
	}
}

// TestNotOurs tests that no flag which is called iperf3's alone is one of ours.
func TestNotOurs(t *testing.T) {
	c := iperf3Command(newConsole(os.Stdout, os.Stderr))
	for _, name := range notOurs {
		if slices.ContainsFunc(c.Flags, func(f cli.Flag) bool { return slices.Contains(f.Names(), name) }) {
			t.Errorf("there is a flag %s, which is said not to be supported", name)
		}
	}
}

// FuzzArrange tests that no command line stops the program, and that what was arranged is
// arranged as it is.
func FuzzArrange(f *testing.F) {
	app := newApp(newConsole(os.Stdout, os.Stderr))
	for _, s := range []string{"iperf3 -uRt1 -cfar --seed=3 x -- -y", "netthreads run hello --trace -", "-h", "pktgen -"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		once, err := arrange(app, strings.Fields(s), make(spellings))
		if err != nil {
			return
		}
		if twice, err := arrange(app, once, make(spellings)); err != nil || !slices.Equal(once, twice) {
			t.Errorf("%q: %q, then %q, %v", s, once, twice, err)
		}
	})
}

// TestBarePort has a number for --port, which is the server's port with iperf3's users.
func TestBarePort(t *testing.T) {
	for args, hint := range map[string]string{
		"iperf3 -c 10.99.0.1 --port 5202":      "hint: -p 5202 is the server's port",
		"pktgen -N -i 10.0.0.2 -d1 --port=53":  "hint: --dport 53 is the UDP port",
		"card --port 53 --addr 10.99.0.2/24":   "hint: a port is tun:NAME or tap:NAME or packet:IFACE or pcap:FILE",
		"iperf3 -c far --port pcap:out.pcapng": "hint: a port is wire",
	} {
		if o := caliper(t, strings.Fields(args)...); o.code != exitBadInput || !strings.Contains(o.stderr, hint) {
			t.Errorf("caliper %s: exit code %d\n%s", args, o.code, o.stderr)
		}
	}
}

// TestVersion has both programs' ways to ask.
func TestVersion(t *testing.T) {
	for args, want := range map[string]string{"--version": "caliper version ", "iperf3 -v": "iperf 3.12 (caliper) ", "iperf3 --version": "iperf 3.12 "} {
		if o := succeed(t, strings.Fields(args)...); !strings.HasPrefix(o.stdout, want) || strings.Count(o.stdout, "\n") != 1 {
			t.Errorf("caliper %s: %q", args, o.stdout)
		}
	}
}
