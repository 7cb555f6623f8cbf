package event

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The order of a user's events, as the contract lists it.
func TestPlaceOrder(t *testing.T) {
	at := func(micros Time, k Kind, sequence int64, id string) Place {
		e := Event{ID: id, OccurredAt: micros, EffectiveAt: NoTime, Kind: k, Sequence: sequence}
		return e.Place()
	}
	due := func(micros Time, d Due, id string) Place { return Place{Time: micros, Due: d, ID: id} }
	order := []Place{
		{},
		at(9, CancelAll, 99, "z"),
		due(10, DueHold, "a"),
		due(10, DueHold, "b"),
		due(10, DueExpiry, "a"),
		due(10, DueActivation, "a"),
		due(10, DueActivation, "b"),
		at(10, CancelAll, -1, "z"),
		at(10, PlaceOrder, 0, "z"),
		at(10, Grant, 0, "a"),
		at(10, Add, 0, "b"),
		{Time: 10, Due: AnEvent, Rank: Received.Rank(), ID: "c", From: "alice"},
		{Time: 10, Due: AnEvent, Rank: Received.Rank(), ID: "c", From: "bob"},
		at(10, Refund, 0, "a"),
		at(10, Release, 0, "b"),
		at(10, Revoke, 0, "a"),
		at(10, Subtract, 0, "A"),
		at(10, Transfer, 0, "a"),
		at(10, Spend, 0, "ab"),
		at(10, Hold, 0, "b"),
		at(10, Capture, 0, "\xc3\xbc"),
		at(10, Pause, 0, "a"),
		at(10, Resume, 0, "b"),
		at(10, Cancel, 0, "a"),
		at(10, CancelAll, 0, "a"),
		at(10, PlaceOrder, 1, "a"),
		EndOf(10),
		due(11, DueHold, "a"),
	}
	for i, p := range order {
		for j, q := range order {
			if got, want := p.Compare(q), i-j; sign(got) != sign(want) {
				t.Errorf("place %d %+v against %d %+v: %d", i, p, j, q, got)
			}
			if p.Before(q) != (i < j) {
				t.Errorf("place %d before %d: %v", i, j, p.Before(q))
			}
		}
	}
}

func sign(n int) int { return min(1, max(-1, n)) }

// I2: Compare is a total order, equal only for equal places.
func TestPlaceTotalOrder(t *testing.T) {
	place := rapid.Custom(func(t *rapid.T) Place {
		return Place{
			Time:     Time(rapid.Int64Range(0, 2).Draw(t, "time")),
			Due:      Due(rapid.Uint8Range(0, uint8(AfterAll)).Draw(t, "due")),
			Sequence: rapid.SampledFrom([]int64{-1 << 63, -1, 0, 1<<63 - 1}).Draw(t, "sequence"),
			Rank:     rapid.Uint8Range(0, 7).Draw(t, "rank"),
			ID:       rapid.SampledFrom([]string{"", "a", "ab", "b"}).Draw(t, "id"),
			From:     rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "from"),
		}
	})
	rapid.Check(t, func(t *rapid.T) {
		p := rapid.SliceOfN(place, 3, 3).Draw(t, "places")
		if sign(p[0].Compare(p[1])) != -sign(p[1].Compare(p[0])) {
			t.Fatal("not antisymmetric")
		}
		if (p[0].Compare(p[1]) == 0) != (p[0] == p[1]) {
			t.Fatal("equal without being the same, or the other way round")
		}
		slices.SortFunc(p, Place.Compare)
		if p[0].Compare(p[2]) > 0 {
			t.Fatal("not transitive")
		}
	})
}

func TestNamesRoundTrip(t *testing.T) {
	for k := Grant; k < kinds; k++ {
		if got, ok := ParseEntryKind(k.String()); !ok || got != k {
			t.Errorf("ParseEntryKind(%q) = %v, %v", k, got, ok)
		}
		got, ok := ParseKind(k.String())
		sendable := !k.IsDue() && k != Received
		if ok != sendable || ok && got != k {
			t.Errorf("ParseKind(%q) = %v, %v", k, got, ok)
		}
		if sendable && !slices.Contains(Inputs[:], k.Topic()) {
			t.Errorf("%v belongs to %v, which is no input topic", k, k.Topic())
		}
		if k.IsOrder() != (k.Topic() == Orders) || k.IsConditional() && k.Topic() != Ledger {
			t.Errorf("%v belongs to %v", k, k.Topic())
		}
	}
	for o := Applied; o < outcomes; o++ {
		if got, ok := ParseOutcome(o.String()); !ok || got != o {
			t.Errorf("ParseOutcome(%q) = %v, %v", o, got, ok)
		}
	}
	for c := range codes {
		if got, ok := ParseCode(c.String()); !ok || got != c {
			t.Errorf("ParseCode(%q) = %v, %v", c, got, ok)
		}
	}
	for topic := Grants; topic < topics; topic++ {
		if got, ok := ParseTopic(topic.String()); !ok || got != topic {
			t.Errorf("ParseTopic(%q) = %v, %v", topic, got, ok)
		}
	}
	for _, name := range []string{"", "Grant", "grant ", strings.Repeat("x", 99)} {
		_, k := ParseKind(name)
		_, e := ParseEntryKind(name)
		_, o := ParseOutcome(name)
		_, topic := ParseTopic(name)
		if k || e || o || topic {
			t.Errorf("%q is found", name)
		}
	}
}
