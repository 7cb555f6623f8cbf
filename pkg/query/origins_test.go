package query

import (
	"encoding/json"
	"fmt"
	"testing"

	"github.com/prometheus/client_golang/prometheus"
	"pgregory.net/rapid"

	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// What is remembered of a grant is what its rows say, and no earlier snapshot
// is answered with it (I1).
func TestOrigins(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.send(grant("alice", "e1", "g1", 100), grant("bob", "e2", "g1", 30))
	store := w.homes[0].store
	viewNow := func(o *origins) *view {
		t.Helper()
		snapshot, err := store.Snapshot()
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := snapshot.Close(); err != nil {
				t.Error(err)
			}
		})
		v, err := engine.NewView(snapshot, 0)
		if err != nil {
			t.Fatal(err)
		}
		return &view{v, snapshot.Meta(), o}
	}
	registry := prometheus.NewRegistry()
	m := newMetrics(registry)
	for _, places := range []int{0, 1, 1000} { // with one place they take it from each other
		o := newOrigins(places, m)
		earlier := viewNow(o)
		w.tick(1)
		w.send(grant("alice", fmt.Sprintf("e3-%d", places), fmt.Sprintf("g3-%d", places), 7))
		later := viewNow(o)
		for range 2 {
			for _, c := range []struct {
				user, grant string
				v           *view
				want        string
				amount      event.Amount
			}{
				{"alice", "g1", earlier, "e1", 100},
				{"bob", "g1", later, "e2", 30},
				{"alice", fmt.Sprintf("g3-%d", places), later, fmt.Sprintf("e3-%d", places), 7},
				{"alice", fmt.Sprintf("g3-%d", places), earlier, "", 0},
				{"alice", "g1", later, "e1", 100},
			} {
				got, found := c.v.origin(c.user, c.grant)
				if got.eventID != c.want || got.amount != c.amount || found != (c.want != "") {
					t.Errorf("%d places: %s's %s at seq %d: %+v, %t", places, c.user, c.grant, c.v.meta.Seq, got, found)
				}
			}
		}
	}
	if hits := looks(t, registry, "memory"); hits == 0 {
		t.Error("nothing was found in memory")
	}
	before := looks(t, registry, "state")
	v := viewNow(newOrigins(1000, m))
	v.origin("alice", "g1")
	v.origin("alice", "g1")
	if misses := looks(t, registry, "state") - before; misses != 1 {
		t.Errorf("%v of two looks went to the state", misses)
	}
}

// looks is how many grants were found in memory, or were not.
func looks(t *testing.T, registry *prometheus.Registry, found string) (n float64) {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			if family.GetName() == "highwater_query_grant_origins_total" && metric.GetLabel()[0].GetValue() == found {
				n += metric.GetCounter().GetValue()
			}
		}
	}
	return n
}

// A balance is written as encoding/json would.
func TestBalanceJSON(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		number := func(name string) *int64 {
			if rapid.Bool().Draw(r, name+"?") {
				return nil
			}
			n := rapid.Int64().Draw(r, name)
			return &n
		}
		text := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]*`))
		when := rapid.Map(rapid.OneOf(rapid.Just(event.NoTime), rapid.Map(rapid.Int64Range(0, int64(event.MaxTime)), func(n int64) event.Time { return event.Time(n) })),
			func(t event.Time) instant { return instant(t) })
		place := rapid.Custom(func(r *rapid.T) position {
			return position{Topic: event.Topic(rapid.IntRange(int(event.NoTopic), int(event.Transfers)).Draw(r, "topic")), Partition: rapid.Int32Min(0).Draw(r, "partition"), Offset: rapid.Int64Min(0).Draw(r, "offset")}
		})
		grants := rapid.Custom(func(r *rapid.T) grantItem {
			return grantItem{
				GrantID: text.Draw(r, "grant"), Remaining: event.Amount(rapid.Int64().Draw(r, "remaining")), Held: 2, EffectiveAt: when.Draw(r, "effective"),
				ExpiresAt: when.Draw(r, "expires"), Priority: rapid.Int32().Draw(r, "priority"), State: "usable", Amount: 3,
				madeBy: madeBy{text.Draw(r, "event"), "grant", nullText(text.Draw(r, "counterparty")), nullText(text.Draw(r, "origin"))},
			}
		})
		b := balanceAnswer{
			UserID: text.Draw(r, "user"), Asset: text.Draw(r, "asset"), At: when.Draw(r, "at"),
			balances: balances{number("balance"), number("held"), number("debt")},
			Grants:   append([]grantItem{}, rapid.SliceOfN(grants, 0, 3).Draw(r, "grants")...), MoreGrants: 4,
			Holds: append([]holdItem{}, rapid.SliceOfN(rapid.Just(holdItem{HoldID: "h", Slices: []sliceItem{{GrantID: "g"}}}), 0, 2).Draw(r, "holds")...), MoreHolds: 5,
			NextChangeAt: when.Draw(r, "next"), Watermark: when.Draw(r, "watermark"), Position: place.Draw(r, "position"),
			Positions: append([]position{}, rapid.SliceOfN(place, 0, 3).Draw(r, "positions")...),
		}
		if rapid.Bool().Draw(r, "final?") {
			final := rapid.Bool().Draw(r, "final")
			b.Final = &final
		}
		want, err := json.Marshal(&b)
		if err != nil {
			r.Fatal(err)
		}
		got, err := b.append(nil)
		if err != nil || string(got) != string(want) {
			r.Fatalf("%v\n got %s\nwant %s", err, got, want)
		}
	})
}
