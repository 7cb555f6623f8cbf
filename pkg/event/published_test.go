package event

import (
	"reflect"
	"strings"
	"testing"
)

func longResult(slices, repaid int) *Result {
	id := strings.Repeat("x", 128)
	return &Result{
		Slices: make([]Slice, slices), Repaid: make([]Repayment, repaid),
		Amount: 1, Order: OrderChange{OrderID: id},
	}
}

// A result is published whole where its lists fit, and else with what fits of
// them, slices first.
func TestPublishedResults(t *testing.T) {
	const most = MaxListBytes / partBytes // of slices and repayments without ids
	for _, c := range []struct {
		slices, repaid int
		kept           [2]int
	}{
		{0, 0, [2]int{0, 0}},
		{most, 0, [2]int{most, 0}},
		{most + 1, 0, [2]int{most, 0}},
		{most + 1, 5, [2]int{most, 0}},
		{most - 2, 2, [2]int{most - 2, 2}},
		{most - 2, 5, [2]int{most - 2, 2}},
		{0, most + 7, [2]int{0, most}},
	} {
		r := longResult(c.slices, c.repaid)
		p := r.Published()
		if got := [2]int{len(p.Slices), len(p.Repaid)}; got != c.kept {
			t.Errorf("%d slices and %d repayments: %v are kept", c.slices, c.repaid, got)
		}
		if left := (Omitted{int32(c.slices - c.kept[0]), int32(c.repaid - c.kept[1])}); p.Omitted != left || (p == r) != (left == Omitted{}) {
			t.Errorf("%d slices and %d repayments: it says that it lacks %v", c.slices, c.repaid, p.Omitted)
		}
		if r.Omitted != (Omitted{}) || len(r.Slices) != c.slices {
			t.Errorf("%d slices and %d repayments: the result itself is cut", c.slices, c.repaid)
		}
		if again := p.Published(); again != p {
			t.Errorf("%d slices and %d repayments: it is published otherwise a second time", c.slices, c.repaid)
		}
	}
	// Ids count.
	r := longResult(20, 20)
	for i := range r.Slices {
		r.Slices[i].GrantID = strings.Repeat("g", MaxListBytes/10-partBytes)
	}
	if p := r.Published(); len(p.Slices) != 10 || len(p.Repaid) != 0 {
		t.Errorf("%d slices and %d repayments are kept", len(p.Slices), len(p.Repaid))
	}
	r.Slices, r.Repaid = r.Slices[:9], r.Repaid[:3]
	r.Repaid[0].EventID, r.Repaid[1].GrantID = strings.Repeat("e", MaxListBytes/20), strings.Repeat("g", MaxListBytes/20)
	if p := r.Published(); len(p.Slices) != 9 || len(p.Repaid) != 1 || !reflect.DeepEqual(p.Repaid, r.Repaid[:1]) {
		t.Errorf("%d slices and %d repayments are kept", len(p.Slices), len(p.Repaid))
	}
}
