package oracle

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sort"
	"strings"

	"highwater/pkg/event"
)

// Fold rebuilds timelines from published entries and corrections alone. Each
// must be given in the order of its topic, and a correction right after the
// entry that caused it; [Fold.Publish] merges the two.
type Fold struct {
	accounts map[AccountName]*folded
}

// AccountName names a (user, asset), or a user's orders by asset "".
type AccountName struct{ User, Asset string }

// folded is one account as it was published.
type folded struct {
	steps []Step // by time, one a time
	// newest is the time of the newest thing said, if any was.
	newest event.Time
	ever   bool
	// results are those of everything said that still stands, by EntryKey.
	results map[string]event.Result
}

// NewFold has heard nothing.
func NewFold() *Fold { return &Fold{accounts: map[AccountName]*folded{}} }

// Publish takes in what one partition published, from the beginning or from
// where the last call ended: every correction after the entry that caused it.
func (f *Fold) Publish(entries []event.Entry, corrections []event.Correction) error {
	for i := range entries {
		e := &entries[i]
		if err := f.Entry(e); err != nil {
			return err
		}
		for len(corrections) > 0 && causes(e, &corrections[0]) {
			if err := f.Correct(&corrections[0]); err != nil {
				return err
			}
			corrections = corrections[1:]
		}
	}
	if len(corrections) > 0 {
		c := &corrections[0]
		return fmt.Errorf("correction %d: its cause %q of %s has no entry here", c.Seq, c.Cause.EventID, c.UserID)
	}
	return nil
}

// Entry takes one entry in. An error says how it contradicts what was said
// before.
func (f *Fold) Entry(e *event.Entry) error {
	a := f.account(e.UserID, e.Asset)
	id := EntryKey(e)
	if held, again := a.results[id]; again && !(held.Outcome == event.Pending && e.Revision == 1) {
		return fmt.Errorf("entry %d: %s %q of %s is said twice", e.Seq, e.Kind, e.EventID, describe(e.UserID, e.Asset))
	}
	a.results[id] = e.Result
	if e.Outcome == event.Pending {
		return nil
	}
	if e.Late {
		if !a.ever || e.EffectiveAt > a.newest {
			return fmt.Errorf("entry %d: %s %q of %s says it is late, but nothing later was said", e.Seq, e.Kind, e.EventID, describe(e.UserID, e.Asset))
		}
		return nil
	}
	if a.ever && e.EffectiveAt < a.newest {
		return fmt.Errorf("entry %d: %s %q of %s at %s doesn't say it is late, but %s was said before", e.Seq, e.Kind, e.EventID, describe(e.UserID, e.Asset), e.EffectiveAt, a.newest)
	}
	a.ever, a.newest = true, e.EffectiveAt
	if e.HasBalances() {
		a.steps = append(a.steps[:a.at(e.EffectiveAt)], Step{e.EffectiveAt, e.After})
	}
	return nil
}

// Correct takes one correction, or one part of a long one, in. An error says
// how it contradicts what was said before.
func (f *Fold) Correct(c *event.Correction) error {
	a := f.account(c.UserID, c.Asset)
	for _, s := range c.Changes {
		from, to := a.cut(s.From), len(a.steps)
		if s.To != event.NoTime {
			to = a.cut(s.To)
		}
		for i := from; i < to; i++ {
			b := &a.steps[i].Balances
			b.Balance += s.Balance
			b.Held += s.Held
			b.Debt += s.Debt
		}
	}
	for _, ch := range c.Entries {
		id := saidAs(ch.Kind, ch.EventID, ch.EffectiveAt, "")
		held, stands := a.results[id]
		switch {
		case ch.Before == nil && stands:
			return fmt.Errorf("correction %d: %q of %s appears, but was said before", c.Seq, ch.EventID, describe(c.UserID, c.Asset))
		case ch.Before != nil && !stands:
			return fmt.Errorf("correction %d: %q of %s changes, but was never said", c.Seq, ch.EventID, describe(c.UserID, c.Asset))
		case ch.Before != nil && !held.Same(ch.Before):
			return fmt.Errorf("correction %d: %q of %s is said to have been %s, but it was %s", c.Seq, ch.EventID, describe(c.UserID, c.Asset), ResultText(ch.Before), ResultText(&held))
		}
		if ch.After == nil {
			delete(a.results, id)
			continue
		}
		a.results[id] = *ch.After
	}
	return nil
}

// Accounts are all that anything was said about, users' orders included.
func (f *Fold) Accounts() []AccountName {
	return slices.SortedFunc(maps.Keys(f.accounts), func(x, y AccountName) int {
		return cmp.Or(strings.Compare(x.User, y.User), strings.Compare(x.Asset, y.Asset))
	})
}

// Steps is an account as a function of time up to the newest thing said, in
// the form of [Timeline.Steps].
func (f *Fold) Steps(user, asset string) []Step {
	if a := f.accounts[AccountName{user, asset}]; a != nil {
		return plain(a.steps)
	}
	return nil
}

// Newest is the time of the newest thing said about an account; false where
// nothing was.
func (f *Fold) Newest(user, asset string) (event.Time, bool) {
	a := f.accounts[AccountName{user, asset}]
	if a == nil || !a.ever {
		return 0, false
	}
	return a.newest, true
}

// Results are those of everything said about an account that still stands,
// pending operations included, by [EntryKey].
func (f *Fold) Results(user, asset string) map[string]event.Result {
	if a := f.accounts[AccountName{user, asset}]; a != nil {
		return a.results
	}
	return nil
}

// Contradicts says where the fold differs from a replay up to the newest
// thing said; "" where it doesn't.
func (f *Fold) Contradicts(user, asset string, line *Timeline, head event.Place) string {
	whose := describe(user, asset)
	if want, got := line.Steps(head), f.Steps(user, asset); !slices.Equal(want, got) {
		return fmt.Sprintf("%s: the replay goes %s, the fold %s", whose, StepsText(want), StepsText(got))
	}
	results := f.Results(user, asset)
	items := line.UpTo(head)
	for i := range items {
		held, ok := results[items[i].saidAs()]
		switch {
		case !ok:
			return fmt.Sprintf("%s: %q is in the replay, but was never said", whose, items[i].ID)
		case !held.Same(items[i].Result.Published()):
			return fmt.Sprintf("%s: %q is %s in the replay, but %s in the fold", whose, items[i].ID, ResultText(&items[i].Result), ResultText(&held))
		}
	}
	stand := 0
	for _, r := range results {
		if r.Outcome != event.Pending {
			stand++
		}
	}
	if stand != len(items) {
		return fmt.Sprintf("%s: %d items are in the replay, %d in the fold", whose, len(items), stand)
	}
	return ""
}

func (f *Fold) account(user, asset string) *folded {
	key := AccountName{user, asset}
	if f.accounts[key] == nil {
		f.accounts[key] = &folded{results: map[string]event.Result{}}
	}
	return f.accounts[key]
}

// at is the index of the first step at or after a time.
func (a *folded) at(t event.Time) int {
	return sort.Search(len(a.steps), func(i int) bool { return a.steps[i].At >= t })
}

// cut makes a step begin at a time, and gives its index.
func (a *folded) cut(t event.Time) int {
	i := a.at(t)
	if i < len(a.steps) && a.steps[i].At == t {
		return i
	}
	s := Step{At: t}
	if i > 0 {
		s.Balances = a.steps[i-1].Balances
	}
	a.steps = slices.Insert(a.steps, i, s)
	return i
}

func describe(user, asset string) string {
	if asset == "" {
		return user + "'s orders"
	}
	return user + "/" + asset
}

// EntryKey tells the entries about one account apart: the event's id, but
// for two. What a transfer brought has its sender's, which others may have
// chosen as well, and the expiry of a restored grant may move, so that the old
// one and the new stand in one correction.
func EntryKey(e *event.Entry) string {
	return saidAs(e.Kind, e.EventID, e.EffectiveAt, e.Counterparty)
}

// saidAs is the EntryKey of its parts. No id of an event has a slash.
func saidAs(kind event.Kind, id string, at event.Time, from string) string {
	switch {
	case kind == event.Expired && strings.Count(id, "/") > 1:
		return id + "@" + TimeText(at)
	case kind == event.Received:
		return kind.String() + "/" + from + "/" + id
	}
	return id
}

func (it *Item) saidAs() string { return saidAs(it.Kind, it.ID, it.Place.Time, it.Place.From) }

// causes reports whether an entry is what a correction blames: the one that
// did something, not one that began to wait.
func causes(e *event.Entry, c *event.Correction) bool {
	return e.UserID == c.UserID && e.EventID == c.Cause.EventID && e.Kind == c.Cause.Kind &&
		e.Input == c.Cause.Input && e.Outcome != event.Pending
}
