package netthreads_test

import (
	"encoding/binary"
	"fmt"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// A program of one thread that launches a packet of eight bytes for cycle 1000.
func Example() {
	var text []byte
	for _, word := range []uint32{
		0x00000000, // nop
		0x3c080800, // lui   $8,0x800       output memory
		0x24090001, // addiu $9,$0,1
		0xa5090000, // sh    $9,0($8)       to MAC 0
		0x3c0a2000, // lui   $10,0x2000
		0xad480000, // sw    $8,0($10)      CTRL_START
		0x2508000f, // addiu $8,$8,15
		0x3c0a4000, // lui   $10,0x4000
		0xad480000, // sw    $8,0($10)      CTRL_END
		0x3c0a6000, // lui   $10,0x6000
		0xad490000, // sw    $9,0($10)      CTRL_END_W
		0x240b03e8, // addiu $11,$0,1000
		0x3c0a8000, // lui   $10,0x8000
		0xad4b0004, // sw    $11,4($10)     SEND_TIME_TRIG
		0x8d4c0000, // lw    $12,0($10)     SEND_OUT_W
		0x1000ffff, // beq   $0,$0,-1       for ever
	} {
		text = binary.BigEndian.AppendUint32(text, word)
	}
	m, err := netthreads.New(&netthreads.Image{Text: text}, &netthreads.Config{CPUs: 1, Threads: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	stop, err := m.Run(5000)
	p, _ := m.Output()
	fmt.Println(stop == netthreads.Launched, err)
	fmt.Printf("launched in cycle %d for cycle %d: %d bytes to ports %b\n", p.Launched, p.Depart, len(p.Bytes), p.Ports)
	m.Run(1e9)
	fmt.Printf("cycle %d, idle: %v\n", m.Cycle(), m.Idle())
	// Output:
	// true <nil>
	// launched in cycle 14 for cycle 1000: 8 bytes to ports 1
	// cycle 1000000000, idle: true
}
