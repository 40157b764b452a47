package programs

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/netcaliper/caliper/netfpga/netthreads"
)

// Locks and lists hold whatever the order in which the threads begin: all orders of four
// threads, and many of eight, as far apart as an instruction or as a critical section.
func TestQueueOrders(t *testing.T) {
	img := readImage(t, makeIn(t, "oracle", "sim", "queue"))
	permute(4, func(order []int) {
		for _, apart := range []int{0, 4, 20, 44, 200} {
			runQueue(t, img, netthreads.Config{CPUs: 2, Threads: 2}, order, apart)
		}
	})
	r := rand.New(rand.NewPCG(1, 1))
	for range 300 {
		runQueue(t, img, netthreads.Config{DelaySlots: r.IntN(2) == 0}, r.Perm(8), r.IntN(100))
	}
}

func runQueue(t *testing.T, img *netthreads.Image, config netthreads.Config, order []int, apart int) {
	t.Helper()
	own := *img
	own.Data = append([]byte(nil), img.Data...)
	write := func(symbol string, n int, v int) {
		for _, s := range own.Symbols {
			if s.Name == symbol {
				binary.BigEndian.PutUint32(own.Data[int(s.Addr-netthreads.DataBase)+4*n:], uint32(v))
				return
			}
		}
		t.Fatalf("no symbol %s", symbol)
	}
	for thread, place := range order {
		write("delays", thread, place*apart)
	}
	write("threads", 0, len(order))
	var got []string
	config.Log = func(thread int, cycle uint64, line string) { got = append(got, line) }
	m, err := netthreads.New(&own, &config)
	if err != nil {
		t.Fatal(err)
	}
	for len(got) == 0 && m.Cycle() < 1_000_000 {
		if _, err := m.Run(m.Cycle() + 10_000); err != nil {
			t.Fatal(err)
		}
	}
	want := "sum 40950, passed 120, found 12, empty 1"
	if len(got) != 1 || got[0] != want {
		t.Fatalf("order %v, %d apart: it says %q, want %q", order, apart, got, want)
	}
}

// permute calls f with every order of n numbers.
func permute(n int, f func([]int)) {
	order := make([]int, n)
	for i := range order {
		order[i] = i
	}
	var at func(i int)
	at = func(i int) {
		if i == n {
			f(order)
			return
		}
		for j := i; j < n; j++ {
			order[i], order[j] = order[j], order[i]
			at(i + 1)
			order[i], order[j] = order[j], order[i]
		}
	}
	at(0)
}

// A run is the same every time.
func TestPktgenRepeats(t *testing.T) {
	var first string
	for range 3 {
		r := newGenerator(t, "pktgen", netthreads.Config{})
		r.send(steady(200, 42, 60, 84)...)
		r.run(600_000)
		if got := fmt.Sprint(r.packets, r.replies); first == "" {
			first = got
		} else if got != first {
			t.Fatal("two runs differ")
		}
	}
}
