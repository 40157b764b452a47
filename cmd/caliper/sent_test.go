package main

import (
	"encoding/json"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/pacer"
)

// onWire is what a capture has of one flow's data: bytes of TCP counted once, however often
// they were sent, or datagrams.
type onWire struct {
	bytes, packets int64
	next           uint32 // sequence number
}

// dataOnWire returns what a run has put on its wire from either host, of all streams
// together and without the control connection, cookies and hellos.
func dataOnWire(t *testing.T, name string) (near, far onWire) {
	t.Helper()
	const cookie, shortest = 37, 16
	flows := make(map[pacer.Flow]*onWire)
	control := uint16(0) // the port of the connection that is opened first
	for _, frame := range readCapture(t, name) {
		ip := frame.bytes[14:]
		flow, size := pacer.Parse(ip)
		port := flow.SrcPort
		if port == 5201 {
			port = flow.DstPort
		}
		sum := &near
		if flow.SrcPort == 5201 {
			sum = &far
		}
		switch flow.Proto {
		case pacer.ProtoUDP:
			if size.Payload >= shortest {
				sum.packets++
				sum.bytes += int64(size.Payload)
			}
		case pacer.ProtoTCP:
			if control == 0 {
				control = port
			}
			if port == control || size.Payload == 0 {
				continue
			}
			s, ok := pacer.ParseSegment(ip)
			if !ok {
				t.Fatalf("no segment of %v", flow)
			}
			seq := uint32(s.Seq)
			f := flows[flow]
			if f == nil {
				f = &onWire{next: seq}
				flows[flow] = f
				if flow.DstPort == 5201 { // the client's streams begin with the cookie
					sum.bytes -= cookie
				}
			}
			if end := seq + uint32(size.Payload); int32(end-f.next) > 0 {
				sum.bytes += int64(int32(end - f.next))
				f.next = end
			}
		}
	}
	return near, far
}

// TestSentIsWhatLeft compares what the sender's line says with the frames on the wire, and
// with what the receiver has: in every mode, over several seeds, with the pacer, the window
// or a bottleneck as what holds the writer back.
func TestSentIsWhatLeft(t *testing.T) {
	type end struct {
		Start, End, Seconds float64
		Bytes, Packets      int64
		Lost                int64 `json:"lost_packets"`
	}
	ports := []string{
		"-b 20M", "-b 20M -P 3", "-b 0 --pace rate:5M", "-b 0 --port wire:rate=10M,line=1G,queue=20",
		"-b 30M --port wire:rate=20M,line=1G,delay=5ms,queue=10", "-b 8M --pace none", "-b 0 --port wire:rate=10M --card none",
	}
	for i, port := range some(ports) {
		for _, protocol := range []string{"", "-u"} {
			for j, direction := range []string{"", "-R", "--bidir"} {
				for k, until := range []string{"-t 1", "-n 300K", "-k 40 -l 1400"} {
					args := fmt.Sprintf("-c far %s %s %s %s --seed %d", port, protocol, direction, until, 1+(i+j+k)%5)
					t.Run(args, func(t *testing.T) {
						name := filepath.Join(t.TempDir(), "capture.pcapng")
						o := succeed(t, append([]string{"iperf3", "-J", "--pcap", name}, strings.Fields(args)...)...)
						var r struct {
							End struct {
								Sent            end `json:"sum_sent"`
								Received        end `json:"sum_received"`
								ReverseSent     end `json:"sum_sent_bidir_reverse"`
								ReverseReceived end `json:"sum_received_bidir_reverse"`
							}
							Caliper findings
						}
						if err := json.Unmarshal([]byte(o.stdout), &r); err != nil {
							t.Fatal(err)
						}
						near, far := dataOnWire(t, name)
						forward := direction != "-R"
						udp := protocol != ""
						if forward {
							// # all that was written has left, and the server has it but for losses
							if s := r.End.Sent; s.Bytes != near.bytes || udp && s.Packets != near.packets {
								t.Errorf("%+v was sent, and %+v is on the wire", s, near)
							}
							if got := r.End.Received; udp && got.Packets-got.Lost != got.Bytes/(near.bytes/near.packets) || !udp && got.Bytes != near.bytes {
								t.Errorf("%+v is on the wire, and %+v was received", near, got)
							}
							// With both directions either amount ends the test, as with iperf3.
							if want := []int64{0, 300 << 10, 40 * 1400}[k]; direction == "" && near.bytes < want {
								t.Errorf("%d bytes were asked for, and %d are on the wire", want, near.bytes)
							}
						}
						back, got := r.End.Sent, r.End.Received
						if direction == "--bidir" {
							back, got = r.End.ReverseSent, r.End.ReverseReceived
						}
						// # the server goes on until it hears of the end
						if !forward || direction == "--bidir" {
							if back.Bytes > far.bytes || got.Bytes > back.Bytes || got.Bytes == 0 && !forward {
								t.Errorf("the other way %+v was sent, %+v is on the wire, and %+v was received", back, far, got)
							}
						}
						if d := r.Caliper.Departures.Dropped; d != 0 {
							t.Errorf("%d frames were dropped before they left", d)
						}
					})
				}
			}
		}
	}
}

// TestRateError compares the error of the rate with who stopped the flow, and with what was
// sent: it is what the flow was short of while it had something to send.
func TestRateError(t *testing.T) {
	for _, test := range some([]struct {
		args string
		rate float64
		by   []link.Stop
	}{
		{"-b 500M", 500e6, []link.Stop{link.StopApplication, link.StopWindow}},
		{"-b 90M --port wire:rate=100M,line=1G,delay=10ms,queue=20", 90e6, []link.Stop{link.StopApplication, link.StopWindow}},
		{"-b 300M --port wire:rate=1G,delay=50ms", 300e6, []link.Stop{link.StopApplication, link.StopWindow}},
		{"-b 100M -R", 100e6, nil},
		{"-b 20M -u", 20e6, nil},
		{"-b 500M -u", 500e6, nil},
	}) {
		r := measure(t, append([]string{"-c", "far", "-t", "1"}, strings.Fields(test.args)...)...)
		d := &r.Caliper.Departures
		ppm, ok := d.RateError.Get()
		var stopped float64
		for by, s := range d.Stops {
			want := slices.Contains(test.by, link.Stop(by))
			if s.Times > 0 != want || s.For > 0 != want {
				t.Errorf("%s: stopped by %v", test.args, d.Stops)
			}
			if link.Stop(by) != link.StopApplication {
				stopped += s.For.Seconds()
			}
		}
		asked := float64(r.End.Sent.Bytes) * 8 / test.rate // seconds
		if short := ppm / 1e6 * asked; !ok || math.Abs(short-stopped) > 0.01*stopped+100e-9 {
			t.Errorf("%s: rate error %v in %v s, and stopped by %v", test.args, d.RateError, asked, d.Stops)
		}
	}
	// # nothing is asked for, and so nothing is missed
	o := succeed(t, "pktgen", "-N", "-i", "10.0.0.2", "-l", "18", "-d", "0", "-n", "1000")
	if !strings.Contains(o.stdout, "rate error -, 999 late") {
		t.Errorf("of no gaps it says\n%s", o.stdout)
	}
	o = succeed(t, "pktgen", "-N", "-i", "10.0.0.2", "-l", "18", "-d", "0", "-n", "1000", "--json")
	if !strings.Contains(o.stdout, `"rate_error_ppm": null`) {
		t.Errorf("of no gaps it says\n%s", o.stdout)
	}
}

// TestFragments paces datagrams that are longer than a packet: each fragment leaves at its
// time, the rate is that of their payload, and as much as the line takes may be asked for.
func TestFragments(t *testing.T) {
	for _, test := range some([]struct {
		args string
		rate float64
	}{
		{"-b 100M -l 8000", 100e6},
		{"-b 100M -l 8000 -6", 100e6},
		{"-b 300M -l 1473 -R", 300e6},
		{"-b 954M -l 8000", 954e6},
		{"-b 940M -l 65507 --card none", 940e6},
		{"-b 500M -l 2000 -6 --mtu 1280", 500e6},
	}) {
		r := measure(t, append(strings.Fields("-c far -u -t 1"), strings.Fields(test.args)...)...)
		d := &r.Caliper.Departures
		short := math.Abs(r.End.Sent.Rate/test.rate - 1)
		if r.End.Received.Lost != 0 || r.End.Received.Packets == 0 || d.Dropped != 0 || d.GapError.Max > 8 || short > 0.005 {
			t.Errorf("%s: sent %+v, received %+v\n%v", test.args, r.End.Sent, r.End.Received, d)
		}
	}
}

// TestEndOfTest ends tests by an amount that takes its time to leave: the test takes that
// time, and the receiver has it all.
func TestEndOfTest(t *testing.T) {
	for _, test := range []struct {
		args           string
		bytes, packets int64
		seconds        float64 // at least
	}{
		// The last of a hundred departs 99 gaps of 8528 us behind the first.
		{"-u -b 0 -k 100 -l 1000 --pace rate:1M", 100_000, 100, 0.84},
		{"-u -b 1M -k 100 -l 1000", 100_000, 100, 0.79},
		{"-n 500K --port wire:rate=10M,queue=100", 512_000, 0, 0.41},
		{"-n 500K -b 5M", 512_000, 0, 0.81},
	} {
		o := succeed(t, append(strings.Fields("iperf3 -J -c far"), strings.Fields(test.args)...)...)
		var r struct {
			End struct {
				Sent, Received struct {
					Bytes, Packets int64
					Seconds        float64
				}
			}
		}
		text := strings.NewReplacer(`"sum_sent"`, `"sent"`, `"sum_received"`, `"received"`).Replace(o.stdout)
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			t.Fatal(err)
		}
		s, got := r.End.Sent, r.End.Received
		// TCP's amount is whole blocks.
		if s.Bytes < test.bytes || s.Packets != test.packets || got.Bytes != s.Bytes || got.Packets != s.Packets || s.Seconds < test.seconds || s.Seconds > 1.2*test.seconds {
			t.Errorf("%s: %+v was sent, %+v was received", test.args, s, got)
		}
	}
}
