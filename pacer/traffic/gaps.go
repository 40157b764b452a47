package traffic

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/netcaliper/caliper/pacer"
)

// Gaps are the inter-departure times of a plan. They are made by CycleGaps or a Dist.
type Gaps struct {
	next func() pacer.Gap
	text string
}

// String describes the gaps: "13560 ns".
func (g Gaps) String() string { return g.text }

// CycleGaps returns the gaps of a list, in order and then from the first again. There must
// be one.
func CycleGaps(list []pacer.Gap) Gaps {
	if len(list) == 1 {
		gap := list[0]
		return Gaps{func() pacer.Gap { return gap }, gapText(gap)}
	}
	i := -1
	return Gaps{func() pacer.Gap {
		if i++; i == len(list) {
			i = 0
		}
		return list[i]
	}, fmt.Sprintf("%d in turn", len(list))}
}

// gapText writes a gap with its unit.
func gapText(g pacer.Gap) string {
	return pacer.FormatGap(g) + " ns"
}

// longestGap bounds what is drawn, 53 days, so that it can be counted in picoseconds.
const longestGap = pacer.Gap(1 << 62)

func gapOf(ps float64) pacer.Gap {
	if ps >= float64(longestGap) {
		return longestGap
	}
	return pacer.Gap(math.Round(ps))
}

// exponentialGaps are those between the packets of a Poisson process.
func exponentialGaps(mean pacer.Gap, r *rand.Rand) Gaps {
	return Gaps{func() pacer.Gap { return gapOf(float64(mean) * r.ExpFloat64()) },
		"exponential with mean " + gapText(mean)}
}

// paretoGaps have P(gap > x) = (least/x)^shape from the least gap on. The logarithm of such
// a gap over the least one is exponential with mean 1/shape.
func paretoGaps(mean pacer.Gap, shape float64, r *rand.Rand) Gaps {
	least := float64(mean) * (shape - 1) / shape
	return Gaps{func() pacer.Gap { return gapOf(least * math.Exp(r.ExpFloat64()/shape)) },
		fmt.Sprintf("pareto with mean %s and shape %v", gapText(mean), shape)}
}
