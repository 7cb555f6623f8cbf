package bench

import (
	"math"
	"sort"
)

// ranks draws ranks from 0 on: rank k with a probability proportional to
// 1/(k+1)^exponent, all of them equally where the exponent is 0. math/rand has
// a Zipf distribution for exponents above 1 only.
//
// It is a table of the distribution function, searched by halving: 8 bytes a
// rank, and nothing that another language would have to imitate but a sum.
type ranks struct {
	n int
	// upTo is the sum of the weights up to each rank; nil where all are equal.
	upTo []float64
}

func newRanks(n int, exponent float64) ranks {
	if exponent == 0 {
		return ranks{n: n}
	}
	upTo := make([]float64, n)
	sum := 0.0
	for k := range upTo {
		sum += math.Pow(float64(k+1), -exponent)
		upTo[k] = sum
	}
	return ranks{n: n, upTo: upTo}
}

// at is the rank that a number from 0 to 1 stands for.
func (r ranks) at(u float64) int {
	if r.upTo == nil {
		return int(u * float64(r.n))
	}
	u *= r.upTo[r.n-1]
	return min(r.n-1, sort.Search(r.n, func(k int) bool { return r.upTo[k] > u }))
}
