// Package testbed puts hosts, the links between them and the devices of each together from
// one plain Config, and takes them apart again: two hosts or two hundred, in virtual or in
// real time.
//
//	Config    what there is to be: values only, from a file or from flags
//	Testbed   what there is: New, Run, Close
//	Host      a TCP/IP host with its chain of devices, from the top down
//
// The chain of a host, of which a Config may leave out most:
//
//	host -> hold -> card -> trace -> capture -> faults -> a link, a real interface or a file
//
// A Config says for itself what is wrong with it (Check), before anything is opened. What is
// counted is read from the top of a chain down: Host.Counters.
//
//	b, err := testbed.New(testbed.Config{
//		Seed:  1,
//		Hosts: []testbed.HostConfig{{Name: "near", Hold: &testbed.HoldConfig{}}, {Name: "far"}},
//		Links: []testbed.LinkConfig{{Ends: [2]string{"near", "far"}, Direction: testbed.Direction{Rate: 1e9}}},
//	}, nil)
//	err = b.Run(func() {
//		l, err := b.Host("far").Listen("tcp", ":80")
//		...
//	})
//	err = b.Close()
//
// # Time
//
// Time is virtual where nothing leads out of the process. Then the same Config and the same
// use of it give the same frames at the same times, which Hash compares. With a real
// interface, or with Config.Real, time is the machine's, and devices belong to the goroutine
// of its clock: what looks at them is given to Do.
//
// # Limitations
//
// A host has one chain, and a link joins two hosts: there are no switches and no routers.
package testbed
