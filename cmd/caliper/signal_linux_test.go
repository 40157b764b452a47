package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// ends are the ways in which people end a test early.
var ends = []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP}

// interrupted checks what is left of a run that a signal has ended.
func interrupted(t *testing.T, o outcome) {
	t.Helper()
	gone(t)
	if o.code != exitInterrupted || !strings.HasPrefix(o.stderr, "caliper: ") || !strings.Contains(o.stderr, "interrupt") {
		t.Errorf("exit code %d\n%s", o.code, o.stderr)
	}
}

// TestSignalClient ends a client in the middle of a test. What was measured until then is
// printed, and the server is told.
func TestSignalClient(t *testing.T) {
	for _, signal := range ends {
		for _, args := range [][]string{nil, {"-R"}, {"-u"}, {"-u", "-R"}, {"-J"}, {"--json-stream"}} {
			t.Run(unix.SignalName(signal)+" "+strings.Join(args, " "), func(t *testing.T) {
				namespace(t)
				server := realServer(t, "-i", "0.1")
				args := append(append([]string{"iperf3", "-c", kernel4, "-t", "1000", "-b", "20M", "-i", "0.1"}, onTun("cal0")...), args...)
				client := start(t, command(t, args...))
				server.measures()
				client.signal(signal)
				o := client.end()
				interrupted(t, o)
				if said := server.end(); !strings.Contains(said.stderr, "the client has terminated") {
					t.Errorf("the server was told nothing:\n%s%s", said.stdout, said.stderr)
				}
				last := args[len(args)-1]
				switch last {
				case "-J":
					r := decode(t, o.stdout)
					if r.End.Sent.Bytes == 0 || r.Caliper.Departures.Packets == 0 || !strings.Contains(r.Error, "interrupt") {
						t.Errorf("something is missing in\n%s", o.stdout)
					}
				case "--json-stream":
					for _, event := range []string{"end", "error", "caliper"} {
						if !strings.Contains(o.stdout, `{"event":"`+event+`"`) {
							t.Errorf("there is no event %s in\n%s", event, o.stdout)
						}
					}
				default:
					for _, want := range []string{" sender\n", " receiver\n", "Departures"} {
						if !strings.Contains(o.stdout, want) {
							t.Errorf("there is no %q in\n%s", want, o.stdout)
						}
					}
				}
			})
		}
	}
}

// TestSignalServer ends a server that waits, and one in the middle of a test.
func TestSignalServer(t *testing.T) {
	for _, signal := range ends {
		t.Run(unix.SignalName(signal)+" idle", func(t *testing.T) {
			namespace(t)
			server := ourServer(t)
			server.signal(signal)
			interrupted(t, server.end())
		})
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			namespace(t)
			server := ourServer(t, "-i", "0.1")
			client := start(t, realIperf3(t, "-c", our4, "-t", "1000", "-b", "20M"))
			server.measures()
			server.signal(signal)
			o := server.end()
			interrupted(t, o)
			if said := client.end(); !strings.Contains(said.stderr, "the server has terminated") {
				t.Errorf("the client was told nothing:\n%s%s", said.stdout, said.stderr)
			}
			if !strings.Contains(o.stdout, " receiver\n") || !strings.Contains(o.stdout, "Departures") {
				t.Errorf("there is no summary in\n%s", o.stdout)
			}
		})
	}
}

// TestOneOffError ends the client of a server that is for one test: why that one failed is said
// once, as the server's own error.
func TestOneOffError(t *testing.T) {
	namespace(t)
	server := ourServer(t, "-1", "-i", "0.1")
	client := start(t, realIperf3(t, "-c", our4, "-t", "1000", "-b", "20M"))
	server.measures()
	client.signal(os.Interrupt)
	client.end()
	if o := server.end(); o.code != exitFailed || strings.Count(o.stderr, "the client has terminated") != 1 {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
}

// TestSignalConnecting ends a client whose server does not answer.
func TestSignalConnecting(t *testing.T) {
	namespace(t)
	up := changes(t)
	args := append([]string{"iperf3", "-c", "10.99.0.77", "--peer", kernel4}, onTun("cal0")...)
	client := start(t, command(t, args...))
	up("cal0", unix.IFF_UP)
	client.signal(os.Interrupt)
	interrupted(t, client.end())
}

// TestSignalVirtual ends a run that would go on for long.
func TestSignalVirtual(t *testing.T) {
	for _, signal := range ends {
		t.Run(unix.SignalName(signal), func(t *testing.T) {
			client := start(t, command(t, "iperf3", "-c", "far", "-b", "10M", "-t", "1000"))
			client.until("1.00-2.00")
			client.signal(signal)
			o := client.end()
			if o.code != exitInterrupted || !strings.Contains(o.stderr, "interrupt") {
				t.Errorf("exit code %d\n%s", o.code, o.stderr)
			}
			if !strings.Contains(o.stdout, " sender\n") || !strings.Contains(o.stdout, "Departures") {
				t.Errorf("there is no summary in\n%s", o.stdout)
			}
		})
	}
}

// TestClosedOutput has nobody read on, as with "| head -3", in every command that prints while
// it runs. It takes leave as after a signal, and says nothing.
func TestClosedOutput(t *testing.T) {
	closed := func(t *testing.T, c *child) {
		t.Helper()
		o := c.end()
		gone(t)
		if o.code != exitClosed || o.stderr != "" {
			t.Errorf("exit code %d\n%s", o.code, o.stderr)
		}
	}
	for _, args := range [][]string{nil, {"-R"}, {"-u"}, {"-u", "-R"}, {"--json-stream"}} {
		t.Run("client "+strings.Join(args, " "), func(t *testing.T) {
			namespace(t)
			server := realServer(t)
			client := start(t, command(t, slices.Concat([]string{"iperf3", "-c", kernel4, "-t", "1000", "-b", "20M", "-i", "0.1"}, onTun("cal0"), args)...))
			if slices.Contains(args, "--json-stream") {
				client.until(`"event":"interval"`)
			} else {
				client.measures()
			}
			client.hangUp()
			closed(t, client)
			if said := server.end(); !strings.Contains(said.stderr, "the client has terminated") {
				t.Errorf("the server was told nothing:\n%s%s", said.stdout, said.stderr)
			}
		})
	}
	t.Run("server", func(t *testing.T) {
		namespace(t)
		server := ourServer(t, "-i", "0.1")
		client := start(t, realIperf3(t, "-c", our4, "-t", "1000", "-b", "20M"))
		server.measures()
		server.hangUp()
		closed(t, server)
		if said := client.end(); !strings.Contains(said.stderr, "the server has terminated") {
			t.Errorf("the client was told nothing:\n%s%s", said.stdout, said.stderr)
		}
	})
	for _, args := range []string{"iperf3 -c far -b 10M -t 1000", "netthreads run hello --trace - --cycles 1000000000", "netthreads dis pktgen"} {
		t.Run(args, func(t *testing.T) {
			c := start(t, command(t, strings.Fields(args)...))
			c.until("")
			c.hangUp()
			closed(t, c)
		})
	}
	for _, args := range []string{"pktgen -N -i 10.0.0.2 -d 13560 -n 10", "gaps " + record(t, "-n", "1M"), "card --port pcap:" + filepath.Join(t.TempDir(), "out.pcapng"), "netthreads load hello"} {
		t.Run(args, func(t *testing.T) {
			closed(t, startDeaf(t, command(t, strings.Fields(args)...)))
		})
	}
}

// TestNameTaken starts a second run on an interface that a first one uses: it must leave
// that alone, and nothing of its own.
func TestNameTaken(t *testing.T) {
	namespace(t)
	first := ourServer(t, "-1")
	second := caliper(t, "iperf3", "-c", "10.98.0.1", "--port", "tun:cal0", "--addr", "10.98.0.2/24")
	if second.code != exitBadInput || second.stdout != "" || !strings.Contains(second.stderr, "there is an interface of that name") {
		t.Errorf("exit code %d\n%s%s", second.code, second.stdout, second.stderr)
	}
	client := start(t, realIperf3(t, "-c", our4, "-n", "1M", "-J")).end()
	plausible(t, decode(t, client.stdout), false, 1<<20)
	if o := first.end(); o.code != exitOK {
		t.Errorf("exit code %d\n%s%s", o.code, o.stdout, o.stderr)
	}
	gone(t)
}
