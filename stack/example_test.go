package stack_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/netcaliper/caliper/link"
	"github.com/netcaliper/caliper/link/hold"
	"github.com/netcaliper/caliper/link/wire"
	"github.com/netcaliper/caliper/netfpga"
	"github.com/netcaliper/caliper/pacer"
	"github.com/netcaliper/caliper/pacer/clock"
	"github.com/netcaliper/caliper/stack"
)

var (
	nearMAC = net.HardwareAddr{2, 0, 0, 0, 0, 1}
	farMAC  = net.HardwareAddr{2, 0, 0, 0, 0, 2}
)

// An HTTP request and its response in virtual time: two hosts, a wire of 10 Mbit/s with
// 15 ms each way, and a process on each side. They use plain net.Conns and block as they
// like; the time that passes is the wire's alone.
func Example_world() {
	w := stack.NewWorld(1)
	defer w.Close()
	a, b := wire.New(w.Clock(),
		&wire.Config{Address: nearMAC, Rate: 10e6, Delay: 15 * time.Millisecond},
		&wire.Config{Address: farMAC, Rate: 10e6, Delay: 15 * time.Millisecond})
	near, err := w.NewHost(stack.Config{Device: a, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		log.Fatal(err)
	}
	far, err := w.NewHost(stack.Config{Device: b, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if err != nil {
		log.Fatal(err)
	}

	l, err := far.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	w.Go(func() {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		r, err := http.ReadRequest(bufio.NewReader(c))
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v far:  %s %s\n", w.Clock().Now(), r.Method, r.URL)
		fmt.Fprintf(c, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello from %v", c.LocalAddr())
	})
	err = w.Run(func() {
		c, err := near.Dial("tcp", "10.0.0.2:80")
		if err != nil {
			log.Fatal(err)
		}
		defer c.Close()
		fmt.Printf("%v near: connected\n", w.Clock().Now())
		r, _ := http.NewRequest("GET", "http://far/index", nil)
		if err := r.Write(c); err != nil {
			log.Fatal(err)
		}
		response, err := http.ReadResponse(bufio.NewReader(c), r)
		if err != nil {
			log.Fatal(err)
		}
		body, err := io.ReadAll(response.Body)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Printf("%v near: %s: %s\n", w.Clock().Now(), response.Status, body)
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// 0.060291200s near: connected
	// 0.075488000s far:  GET /index
	// 0.090752000s near: 200 OK: hello from 10.0.0.2:80
}

// net/http's own Client and Server, which start goroutines of their own, between two
// hosts in real time. The client's host paces the connection through a card.
func Example_realTime() {
	clk := clock.NewReal()
	defer clk.Close()
	var near, far link.Device
	clk.Do(func() { // devices belong to the clock's goroutine
		a, b := wire.New(clk, &wire.Config{Address: nearMAC}, &wire.Config{Address: farMAC})
		card, err := netfpga.New(clk, a, nil)
		if err != nil {
			log.Fatal(err)
		}
		near, far = hold.New(card, clk, nil), b
	})
	client, err := stack.New(clk, stack.Config{Device: near, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.1/24")}})
	if err != nil {
		log.Fatal(err)
	}
	defer client.Close()
	server, err := stack.New(clk, stack.Config{Device: far, Addrs: []netip.Prefix{netip.MustParsePrefix("10.0.0.2/24")}})
	if err != nil {
		log.Fatal(err)
	}
	defer server.Close()

	l, err := server.Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n, _ := io.Copy(io.Discard, r.Body)
		fmt.Fprintf(w, "%d bytes to %s, thank you", n, r.URL.Path)
	})}
	go s.Serve(l)
	defer s.Close()

	c := &http.Client{Transport: &http.Transport{
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := client.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			rate, err := pacer.NewRate(100e6, pacer.Wire)
			if err != nil {
				return nil, err
			}
			return conn, client.Pace(conn, nil, rate)
		},
	}}
	defer c.CloseIdleConnections()
	response, err := c.Post("http://10.0.0.2/upload", "text/plain", io.LimitReader(zeros{}, 1e6))
	if err != nil {
		log.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(response.Status, string(body))
	// Output: 200 OK 1000000 bytes to /upload, thank you
}

// zeros is an endless body.
type zeros struct{}

func (zeros) Read(b []byte) (int, error) { return len(b), nil }
