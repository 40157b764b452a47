package testbed_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log"

	"github.com/netcaliper/caliper/stack/testbed"
)

// Two hosts from a file, on a line that becomes ten times as slow after a tenth of a second,
// and what their devices have counted.
func Example() {
	const file = `{
		"seed": 1,
		"hosts": [
			{"name": "near", "congestion": "cubic", "policy": "window", "hold": {}, "card": {}},
			{"name": "far"}
		],
		"links": [{
			"ends": ["near", "far"], "rate": 100000000, "line": 1000000000, "delay": 5000000, "queue": 50,
			"steps": [{"at": 100000000, "rate": 10000000}]
		}]
	}`
	var config testbed.Config
	if err := json.Unmarshal([]byte(file), &config); err != nil {
		log.Fatal(err)
	}
	b, err := testbed.New(config, nil)
	if err != nil {
		log.Fatal(err)
	}
	defer b.Close()

	l, err := b.Host("far").Listen("tcp", ":80")
	if err != nil {
		log.Fatal(err)
	}
	b.Go(func() {
		c, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		n, _ := io.Copy(io.Discard, c)
		fmt.Println(n, "bytes arrived")
	})
	err = b.Run(func() {
		c, err := b.Host("near").Dial("tcp", "10.0.0.2:80")
		if err != nil {
			log.Fatal(err)
		}
		c.Write(make([]byte, 5_000_000))
		c.Close()
		b.Sleep(10e9)
	})
	if err != nil {
		log.Fatal(err)
	}
	for _, c := range b.Host("near").Counters() {
		if c.Kind != "trace" {
			fmt.Printf("%s: it sent %t, it dropped %t\n", c.Kind, c.Sent.Frames > 0, c.Sent.Dropped() > 0)
		}
	}
	// Output:
	// 5000000 bytes arrived
	// endpoint: it sent true, it dropped false
	// hold: it sent true, it dropped false
	// card: it sent true, it dropped false
	// wire: it sent true, it dropped true
}
