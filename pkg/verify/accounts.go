package verify

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// said is what was published about one account: a user's asset, or a user's
// orders.
type said struct {
	name        oracle.AccountName
	entries     []*published[event.Entry]
	corrections []*published[event.Correction]
	balances    []*published[event.Balance]
	settled     []*published[event.Entry]
	alerts      []*published[event.Alert]
}

// checkAccounts walks through what was said about each account.
func (h *history) checkAccounts() {
	for _, s := range h.accounts() {
		w := newWalk(h, s)
		w.run()
		h.lines[s.name] = w.line
	}
}

// accounts sorts everything that was said by account.
func (h *history) accounts() []*said {
	all := map[oracle.AccountName]*said{}
	of := func(user, asset string) *said {
		name := oracle.AccountName{User: user, Asset: asset}
		if all[name] == nil {
			all[name] = &said{name: name}
		}
		return all[name]
	}
	for _, e := range h.entries {
		s := of(e.value.UserID, e.value.Asset)
		s.entries = append(s.entries, e)
	}
	for _, c := range h.corrections {
		s := of(c.value.UserID, c.value.Asset)
		s.corrections = append(s.corrections, c)
	}
	for _, b := range h.balances {
		s := of(b.value.UserID, b.value.Asset)
		s.balances = append(s.balances, b)
	}
	for _, e := range h.settled {
		s := of(e.value.UserID, e.value.Asset)
		s.settled = append(s.settled, e)
	}
	for _, a := range h.alerts {
		s := of(a.value.UserID, a.value.Asset)
		s.alerts = append(s.alerts, a)
	}
	return slices.SortedFunc(maps.Values(all), func(a, b *said) int {
		return cmp.Or(strings.Compare(a.name.User, b.name.User), strings.Compare(a.name.Asset, b.name.Asset))
	})
}

// describe names an account.
func (s *said) describe() string {
	if s.name.Asset == "" {
		return s.name.User + "'s orders"
	}
	return s.name.User + "/" + s.name.Asset
}

// placeOf is where a due item stands, given its id: its kind, "/" and the
// grant's or hold's.
func placeOf(kind event.Kind, id string, at event.Time) event.Place {
	p := event.Place{Time: at, ID: strings.TrimPrefix(id, kind.String()+"/")}
	for _, due := range []event.Due{event.DueHold, event.DueExpiry, event.DueActivation} {
		if due.Kind() == kind {
			p.Due = due
		}
	}
	return p
}

// sameResult says how a result that was published differs from the one that
// should have been; "" where it doesn't. Balances count where they mean
// something.
func sameResult(want, got *event.Result, hasBalances bool) string {
	want = want.Published()
	if want.Omitted != got.Omitted {
		return fmt.Sprintf("expected %s, found %s", omittedText(want), omittedText(got))
	}
	w, g := oracle.ResultText(want), oracle.ResultText(got)
	if hasBalances {
		w, g = w+" "+balancesText(want.After), g+" "+balancesText(got.After)
	}
	if w == g {
		return ""
	}
	return fmt.Sprintf("expected %q, found %q", w, g)
}

func omittedText(r *event.Result) string {
	return fmt.Sprintf("%d slices, %d repayments and another %d and %d left out", len(r.Slices), len(r.Repaid), r.Omitted.Slices, r.Omitted.Repaid)
}

func balancesText(b event.Balances) string {
	return fmt.Sprintf("-> balance %d held %d debt %d", b.Balance, b.Held, b.Debt)
}
