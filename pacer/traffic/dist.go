package traffic

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"

	"github.com/netcaliper/caliper/pacer"
)

// A Dist is a distribution that gaps or sizes are drawn from:
//
//	constant:G            gaps of G ns
//	exponential:MEAN      gaps, of MEAN ns on average
//	pareto:MEAN,SHAPE     gaps, of MEAN ns on average, SHAPE above 1
//	uniform:A,B           payloads of A to B bytes
//	spike-bump            frames of 1518 (50 %), 612 (10 %) and 64 bytes (40 %), with FCS
type Dist struct {
	name      string
	mean      pacer.Gap
	shape     float64
	low, high int
}

var distNames = []string{"constant", "exponential", "pareto", "uniform", "spike-bump"}

// ParseDist reads a distribution.
func ParseDist(s string) (Dist, error) {
	name, list, _ := strings.Cut(s, ":")
	if !slices.Contains(distNames, name) {
		return Dist{}, fmt.Errorf("there is no distribution %q: there are %s", name, strings.Join(distNames, ", "))
	}
	d := Dist{name: name}
	var args []string
	if list != "" {
		args = strings.Split(list, ",")
	}
	wanted := map[string]string{"constant": "G", "exponential": "MEAN", "pareto": "MEAN,SHAPE", "uniform": "A,B"}[name]
	if n := len(strings.FieldsFunc(wanted, func(r rune) bool { return r == ',' })); len(args) != n {
		if n == 0 {
			return d, fmt.Errorf("%s takes no numbers", name)
		}
		return d, fmt.Errorf("write it as %s:%s", name, wanted)
	}
	var err error
	switch name {
	case "constant", "exponential":
		d.mean, err = pacer.ParseGap(args[0])
	case "pareto":
		if d.mean, err = pacer.ParseGap(args[0]); err == nil {
			d.shape, err = parseShape(args[1])
		}
	case "uniform":
		if d.low, err = ParsePayload(args[0]); err == nil {
			d.high, err = ParsePayload(args[1])
		}
		if err == nil && d.low > d.high {
			err = fmt.Errorf("%d is more than %d", d.low, d.high)
		}
	}
	return d, err
}

// parseShape reads the shape of a Pareto distribution. At 1 and below it has no mean.
func parseShape(s string) (float64, error) {
	v, err := pacer.ParseDecimal(s, 6)
	if err != nil || v <= 1e6 || v > 1000e6 {
		return 0, fmt.Errorf("a shape of %.32s is not above 1 and at most 1000, with at most six decimals", s)
	}
	return float64(v) / 1e6, nil
}

// String returns the distribution's name.
func (d Dist) String() string { return d.name }

// OfSizes tells whether it is one of sizes. Otherwise it is one of gaps.
func (d Dist) OfSizes() bool { return d.name == "uniform" || d.name == "spike-bump" }

// The streams of random numbers, so that gaps do not change when sizes are drawn too.
const (
	gapStream  = 1
	sizeStream = 2
)

// Gaps returns gaps that are drawn from d, the same for the same seed.
func (d Dist) Gaps(seed uint64) Gaps {
	r := rand.New(rand.NewPCG(seed, gapStream))
	switch d.name {
	case "exponential":
		return exponentialGaps(d.mean, r)
	case "pareto":
		return paretoGaps(d.mean, d.shape, r)
	}
	return CycleGaps([]pacer.Gap{d.mean})
}

// Sizes returns sizes that are drawn from d, the same for the same seed, for packets with
// IP and UDP headers of so many bytes. It returns an error if those leave no room.
func (d Dist) Sizes(seed uint64, headers int) (Sizes, error) {
	r := rand.New(rand.NewPCG(seed, sizeStream))
	if d.name == "uniform" {
		return uniformSizes(d.low, d.high, r), nil
	}
	overhead := headers + ethernet
	if least := spikeBump[len(spikeBump)-1].frame; least < overhead {
		return Sizes{}, fmt.Errorf("its frames of %d bytes have no room for headers of %d: they are meant for IPv4", least, overhead)
	}
	return spikeBumpSizes(overhead, r), nil
}

// ethernet is the length of an Ethernet header and FCS.
const ethernet = 14 + 4
