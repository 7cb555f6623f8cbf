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
					g := Grant{Terms: &Terms{ID: fmt.Sprint(n)}}
					want = slices.Insert(want, at, g)
					a.put(at, g)
				}
			case 3, 4:
				from := rapid.IntRange(0, len(want)).Draw(t, "from")
				to := rapid.IntRange(from, min(len(want), from+rapid.IntRange(0, 30).Draw(t, "gone"))).Draw(t, "to")
				want = slices.Delete(want, from, to)
				a.cut(from, to)
			case 5:
				b.refill(a.Usable())
				wantB = slices.Clone(want)
				if rapid.Bool().Draw(t, "swap") {
					a, b, want, wantB = b, a, wantB, want
				}
			}
			if !slices.EqualFunc(a.Usable(), want, Grant.Equal) || !slices.EqualFunc(b.Usable(), wantB, Grant.Equal) {
				t.Fatalf("%v and %v, want %v and %v", a.Usable(), b.Usable(), want, wantB)
			}
			for _, room := range [][]Grant{a.room[:a.front], a.room[len(a.room):cap(a.room)]} {
				for _, g := range room {
					if g.Terms != nil {
						t.Fatalf("%v stays in the room around the grants", g)
					}
				}
			}
		}
	})
}
