package iperf3

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

const someResults = `{"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":-1,
	"streams":[{"id":1,"bytes":1,"retransmits":-1,"jitter":0,"errors":0,"packets":0,"start_time":0,"end_time":1}]}`

// TestServerStates sends each of the 256 bytes in each phase of a test, and goes then. All
// but those that belong there are errors, which name what was sent; the next client is
// served.
func TestServerStates(t *testing.T) {
	for _, phase := range []struct {
		name  string
		reach func(v *visitor)
		good  []state
	}{
		{"streams", func(v *visitor) {
			v.send(aCookie + framed(goodParams))
			v.hear(paramExchange, createStreams)
		}, nil},
		{"running", func(v *visitor) { v.begin(goodParams) }, []state{testEnd}},
		{"results", func(v *visitor) {
			v.begin(goodParams)
			v.send(string(byte(testEnd)))
			v.hear(exchangeResults)
			v.send(framed(someResults))
			var length [4]byte
			v.ctl.Read(length[:])
			v.ctl.Read(make([]byte, int(length[2])<<8+int(length[3])))
			v.hear(displayResults)
		}, []state{iperfDone}},
	} {
		t.Run(phase.name, func(t *testing.T) {
			for b := range 256 {
				e := newEncounter(t, Params{Bytes: 1000})
				e.server.OneOff = false
				e.serve()
				e.w.spawn(func() {
					v := &visitor{t: t, host: e.near}
					v.ctl = v.dial("tcp")
					phase.reach(v)
					v.ctl.Write([]byte{byte(b)})
					v.host.Sleep(time.Second)
					for _, c := range v.open {
						c.Close()
					}
					v.host.Sleep(time.Second)
					e.result, e.err = e.client.Run(context.Background())
					e.server.Stop()
				})
				e.w.run()
				if e.err != nil {
					t.Errorf("state %d: the next client got %v", b, e.err)
				}
				st := state(int8(b))
				words := fmt.Sprintf("sent %v where", st)
				switch {
				case st == clientTerminate && phase.name != "results":
					words = "the client has terminated"
				case slices.Contains(phase.good, st):
					words = "unexpectedly closed" // before the results
					if st == iperfDone {
						words = ""
					}
				}
				if got := strings.Join(e.said, "; "); words == "" && got != "" || !strings.Contains(got, words) || len(e.said) > 1 {
					t.Errorf("state %d: the server said %q, want %q", b, got, words)
				}
			}
		})
	}
}

// TestClientStates has a server send each of the 256 bytes in each phase.
func TestClientStates(t *testing.T) {
	phases := []state{paramExchange, createStreams, testStart, testRunning, -128, exchangeResults, displayResults}
	for reached, want := range phases {
		t.Run(fmt.Sprint("before ", want), func(t *testing.T) {
			for b := range 256 {
				st := state(int8(b))
				if st == want {
					continue
				}
				e := newEncounter(t, Params{Duration: time.Second})
				e.w.rate = 1e6
				ln, _ := e.far.Listen("tcp", ":5201")
				e.w.spawn(func() {
					v := &visitor{t: t, host: e.far}
					ctl, err := ln.Accept()
					for err == nil {
						v.open = append(v.open, ctl)
						if len(v.open) == 1 {
							e.w.spawn(func() {
								for _, s := range phases[:reached] {
									if s < 0 { // the test runs
										v.host.Sleep(1500 * time.Millisecond)
										continue
									}
									v.open[0].Write([]byte{byte(s)})
									if s == exchangeResults {
										v.open[0].Write([]byte(framed(someResults)))
									}
								}
								v.open[0].Write([]byte{byte(b)})
								v.host.Sleep(5 * time.Second)
								ln.Close()
							})
						}
						ctl, err = ln.Accept()
					}
					for _, c := range v.open {
						c.Close()
					}
				})
				e.w.spawn(func() { e.result, e.err = e.client.Run(context.Background()) })
				e.w.run()
				words := fmt.Sprintf("the server sent %v where", st)
				switch st {
				case accessDenied:
					words = ErrBusy.Error()
				case serverTerminate:
					words = "the server has terminated"
				case serverError:
					words = "the server has gone away"
				}
				if e.err == nil || !strings.Contains(e.err.Error(), words) {
					t.Errorf("state %d: the client got %v, want %q", b, e.err, words)
				}
			}
		})
	}
}

// TestServerLeaves has a server go, or go silent, in each phase: the client says so after a
// bounded time.
func TestServerLeaves(t *testing.T) {
	phases := []state{paramExchange, createStreams, testStart, testRunning, -128, exchangeResults, displayResults}
	for _, silent := range []bool{false, true} {
		for reached, want := range phases {
			e := newEncounter(t, Params{Duration: time.Second, UDP: true, Bitrate: 1e6})
			ln, _ := e.far.Listen("tcp", ":5201")
			pc, _ := e.far.ListenPacket("udp", "10.0.0.2:5201")
			e.w.spawn(func() {
				var b [2000]byte
				for {
					_, from, err := pc.ReadFrom(b[:])
					if err != nil {
						return
					}
					pc.WriteTo(answer, from)
				}
			})
			e.w.spawn(func() {
				ctl, _ := ln.Accept()
				for _, s := range phases[:reached] {
					switch {
					case s < 0: // the test runs
						e.far.Sleep(1500 * time.Millisecond)
						continue
					case s == testStart:
						e.far.Sleep(100 * time.Millisecond)
					}
					ctl.Write([]byte{byte(s)})
					if s == exchangeResults {
						ctl.Write([]byte(framed(someResults)))
					}
				}
				if !silent {
					ctl.Close()
				}
			})
			e.w.spawn(func() {
				begun := e.w.now
				e.result, e.err = e.client.Run(context.Background())
				if d := e.w.now.Sub(begun); d > patience+5*time.Second {
					t.Errorf("before %v: it took %v", want, d)
				}
				ln.Close()
				pc.Close()
			})
			e.w.run()
			words := "the server has gone away"
			if silent {
				words = "the server has not answered for 30s"
			}
			if e.err == nil || !strings.Contains(e.err.Error(), words) {
				t.Errorf("before %v, silent %v: the client got %v", want, silent, e.err)
			}
		}
	}
}
