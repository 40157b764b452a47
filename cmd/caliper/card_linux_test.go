package main

import (
	"os"
	"strings"
	"testing"
)

// TestCard has two generators, in processes of their own, send through one card, which
// reports what left when it is interrupted. With the original's replies some of their marks
// are refused, and set again.
func TestCard(t *testing.T) {
	t.Run("ours", func(t *testing.T) {
		testCard(t, onTun("cal0"), " messages, 0 refused\n")
	})
	t.Run("original", func(t *testing.T) {
		testCard(t, append(onTun("cal0"), "--original"), " refused\n")
	})
}

// TestCardFaithful has the machine be the card, in real time, with a program of its own choice.
func TestCardFaithful(t *testing.T) {
	testCard(t, append(onTun("cal0"), "--card", "faithful", "--firmware", "pktgen"), " messages, 0 refused\n", "card: faithful, up to ")
}

func testCard(t *testing.T, args []string, wants ...string) {
	namespace(t)
	card := start(t, command(t, append([]string{"card"}, args...)...))
	card.until("serves netlink port id")
	send := []string{"pktgen", "-N", "--netlink", "0", "-I", our4, "-i", kernel4, "-d", "20000", "-n", "500"}
	first, second := start(t, command(t, send...)), start(t, command(t, send...))
	for _, g := range []*child{first, second} {
		if o := g.end(); o.code != exitOK || !strings.Contains(o.stdout, "500 packets described") {
			t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
		}
	}
	card.signal(os.Interrupt)
	o := card.end()
	interrupted(t, o)
	for _, want := range append(wants, "1000 packets, 1000 paced", ", 0 dropped\n") {
		if !strings.Contains(o.stdout, want) {
			t.Errorf("there is no %q in\n%s", want, o.stdout)
		}
	}
}

func TestCardBadInput(t *testing.T) {
	for args, says := range map[string]string{
		"":                         "give the card a port",
		"--port wire":              "a wire is in virtual time",
		"--port tun:cal0":          "needs an address",
		"--port cable":             "there is no port",
		"--port pcap:":             "needs a name",
		"--port wire --netlink -1": "not a netlink port id",
		"--port wire extra":        "is not a flag",
	} {
		o := caliper(t, append([]string{"card"}, strings.Fields(args)...)...)
		if o.code != exitBadInput || !strings.Contains(o.stderr, says) || !strings.Contains(o.stderr, "hint: ") || o.stdout != "" {
			t.Errorf("card %s: exit code %d\n%s%s", args, o.code, o.stdout, o.stderr)
		}
	}
}
