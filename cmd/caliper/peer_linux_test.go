package main

import (
	"encoding/binary"
	"io"
	"net"
	"os"
	"strings"
	"testing"
)

// fails checks a run that another's fault has ended.
func fails(t *testing.T, o outcome, says, hint string) {
	t.Helper()
	gone(t)
	if o.code != exitFailed || !strings.Contains(o.stderr, says) || !strings.Contains(o.stderr, hint) {
		t.Errorf("exit code %d, want %q and %q\n%s", o.code, says, hint, o.stderr)
	}
}

// TestRefused has nobody listening.
func TestRefused(t *testing.T) {
	namespace(t)
	args := append([]string{"iperf3", "-c", kernel4, "-p", "5999"}, onTun("cal0")...)
	fails(t, caliper(t, args...), "nothing listens there", "hint: is a server running there? iperf3 -s -p 5999")
	fails(t, caliper(t, append(args, "-6", "-c", kernel6)...), "nothing listens there", "hint: ")
	o := caliper(t, append(args, "-J")...)
	fails(t, o, "nothing listens there", "hint: ")
	if r := decode(t, o.stdout); !strings.Contains(r.Error, "nothing listens there") || r.Start.Connected == nil {
		t.Errorf("the JSON is\n%s", o.stdout)
	}
}

// TestSilent has nobody at the address.
func TestSilent(t *testing.T) {
	namespace(t)
	args := append([]string{"iperf3", "-c", "10.99.0.77", "--peer", kernel4, "--connect-timeout", "100"}, onTun("cal0")...)
	fails(t, caliper(t, args...), "no answer", "hint: nothing answers at 10.99.0.77:5201")
}

// TestServerKilled has the server gone in the middle of a test, without a word.
func TestServerKilled(t *testing.T) {
	for _, args := range [][]string{nil, {"-R"}, {"-u"}, {"-u", "-R"}} {
		t.Run(strings.Join(args, " "), func(t *testing.T) {
			namespace(t)
			server := realServer(t, "-i", "0.1")
			args := append([]string{"iperf3", "-c", kernel4, "-t", "1000", "-b", "20M", "-J"}, args...)
			client := start(t, command(t, append(args, onTun("cal0")...)...))
			server.measures()
			server.signal(os.Kill)
			server.end()
			o := client.end()
			fails(t, o, "the server has gone away", "")
			if r := decode(t, o.stdout); r.Error == "" || r.Caliper.Departures.Packets == 0 {
				t.Errorf("something is missing in\n%s", o.stdout)
			}
		})
	}
}

// TestClientKilled has the client gone in the middle of a test. The server says so, and
// serves the next one.
func TestClientKilled(t *testing.T) {
	namespace(t)
	server := ourServer(t, "-i", "0.1")
	for _, args := range [][]string{nil, {"-R"}, {"-u"}, {"-u", "-R"}} {
		client := start(t, realIperf3(t, append([]string{"-c", our4, "-t", "1000", "-b", "20M"}, args...)...))
		server.measures()
		client.signal(os.Kill)
		client.end()
		server.until("listening")
	}
	client := start(t, realIperf3(t, "-c", our4, "-n", "1M", "-J")).end()
	plausible(t, decode(t, client.stdout), false, 1<<20)
	server.until("listening")
	server.signal(os.Interrupt)
	o := server.end()
	interrupted(t, o)
	if n := strings.Count(o.stderr, "the client has unexpectedly closed the connection"); n != 4 {
		t.Errorf("of 4 killed clients it says\n%s", o.stderr)
	}
}

// TestBusy has a second client while the first one's test runs.
func TestBusy(t *testing.T) {
	namespace(t)
	server := realServer(t, "-i", "0.1")
	first := start(t, command(t, append([]string{"iperf3", "-c", kernel4, "-t", "1000", "-b", "1M"}, onTun("cal0")...)...))
	server.measures()
	second := caliper(t, "iperf3", "-c", "10.98.0.1", "--port", "tun:cal1", "--addr", "10.98.0.2/24")
	if second.code != exitFailed || !strings.Contains(second.stderr, "busy") || !strings.Contains(second.stderr, "hint: wait") {
		t.Errorf("exit code %d\n%s", second.code, second.stderr)
	}
	first.signal(os.Interrupt)
	interrupted(t, first.end())
	server.end()

	ours := ourServer(t, "-i", "0.1")
	running := start(t, realIperf3(t, "-c", our4, "-t", "1000", "-b", "1M"))
	ours.measures()
	refused := start(t, realIperf3(t, "-c", our4, "-n", "1M")).end()
	if refused.code == 0 || !strings.Contains(refused.stderr, "busy") {
		t.Errorf("exit code %d\n%s", refused.code, refused.stderr)
	}
	running.signal(os.Interrupt)
	running.end()
	ours.until("listening")
	ours.signal(os.Interrupt)
	interrupted(t, ours.end())
}

// States of iperf3's control connection.
const (
	testStart, testRunning, paramExchange, createStreams, exchangeResults = 1, 2, 9, 10, 13
)

// readMessage reads JSON with its length before it.
func readMessage(c net.Conn) error {
	var length [4]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return err
	}
	_, err := io.CopyN(io.Discard, c, int64(binary.BigEndian.Uint32(length[:])))
	return err
}

// TestHugeServer has a server that announces results of 4 GB, and then goes on to send.
func TestHugeServer(t *testing.T) {
	namespace(t)
	ln, err := net.Listen("tcp", ":5201")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- hugeServer(ln) }()
	o := caliper(t, append([]string{"iperf3", "-c", kernel4, "-n", "100K"}, onTun("cal0")...)...)
	fails(t, o, "a message of 4294967295 bytes is announced", "")
	ln.Close()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// hugeServer serves one test up to the results.
func hugeServer(ln net.Listener) error {
	control, err := ln.Accept()
	if err != nil {
		return err
	}
	defer control.Close()
	var cookie [37]byte
	if _, err := io.ReadFull(control, cookie[:]); err != nil {
		return err
	}
	control.Write([]byte{paramExchange})
	if err := readMessage(control); err != nil {
		return err
	}
	control.Write([]byte{createStreams})
	data, err := ln.Accept()
	if err != nil {
		return err
	}
	defer data.Close()
	go io.Copy(io.Discard, data)
	control.Write([]byte{testStart, testRunning})
	if _, err := io.ReadFull(control, cookie[:1]); err != nil { // TEST_END
		return err
	}
	control.Write([]byte{exchangeResults})
	if err := readMessage(control); err != nil {
		return err
	}
	control.Write([]byte{0xff, 0xff, 0xff, 0xff})
	for junk := make([]byte, 1<<16); ; {
		if _, err := control.Write(junk); err != nil {
			return nil // the client has left, as it should
		}
	}
}

// TestHugeClient has a client that announces parameters of 4 GB. The server drops it and
// serves the next one.
func TestHugeClient(t *testing.T) {
	namespace(t)
	server := ourServer(t)
	c, err := net.Dial("tcp", our4+":5201")
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	c.Write([]byte(strings.Repeat("a", 36) + "\x00"))
	var state [1]byte
	if _, err := io.ReadFull(c, state[:]); err != nil || state[0] != paramExchange {
		t.Fatalf("state %d, %v", state, err)
	}
	c.Write([]byte{0xff, 0xff, 0xff, 0xff})
	if _, err := io.Copy(io.Discard, c); err != nil {
		t.Log(err) // a reset is as good an end
	}
	client := start(t, realIperf3(t, "-c", our4, "-n", "1M", "-J")).end()
	plausible(t, decode(t, client.stdout), false, 1<<20)
	server.signal(os.Interrupt)
	o := server.end()
	interrupted(t, o)
	if !strings.Contains(o.stderr, "a message of 4294967295 bytes is announced") {
		t.Errorf("it says\n%s", o.stderr)
	}
}

// TestCrowd has connections that are reset at once, and more silent ones than the server
// looks after: a client that comes then is served.
func TestCrowd(t *testing.T) {
	namespace(t)
	server := ourServer(t)
	for n := range 440 {
		c, err := net.Dial("tcp", our4+":5201")
		if err != nil {
			t.Fatal(err)
		}
		if n < 40 {
			c.(*net.TCPConn).SetLinger(0)
			c.Close()
			continue
		}
		defer c.Close()
	}
	for range 2 {
		client := start(t, realIperf3(t, "-c", our4, "-n", "1M", "-J")).end()
		plausible(t, decode(t, client.stdout), false, 1<<20)
	}
	server.signal(os.Interrupt)
	o := server.end()
	interrupted(t, o)
	if !strings.Contains(o.stderr, "320 connections came after it") {
		t.Errorf("it says\n%s", o.stderr)
	}
}

// TestLastPackets has a server send at a low rate, where its last FIN waits for milliseconds,
// and receive then: that test has none of it.
func TestLastPackets(t *testing.T) {
	namespace(t)
	server := ourServer(t)
	for _, args := range [][]string{{"-R", "-b", "1M", "-n", "50K"}, {"-n", "100K"}} {
		start(t, realIperf3(t, append([]string{"-c", our4}, args...)...)).end()
		server.until("listening")
	}
	server.signal(os.Interrupt)
	o := server.end()
	interrupted(t, o)
	var reports []string
	for line := range strings.Lines(o.stdout) {
		if strings.Contains(line, " packets, ") {
			reports = append(reports, line)
		}
	}
	if len(reports) != 2 || strings.Contains(reports[0], "not paced") || !strings.Contains(reports[1], "not paced") || strings.Contains(o.stdout, "waiting") {
		t.Errorf("%q", reports)
	}
}
