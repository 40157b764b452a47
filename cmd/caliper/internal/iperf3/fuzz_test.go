package iperf3

import (
	"context"
	"io"
	"testing"
	"time"
)

// FuzzServer sends anything on the control connection of a server, and streams beside it.
// Whatever comes, the server must be rid of it and end.
func FuzzServer(f *testing.F) {
	end := string([]byte{byte(testEnd)})
	results := framed(`{"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":-1,"streams":[{"id":1,"bytes":18446744073709551615,"retransmits":0,"jitter":1e300,"errors":0,"packets":0,"start_time":0,"end_time":1e300}]}`)
	for _, seed := range []string{
		"", aCookie, "GET / HTTP/1.1\r\n\r\n", aCookie + "\xff\xff\xff\xff",
		aCookie + framed(goodParams) + end + results + "\x10",
		aCookie + framed(udpParams) + end + results + "\x10",
		aCookie + framed(`{"tcp":true,"bidirectional":1,"parallel":1,"len":1,"get_server_output":1,"title":"\u0000\ud800"}`) + end,
		aCookie + framed(goodParams) + "\x0c", aCookie + framed(goodParams) + "\x7f",
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		e := newEncounter(t, Params{})
		e.server.OneOff = false
		e.w.rate = 1e6 // what nobody looks at need not be much
		e.w.spawn(func() { e.serveErr = e.server.Serve(context.Background()) })
		e.w.spawn(func() {
			ctl, _ := e.near.DialContext(context.Background(), "tcp", "10.0.0.2:5201")
			e.w.spawn(func() { io.Copy(io.Discard, ctl) })
			ctl.Write(data)
			for _, network := range []string{"tcp", "tcp", "udp"} {
				c, err := e.near.DialContext(context.Background(), network, "10.0.0.2:5201")
				if err != nil {
					break
				}
				defer c.Close()
				if network == "udp" {
					c.Write(hello)
				} else {
					c.Write([]byte(aCookie))
				}
				c.Write(data)
			}
			e.near.Sleep(100 * time.Millisecond)
			ctl.Close()
			e.near.Sleep(time.Second)
			e.server.Stop()
		})
		e.w.run()
	})
}

// FuzzClient answers a client with anything on its control connection. The client must
// come to an end, with an error or without.
func FuzzClient(f *testing.F) {
	begin := "\x09\x0a\x01\x02"
	for _, seed := range []string{
		"", "\xff", "\xfe\x00\x00\x00\x72\x00\x00\x00\x00", "SSH-2.0-x\r\n", begin, begin + "\x0b",
		begin + "\x0d\xff\xff\xff\xff",
		begin + "\x0d" + framed(`{"cpu_util_total":0,"cpu_util_user":0,"cpu_util_system":0,"sender_has_retransmits":1,"streams":[{"id":1,"bytes":1,"retransmits":-1,"jitter":0,"errors":-5,"packets":0,"start_time":-1e300,"end_time":1e300},{"id":3,"bytes":1e18,"retransmits":7,"jitter":-1,"errors":0,"packets":1,"omitted_packets":9,"omitted_errors":9}],"server_output_text":"x"}`) + "\x0e",
	} {
		for how := range byte(4) {
			f.Add([]byte(seed), how)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte, how byte) {
		e := newEncounter(t, Params{
			Duration: time.Second, Bitrate: 1e6, UDP: how&1 != 0, Bidir: how&2 != 0, GetServerOutput: how&4 != 0,
		})
		ln, _ := e.far.Listen("tcp", ":5201")
		pc, _ := e.far.ListenPacket("udp", "10.0.0.2:5201")
		e.w.spawn(func() {
			var b [2000]byte
			for {
				n, from, err := pc.ReadFrom(b[:])
				if err != nil {
					return
				}
				if n == len(hello) {
					pc.WriteTo(answer, from)
				}
			}
		})
		e.w.spawn(func() {
			for first := true; ; first = false {
				c, err := ln.Accept()
				if err != nil {
					return
				}
				defer c.Close()
				if !first {
					continue
				}
				// The first four states at once, the rest when the second is over.
				n := min(len(data), 4)
				c.Write(data[:n])
				e.w.spawn(func() {
					e.far.Sleep(1500 * time.Millisecond)
					c.Write(data[n:])
					c.Close()
				})
			}
		})
		e.w.spawn(func() {
			e.result, e.err = e.client.Run(context.Background())
			if err := e.result.Write(io.Discard); err != nil {
				t.Error(err)
			}
			ln.Close()
			pc.Close()
		})
		e.w.run()
	})
}
