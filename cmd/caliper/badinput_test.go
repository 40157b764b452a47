package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// badInputs are command lines that are refused before anything is opened, with what the
// error must name.
var badInputs = []struct{ args, want string }{
	// Commands and flags.
	{"iperf4 -c far", `no command "iperf4"`},
	{"--bogus", "-bogus"},
	{"iperf3 -c far --bogus", "-bogus"},
	{"iperf3 -c far -Z", "-Z"},
	{"iperf3", "either -c HOST or -s"},
	{"iperf3 -b 500M", "either -c HOST or -s"},
	{"iperf3 -c far -s", "either -c HOST or -s"},
	{"iperf3 -c", "-c"},
	{"iperf3 -c far stray", `"stray" is not a flag`},
	{"iperf3 -c far -4 -6", "-4 and -6"},
	{"iperf3 -c far -J --json-stream", "-J and --json-stream"},

	{"iperf3 -c far -t", "-t needs a value"},
	{"iperf3 -c far -w 1M", "-w is iperf3's"},
	{"iperf3 -c far -t1x", "-t 1x"},
	{"iperf3 -c far --pcap=", "--pcap needs the name of a file"},

	// Rates.
	{"iperf3 -c far -b 5Q", `"5Q"`},
	{"iperf3 -c far -b -1", `"-1"`},
	{"iperf3 -c far -b fast", `"fast"`},
	{"iperf3 -c far -b 1e9", `"1e9"`},
	{"iperf3 -c far -b 0x10", `"0x10"`},
	{"iperf3 -c far -b inf", `"inf"`},
	{"iperf3 -c far -b 99999T", "a rate of 99999T is too high"},
	{"iperf3 -c far -b 100M/10", "-b 100M/10: a burst size"},
	{"iperf3 -c far -b 1G", "above the wire's line speed of 1Gbit/s: TCP segments carry at most 941.189987Mbit/s"},
	{"iperf3 -c far -b 941189988", "-b 941.189988M is above"},
	{"iperf3 -c far -b 1G -u", "datagrams of 1448 bytes carry at most 956.406869Mbit/s"},
	{"iperf3 -c far -b 930M -6", "at most 928.32455Mbit/s"},
	{"iperf3 -c far -b 944M -6 -u", "datagrams of 1428 bytes carry at most 943.196829Mbit/s"},
	{"iperf3 -c far -b 500M -P 2", "with 2 streams"},
	{"iperf3 -c far -b 300M -u -l 18", "datagrams of 18 bytes"},
	{"iperf3 -c far -b 99M --port wire:rate=100M", "line speed of 100Mbit/s"},
	{"iperf3 -c far -b 2G --port wire:rate=10G", "above the card's line speed of 1Gbit/s"},
	{"iperf3 -c 10.99.0.1 -b 1G --port tun:cal0 --addr 10.99.0.2/24", "above the card's line speed"},

	// Amounts.
	{"iperf3 -c far -t 0", "-t 0"},
	{"iperf3 -c far -t abc", "-t abc"},
	{"iperf3 -c far -t -1", "-t -1"},
	{"iperf3 -c far -t 1.5", "-t 1.5"},
	{"iperf3 -c far -t 86401", "-t 86401"},
	{"iperf3 -c far -t 99999999999", "-t 99999999999"},
	{"iperf3 -c far -t 1 -n 1M", "(-t)"},
	{"iperf3 -c far -n 0", "-n: nothing"},
	{"iperf3 -c far -n lots", `"lots"`},
	{"iperf3 -c far -n -5", `"-5"`},
	{"iperf3 -c far -k 0", "-k: nothing"},
	{"iperf3 -c far -k x", `"x"`},
	{"iperf3 -c far -P 0", "-P 0"},
	{"iperf3 -c far -P -1", "-P -1"},
	{"iperf3 -c far -P 1000", "1000 streams (-P)"},
	{"iperf3 -c far -P many", "many"},
	{"iperf3 -c far -l 0", "-l 0"},
	{"iperf3 -c far -l x", "-l x"},
	{"iperf3 -c far -l 2M", "length (-l)"},
	{"iperf3 -c far -u -l 15", "length (-l) of 15 bytes"},
	{"iperf3 -c far -u -l 65508", "length (-l) of 65508 bytes"},
	{"iperf3 -c far -u -l 8000 -b 957.4M", "most 957.395883M"},
	{"iperf3 -c far -u -l 8000 -b 939M -6", "most 938.52"},
	{"iperf3 -c far -O -1", "-O -1"},
	{"iperf3 -c far -O 601", "-O 601"},
	{"iperf3 -c far -O 18446744074", "-O 18446744074"},
	{"iperf3 -c far -i 0.01", "-i 0.01"},
	{"iperf3 -c far -i 61", "-i 61"},
	{"iperf3 -c far -i -1", "-i -1"},
	{"iperf3 -c far -i 1e300", "-i 1e300"},
	{"iperf3 -c far -i NaN", "-i NaN"},
	{"iperf3 -c far -i x", "x"},
	{"iperf3 -c far -f q", "(-f)"},
	{"iperf3 -c far -f mm", "-f mm"},
	{"iperf3 -c far -R --bidir", "(-R)"},
	{"iperf3 -c far --udp-counters-64bit", "add -u"},
	{"iperf3 -c far --connect-timeout 0", "--connect-timeout 0"},
	{"iperf3 -c far --connect-timeout 86400001", "--connect-timeout 86400001"},
	{"iperf3 -c far --seed -1", "-seed"},
	{"iperf3 -c far --seed x", "-seed"},
	{"iperf3 -c far --title " + strings.Repeat("x", 9000), "(--title)"},

	// Flags are named as they were given, and packages not at all.
	{"iperf3 -c far --time x", "caliper: --time x is not"},
	{"iperf3 -c far --band 5Q", `caliper: --band: "5Q" is not a rate`},
	{"iperf3 -c far --length 2M", "length (--length)"},
	{"iperf3 -c far -C vegas", "caliper: -C: no congestion"},
	{"iperf3 -c far --congestion vegas", "caliper: --congestion: no congestion"},
	{"iperf3 -c far --pace fast", "caliper: --pace: policy"},
	{"pktgen -N -i 10.0.0.2 -n 5 -d 1000 --mac xx", "caliper: --mac xx is not"},
	{"pktgen -N -i 10.0.0.2 -n 5 -d 1000 -m xx", "caliper: -m xx is not"},
	{"pktgen -N -i 10.0.0.2 --packets 5 -t 1 -d 1000", "caliper: --packets and -t exclude"},

	// Where the test runs.
	{"iperf3 -c far --port eth0", `there is no port "eth0"`},
	{"iperf3 -c 10.99.0.1 --port packet: --addr 10.99.0.2/24", "needs a name"},
	{"iperf3 -c 10.99.0.1 --port packet:nosuch --addr 10.99.0.2/24", "no such network interface"},
	{"iperf3 -c 10.99.0.1 --port packet:lo --addr 10.99.0.2/24 --mtu 1500", "not an Ethernet"},
	{"iperf3 -c far --port :", "there is no port"},
	{"iperf3 -c far --port wire:rate", `"rate" is not of the form`},
	{"iperf3 -c far --port wire:rate=0", "a rate of 0"},
	{"iperf3 -c far --port wire:rate=2T", "a rate of 2T"},
	{"iperf3 -c far --port wire:rate=x", `"x"`},
	{"iperf3 -c far --port wire:delay=5", "delay"},
	{"iperf3 -c far --port wire:delay=-1ms", `"-1ms" is not a time`},
	{"iperf3 -c far --port wire:delay=2m", "a delay of 2m"},
	{"iperf3 -c far --port wire:queue=0", "a queue of 0"},
	{"iperf3 -c far --port wire:queue=x", "a queue of x"},
	{"iperf3 -c far --port wire:queue=99999999999999999999", "a queue of 99999999999999999999"},
	{"iperf3 -c far --port wire:loss=1", `no "loss"`},
	{"iperf3 -c far --port wire:rate=1G,,delay", `"delay" is not of the form`},
	{"iperf3 -c far --card gold", "--card gold"},
	{"iperf3 -c far --mtu 575", "--mtu 575"},
	{"iperf3 -c far --mtu 1501", "--mtu 1501"},
	{"iperf3 -c far --mtu 65536 --card none", "--mtu 65536"},
	{"iperf3 -c far --mtu x", "-mtu"},
	{"iperf3 -c far --mtu 1279 -6", "too small for IPv6"},
	{"iperf3 -c fd00::2 --mtu 576", "too small for IPv6"},
	{"iperf3 -c nowhere", "-c nowhere"},
	{"iperf3 -c near", "-c near"},
	{"iperf3 -c 10.0.0.3", "-c 10.0.0.3"},
	{"iperf3 -c fd00::2 -4", "IPv4"},
	{"iperf3 -c 10.0.0.2 -6", "IPv6"},
	{"iperf3 -c far -p 0", "-p 0"},
	{"iperf3 -c far -p 65536", "-p 65536"},
	{"iperf3 -c far -p http", "http"},
	{"iperf3 -c far --addr 10.0.0.1/24", "--addr is for a real port"},
	{"iperf3 -c far --peer 10.0.0.1", "--peer is for a real port"},
	{"iperf3 -c far --pcap /nowhere/capture.pcapng", "/nowhere/capture.pcapng"},
	{"iperf3 -c far --pcap /", "--pcap"},

	// Pacing.
	{"iperf3 -c far -C vegas", `no congestion controller is called "vegas"`},
	{"iperf3 -c far -u -C cubic", "-C is for TCP"},
	{"iperf3 -c far --pace fast", "rate:100M"},
	{"iperf3 -c far --pace rate:0", "at least 1 bit/s"},
	{"iperf3 -c far --pace gaps:/nowhere/gaps", "/nowhere/gaps"},
	{"iperf3 -c far --pace window -b 1M", "both say when packets leave"},
	{"iperf3 -c far --pace window -u", "follows a TCP connection"},
	{"iperf3 -c far --pace none -C bbr", "-C bbr needs a pacer"},
	{"iperf3 -c far -b 1M -C bbr", "-C bbr says itself when packets leave"},
	{"iperf3 -c far --port wire:step=5s", "not of the form 5s:50M"},
	{"iperf3 -s --port tun:cal0 --addr 10.99.0.2/24 -C bbr", "-C is the client's"},

	// A tun interface.
	{"iperf3 -c 10.99.0.1 --port tun --addr 10.99.0.2/24", "needs a name"},
	{"iperf3 -c 10.99.0.1 --port tun: --addr 10.99.0.2/24", "needs a name"},
	{"iperf3 -c 10.99.0.1 --port tun:sixteen-letters- --addr 10.99.0.2/24", "more than 15"},
	{"iperf3 -c 10.99.0.1 --port tun:a/b --addr 10.99.0.2/24", "cannot be a name"},
	{"iperf3 -c 10.99.0.1 --port tun:.. --addr 10.99.0.2/24", "cannot be a name"},
	{"iperf3 -c 10.99.0.1 --port tun:cal%d --addr 10.99.0.2/24", "cannot be a name"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0", "needs an address"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr ten", "--addr ten"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2", "--addr 10.99.0.2 is not an address with a prefix length"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/33", "--addr 10.99.0.2/33"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 0.0.0.0/0", "--addr 0.0.0.0/0"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 224.0.0.1/24", "--addr 224.0.0.1/24"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/32", "leaves no address"},
	{"iperf3 -c 10.99.1.1 --port tun:cal0 --addr 10.99.0.2/24", "-c 10.99.1.1 is in no prefix"},
	{"iperf3 -c 10.99.0.2 --port tun:cal0 --addr 10.99.0.2/24", "our own address"},
	{"iperf3 -c fd99::1 --port tun:cal0 --addr 10.99.0.2/24", "-c fd99::1 is in no prefix"},
	{"iperf3 -c example.org --port tun:cal0 --addr 10.99.0.2/24", "not an IP address"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 --peer x", "--peer x"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 --peer 10.99.0.2", "--peer 10.99.0.2 is the same address"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 --peer 10.98.0.1", "--peer 10.98.0.1"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 --addr 10.99.1.2/24", "--addr 10.99.1.2/24 is the second"},
	{"iperf3 -c fd99::1 --port tun:cal0 --addr fd99::2/64 --mtu 1279", "too small for IPv6"},
	{"iperf3 -c fd99::1 --port tun:cal0 --addr fd99::2/64 -4", "IPv4"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 -6", "IPv6"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 --mtu 1501", "--mtu 1501"},
	{"iperf3 -c 10.99.0.1 --port tun:cal0 --addr 10.99.0.2/24 --mtu 65536 --card none", "--mtu 65536"},

	// A server.
	{"iperf3 -s", "needs a real port"},
	{"iperf3 -s --port tun:cal0", "needs an address"},
	{"iperf3 -s --port tun:cal0 --addr 10.99.0.2/24 -t 5", "-t is the client's"},
	{"iperf3 -s --port tun:cal0 --addr 10.99.0.2/24 -b 1M", "-b is the client's"},
	{"iperf3 -s --port tun:cal0 --addr 10.99.0.2/24 -u", "-u is the client's"},
	{"iperf3 -s --port tun:cal0 --addr 10.99.0.2/24 -R", "-R is the client's"},
	{"iperf3 -s --port tun:cal0 --addr 10.99.0.2/24 -6", "IPv6"},
	{"iperf3 -c far -1", "-1 is for a server"},
}

// TestBadInput checks that what is wrong is named and what to do is said, on standard
// error alone, with the code that says that nothing was changed.
func TestBadInput(t *testing.T) {
	for _, test := range badInputs {
		name := test.args[:min(len(test.args), 100)]
		t.Run(strings.ReplaceAll(name, "/", "|"), func(t *testing.T) {
			dir := t.TempDir()
			args := strings.Fields(test.args)
			if !strings.Contains(test.args, "--pcap") && strings.HasPrefix(test.args, "iperf3 ") {
				args = append([]string{"iperf3", "--pcap", filepath.Join(dir, "capture.pcapng")}, args[1:]...)
			}
			o := caliper(t, args...)
			if o.code != exitBadInput || o.stdout != "" {
				t.Errorf("exit code %d\n%s", o.code, o.stdout)
			}
			first, rest, _ := strings.Cut(o.stderr, "\n")
			if !strings.HasPrefix(first, "caliper: ") || !strings.Contains(first, test.want) {
				t.Errorf("want %q, got %s", test.want, first)
			}
			if !strings.HasPrefix(rest, "hint: ") || strings.Count(o.stderr, "\n") != 2 {
				t.Errorf("want a line and a hint, got\n%s", o.stderr)
			}
			if strings.Contains(o.stderr, "%!") {
				t.Errorf("a verb without its argument: %s", o.stderr)
			}
			if files, err := os.ReadDir(dir); err != nil || len(files) > 0 {
				t.Errorf("there is a file now: %v, %v", files, err)
			}
		})
	}
}

// TestFull has disks without room. The result is what matters most: it is an error when it
// cannot be written, and it is still written when the capture cannot.
func TestFull(t *testing.T) {
	full, err := os.OpenFile("/dev/full", os.O_WRONLY, 0)
	if err != nil {
		t.Skip(err)
	}
	defer full.Close()
	o := caliper(t, "iperf3", "-c", "far", "-b", "500M", "-n", "1M", "--pcap", "/dev/full")
	if o.code != exitFailed || !strings.Contains(o.stderr, "/dev/full") || !strings.Contains(o.stderr, "it lacks ") ||
		!strings.Contains(o.stdout, "Departures") {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	for _, form := range []string{"", "-J", "--json-stream"} {
		args := []string{"caliper", "iperf3", "-c", "far", "-b", "500M", "-n", "1M"}
		if form != "" {
			args = append(args, form)
		}
		stderr := tempFile(t, "stderr")
		code := run(args, full, stderr)
		if said := contents(t, stderr); code != exitFailed || !strings.Contains(said, "no space left") {
			t.Errorf("%q: exit code %d\n%s", form, code, said)
		}
	}
}

// TestHelp is not an error.
func TestHelp(t *testing.T) {
	for args, want := range map[string]string{
		"":                 "iperf3",
		"help":             "iperf3",
		"--help":           "iperf3",
		"iperf3 --help":    "--port",
		"iperf3 -h":        "unshare -Urn",
		"iperf3 -c far -h": "--pcap",
		"help iperf3":      "--seed",
	} {
		if o := succeed(t, strings.Fields(args)...); !strings.Contains(o.stdout, want) {
			t.Errorf("caliper %s: there is no %q in\n%s", args, want, o.stdout)
		}
	}
}

// TestRateHint checks that the hint names what lifts the bound that a rate is above.
func TestRateHint(t *testing.T) {
	for args, want := range map[string]string{
		"-c far -u -b 120M --port wire:rate=100M": "let a faster port feed the wire, --port wire:line=1G,rate=100M",
		"-c far -b 1.2G": "raise --port wire:rate=... together with --card none",
		"-c far -b 1.2G --port wire:rate=100M,line=1G":                  "raise --port wire:line=..., above 1G together with --card none",
		"-c far -b 1.2G --port wire:rate=10G":                           "send with --card none",
		"-c 10.99.0.1 -b 1.2G --port tun:cal0 --addr 10.99.0.2/24 -t 1": "send with --card none",
	} {
		o := caliper(t, append([]string{"iperf3"}, strings.Fields(args)...)...)
		if o.code != exitBadInput || !strings.HasSuffix(o.stderr, "hint: lower -b, or "+want+"\n") {
			t.Errorf("%s: exit code %d\n%s", args, o.code, o.stderr)
		}
	}
}
