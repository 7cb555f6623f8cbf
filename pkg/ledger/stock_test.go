package ledger

import (
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Whatever goes in and out, usable is what a plain list would be, in room, and
// copies share nothing with it (I6).
func TestStock(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var a, b Account
		var want, wantB []Grant
		n := 0
		for range rapid.IntRange(1, 300).Draw(t, "changes") {
			switch rapid.IntRange(0, 5).Draw(t, "change") {
			case 0, 1, 2:
				at := rapid.SampledFrom([]int{0, len(want) / 4, len(want) / 2, len(want)}).Draw(t, "at")
				for range rapid.IntRange(1, 40).Draw(t, "grants") {
					n++
					g := Grant{ID: fmt.Sprint(n)}
					want = slices.Insert(want, at, g)
					a.put(at, g)
				}
			case 3, 4:
				from := rapid.IntRange(0, len(want)).Draw(t, "from")
				to := rapid.IntRange(from, min(len(want), from+rapid.IntRange(0, 30).Draw(t, "gone"))).Draw(t, "to")
				want = slices.Delete(want, from, to)
				a.cut(from, to)
			case 5:
				b.refill(a.usable)
				wantB = slices.Clone(want)
				if rapid.Bool().Draw(t, "swap") {
					a, b, want, wantB = b, a, wantB, want
				}
			}
			if !slices.Equal(a.usable, want) || !slices.Equal(b.usable, wantB) {
				t.Fatalf("%v and %v, want %v and %v", a.usable, b.usable, want, wantB)
			}
			for _, g := range a.room[:a.before()] {
				if g != (Grant{}) {
					t.Fatalf("%v stays in the room in front", g)
				}
			}
		}
	})
}
