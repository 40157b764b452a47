package traffic

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"

	"github.com/netcaliper/caliper/pacer"
)

// MaxPayload is the largest UDP payload that there is, in bytes: with IPv4 (RFC 768).
const MaxPayload = 65507

// MaxSizes is how many sizes ParsePayloads reads at most.
const MaxSizes = 1 << 22

// Sizes are the UDP payloads of a plan, in bytes. They are made by CycleSizes or a Dist.
type Sizes struct {
	next func() int
	most int
	text string
}

// String describes the sizes: "1472 bytes".
func (s Sizes) String() string { return s.text }

// Most returns the largest size, in bytes.
func (s Sizes) Most() int { return s.most }

// CycleSizes returns the sizes of a list, in order and then from the first again. There
// must be one.
func CycleSizes(list []int) Sizes {
	if len(list) == 1 {
		n := list[0]
		return Sizes{func() int { return n }, n, fmt.Sprintf("%d bytes", n)}
	}
	i := -1
	return Sizes{func() int {
		if i++; i == len(list) {
			i = 0
		}
		return list[i]
	}, slices.Max(list), fmt.Sprintf("%d in turn", len(list))}
}

// uniformSizes are all equally likely, low and high too.
func uniformSizes(low, high int, r *rand.Rand) Sizes {
	return Sizes{func() int { return low + r.IntN(high-low+1) }, high,
		fmt.Sprintf("uniform from %d to %d bytes", low, high)}
}

// spikeBump are the frames of the spike bump mix, in bytes with FCS, and how many of ten
// each is.
var spikeBump = []struct{ frame, tenths int }{{1518, 5}, {612, 1}, {64, 4}}

// spikeBumpSizes are those of the spike bump mix, where so many bytes of each frame are
// headers and FCS.
func spikeBumpSizes(overhead int, r *rand.Rand) Sizes {
	var tenths [10]int
	i, most := 0, 0
	for _, kind := range spikeBump {
		most = max(most, kind.frame-overhead)
		for range kind.tenths {
			tenths[i] = kind.frame - overhead
			i++
		}
	}
	return Sizes{func() int { return tenths[r.IntN(10)] }, most, "of the spike bump mix"}
}

// ParsePayloads reads a list of sizes as ParsePayload reads them, separated by white space.
// It returns an error that says which one is wrong where something else is found, a size is
// larger than MaxPayload, or there are more than MaxSizes; and an error where there is none.
func ParsePayloads(r io.Reader) ([]int, error) {
	const longestWord = 1 << 10
	in := bufio.NewScanner(r)
	in.Buffer(make([]byte, 0, 4*longestWord), longestWord)
	in.Split(bufio.ScanWords)
	var list []int
	for in.Scan() {
		n, err := ParsePayload(in.Text())
		if err == nil && len(list) == MaxSizes {
			err = fmt.Errorf("there are more than %d", MaxSizes)
		}
		if err != nil {
			return nil, fmt.Errorf("size %d: %w", len(list)+1, err)
		}
		list = append(list, n)
	}
	if err := in.Err(); err != nil {
		return nil, fmt.Errorf("size %d: %w", len(list)+1, err)
	}
	if len(list) == 0 {
		return nil, errors.New("there is no size in it")
	}
	return list, nil
}

// ParsePayload reads the size of a UDP payload, in bytes, as pacer.ParseSize reads it.
func ParsePayload(s string) (int, error) {
	n, err := pacer.ParseSize(s)
	if err == nil && n > MaxPayload {
		err = fmt.Errorf("%.32s bytes are more than UDP's %d", s, MaxPayload)
	}
	if err != nil {
		return 0, err
	}
	return int(n), nil
}
