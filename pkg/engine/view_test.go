package engine_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

// eyes are what a View is held against: the model, and what was published.
type eyes struct {
	*rand.Rand
	model *oracle.Model
	// entries and corrections were published, entries by user and event_id.
	entries     map[[2]string]event.Entry
	corrections map[string][]event.Correction
	// sequences are those of the records that arrived.
	sequences map[event.Position]int64
	// known are balances as they were after each transaction, by its clock.
	known map[event.Time]map[knownKey]knownBalance
}

type knownKey struct {
	user, asset string
	at          event.Time
}

type knownBalance struct {
	event.Balances
	entered bool
}

func (y *eyes) note(r *oracle.Records) {
	for i := range r.Entries {
		e := r.Entries[i]
		y.entries[[2]string{e.UserID, askedAs(e.Kind, e.EventID, e.Counterparty)}] = e
	}
	for _, c := range r.Corrections {
		y.corrections[c.UserID] = append(y.corrections[c.UserID], c)
	}
}

// waits reports whether an operation of an account is pending.
func (y *eyes) waits(user, asset string) bool {
	for _, e := range y.entries {
		if e.UserID == user && e.Asset == asset && e.Outcome == event.Pending {
			return true
		}
	}
	return false
}

// askedAs is the id under which a View is sure to find an entry.
func askedAs(kind event.Kind, id, from string) string {
	if kind == event.Received {
		return "received/" + from + "/" + id
	}
	return id
}

func (y *eyes) noteBalances(committed event.Time, times []event.Time) {
	now := map[knownKey]knownBalance{}
	for _, user := range gen.Users {
		for _, asset := range gen.Assets {
			line, _ := y.model.Said(user, asset)
			for _, at := range times {
				b, ok := line.BalanceAt(at)
				now[knownKey{user, asset, at}] = knownBalance{b, ok}
			}
		}
	}
	y.known[committed] = now
}

// times are such at which something happens in a line, just before and just
// after.
func (y *eyes) times(line *oracle.Timeline) []event.Time {
	times := []event.Time{0, event.MaxTime}
	for range 8 {
		if len(line.Items) == 0 {
			break
		}
		at := line.Items[y.IntN(len(line.Items))].Place.Time
		times = append(times, max(0, at+event.Time(y.IntN(3)-1)))
	}
	return times
}

// views runs a scenario through model and engine and holds a View on the rows
// against the model.
func views(cacheBytes int) func(gen.Scenario) error {
	return func(s gen.Scenario) error {
		h := newHost(s.Config, cacheBytes)
		y := &eyes{
			Rand: rand.New(rand.NewPCG(uint64(len(s.Transactions)), 7)), entries: map[[2]string]event.Entry{},
			sequences:   map[event.Position]int64{},
			corrections: map[string][]event.Correction{}, known: map[event.Time]map[knownKey]knownBalance{},
		}
		var committed event.Time
		times := []event.Time{0, event.MaxTime}
		for range 5 {
			times = append(times, event.Time(y.IntN(60))*5_000_000)
		}
		var err error
		s.Run(func(tx *gen.Transaction, m *oracle.Model, _ *oracle.Records) bool {
			y.model = m
			var got *oracle.Records
			if got, err = h.run(tx); err != nil {
				return false
			}
			y.note(got)
			for i := range tx.Arrivals {
				y.sequences[tx.Arrivals[i].Input] = tx.Arrivals[i].Event.Sequence
			}
			committed = max(committed, tx.Now)
			y.noteBalances(committed, times)
			return true
		})
		if err != nil || y.model == nil {
			return err
		}
		v, err := engine.NewView(h.rows, s.Config.Partition)
		if err != nil {
			return err
		}
		if err := y.look(v); err != nil {
			return err
		}
		return v.Err()
	}
}

func (y *eyes) look(v *engine.View) error {
	if v.Watermark() != y.model.Watermark() {
		return fmt.Errorf("watermark %s, want %s", v.Watermark(), y.model.Watermark())
	}
	for _, user := range gen.Users {
		var want []string
		for _, asset := range append([]string{""}, gen.Assets...) {
			if line, _ := y.model.Said(user, asset); len(line.Items) > 0 || y.waits(user, asset) {
				want = append(want, asset)
			}
		}
		var accounts []engine.Account
		var got []string
		for a := range v.Accounts(user) {
			accounts = append(accounts, a)
			got = append(got, a.Asset)
		}
		if !slices.Equal(got, want) || v.HasUser(user) != (len(want) > 0) {
			return fmt.Errorf("%s has the accounts %q, want %q", user, got, want)
		}
		for i := range accounts {
			a := &accounts[i]
			line, _ := y.model.Said(user, a.Asset)
			check := y.balances
			if a.IsOrders() {
				check = y.orders
			}
			if err := check(v, a, line); err != nil {
				return fmt.Errorf("%s/%s: %w", user, a.Asset, err)
			}
		}
		if err := y.entriesOf(v, user, accounts); err != nil {
			return fmt.Errorf("%s: %w", user, err)
		}
		if err := y.correctionsOf(v, user, accounts); err != nil {
			return fmt.Errorf("%s: %w", user, err)
		}
	}
	if err := y.knownThen(v); err != nil {
		return err
	}
	return y.everyone(v)
}

func (y *eyes) balances(v *engine.View, a *engine.Account, line *oracle.Timeline) error {
	for _, at := range y.times(line) {
		want, entered := line.BalanceAt(at)
		s := v.Standing(a, at)
		if got := s.State.Balances(); s.Entered != entered || got != want {
			return fmt.Errorf("at %s: %v %v, want %v %v", oracle.TimeText(at), s.Entered, got, entered, want)
		}
		newest := event.Position{}
		for _, it := range line.UpTo(event.EndOf(at)) {
			if it.Taken != nil {
				newest = it.Taken.Input
			}
		}
		if s.Newest != newest {
			return fmt.Errorf("at %s: newest event from %v, want %v", oracle.TimeText(at), s.Newest, newest)
		}
		sum := int64(0)
		held := int64(0)
		for g := range s.Grants() {
			if g.State == engine.UsableGrant {
				sum += int64(g.Remaining)
			}
			held += int64(g.Held)
		}
		if held != want.Held {
			return fmt.Errorf("at %s: grants have %d held, want %d", oracle.TimeText(at), held, want.Held)
		}
		if sum != want.Balance+want.Debt {
			return fmt.Errorf("at %s: usable grants have %d, want %d", oracle.TimeText(at), sum, want.Balance+want.Debt)
		}
		if c := v.Conservation(a, at); !c.Holds() || c.Balance != want.Balance || c.Debt != want.Debt {
			return fmt.Errorf("at %s: %+v isn't conserved, or not %+v", oracle.TimeText(at), c, want)
		}
		if err := sameSteps(v, a, line, at); err != nil {
			return err
		}
		if err := y.explains(v, a, line, at); err != nil {
			return fmt.Errorf("explained at %s: %w", oracle.TimeText(at), err)
		}
	}
	return nil
}

func sameSteps(v *engine.View, a *engine.Account, line *oracle.Timeline, from event.Time) error {
	var want, got []oracle.Step
	for _, s := range line.Steps(event.EndOf(event.MaxTime)) {
		if s.At >= from {
			want = append(want, s)
		}
	}
	for s := range v.Steps(a, from) {
		if s.Moved {
			got = append(got, oracle.Step{At: s.At, Balances: s.Balances})
		}
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("from %s: %s, want %s", oracle.TimeText(from), oracle.StepsText(got), oracle.StepsText(want))
	}
	return nil
}

// wantEntries is everything said of a user, as the model has it now.
func (y *eyes) wantEntries(user string, accounts []engine.Account) (places []engine.EntryPlace, entries []event.Entry) {
	type one struct {
		place engine.EntryPlace
		entry event.Entry
	}
	var all []one
	for i := range accounts {
		asset := accounts[i].Asset
		line, head := y.model.Said(user, asset)
		for _, it := range line.UpTo(head) {
			e := event.Entry{
				EventID: it.ID, UserID: user, Asset: asset, Kind: it.Kind, OccurredAt: it.Place.Time, EffectiveAt: it.Place.Time,
				ArrivedAt: event.NoTime, Result: it.Result, Stamp: event.Stamp{CommittedAt: event.NoTime},
			}
			if it.Taken != nil {
				said := y.entries[[2]string{user, askedAs(it.Kind, it.ID, it.Place.From)}]
				e.OccurredAt, e.ArrivedAt, e.Input = it.Taken.Event.OccurredAt, it.Taken.ArrivedAt, it.Taken.Input
				e.Late, e.AfterFinal, e.CommittedAt = said.Late, said.AfterFinal, said.CommittedAt
				e.Partition, e.Counterparty, e.Revision = said.Partition, said.Counterparty, said.Revision
			}
			all = append(all, one{engine.EntryPlace{Place: it.Place, Asset: asset}, e})
		}
		for _, said := range y.entries {
			if said.UserID == user && said.Asset == asset && said.Outcome == event.Pending {
				said.Seq, said.Watermark = 0, 0
				place := event.Place{Time: said.EffectiveAt, Due: event.AnEvent, Sequence: y.sequences[said.Input], Rank: said.Kind.Rank(), ID: said.EventID}
				all = append(all, one{engine.EntryPlace{Place: place, Asset: asset}, said})
			}
		}
	}
	slices.SortFunc(all, func(x, z one) int { return x.place.Compare(z.place) })
	for _, x := range all {
		places, entries = append(places, x.place), append(entries, x.entry)
	}
	return places, entries
}

func (y *eyes) entriesOf(v *engine.View, user string, accounts []engine.Account) error {
	places, want := y.wantEntries(user, accounts)
	same := func(what string, want, got []event.Entry) error {
		for i := range got {
			if got[i].Input == (event.Position{}) {
				got[i].Partition = 0
			}
		}
		if d := oracle.Diff(&oracle.Records{Entries: want}, &oracle.Records{Entries: got}); d != "" {
			return fmt.Errorf("%s: %s", what, d)
		}
		return nil
	}
	collect := func(from engine.EntryPlace, back bool, most int) (got []event.Entry) {
		for _, e := range v.Entries(accounts, from, back) {
			if got = append(got, *e); len(got) == most {
				break
			}
		}
		return got
	}
	if err := same("entries", want, collect(engine.EntryPlace{}, false, -1)); err != nil {
		return err
	}
	backwards := slices.Clone(want)
	slices.Reverse(backwards)
	if err := same("entries back", backwards, collect(engine.EntryPlace{Place: event.EndOf(event.MaxTime)}, true, -1)); err != nil {
		return err
	}
	if len(want) > 0 {
		i, n := y.IntN(len(want)), 1+y.IntN(5)
		if err := same("page", want[i+1:min(i+1+n, len(want))], collect(places[i], false, n)); err != nil {
			return err
		}
		if err := same("page back", backwards[len(want)-i:min(len(want)-i+n, len(want))], collect(places[i], true, n)); err != nil {
			return err
		}
	}
	for i := range want {
		e, ok := v.Entry(user, askedAs(want[i].Kind, want[i].EventID, want[i].Counterparty))
		if !ok {
			return fmt.Errorf("entry %s isn't found", want[i].EventID)
		}
		if err := same("entry", want[i:i+1], []event.Entry{*e}); err != nil {
			return err
		}
	}
	for i := range accounts {
		line, head := y.model.Said(user, accounts[i].Asset)
		for _, it := range line.Items[len(line.UpTo(head)):] {
			if e, ok := v.Entry(user, it.ID); ok {
				return fmt.Errorf("entry %s, which is to come, is %+v", it.ID, e)
			}
		}
	}
	for _, id := range []string{"nobody", "expired/nobody", "activated/", "/", "hold_expired/g1", "e1/g1"} {
		if e, ok := v.Entry(user, id); ok {
			return fmt.Errorf("entry %q is %+v", id, e)
		}
	}
	return nil
}

func (y *eyes) correctionsOf(v *engine.View, user string, accounts []engine.Account) error {
	want := y.corrections[user]
	collect := func(from int64, back bool) (got []event.Correction) {
		for c := range v.Corrections(accounts, from, back) {
			got = append(got, *c)
		}
		return got
	}
	same := func(what string, want, got []event.Correction) error {
		if len(want) != len(got) {
			return fmt.Errorf("%s: %d, want %d", what, len(got), len(want))
		}
		for i := range want {
			if d := oracle.Diff(&oracle.Records{Corrections: want[i : i+1]}, &oracle.Records{Corrections: got[i : i+1]}); d != "" {
				return fmt.Errorf("%s: %s", what, d)
			}
		}
		return nil
	}
	if err := same("corrections", want, collect(-1, false)); err != nil {
		return err
	}
	backwards := slices.Clone(want)
	slices.Reverse(backwards)
	if err := same("corrections back", backwards, collect(1<<62, true)); err != nil || len(want) == 0 {
		return err
	}
	i := y.IntN(len(want))
	if err := same("corrections from one", want[i+1:], collect(want[i].Seq, false)); err != nil {
		return err
	}
	return same("corrections back from one", backwards[len(want)-i:], collect(want[i].Seq, true))
}

func (y *eyes) orders(v *engine.View, a *engine.Account, line *oracle.Timeline) error {
	var got []string
	var places []event.Place
	for place, s := range v.LiveOrders(a, event.Place{}) {
		got, places = append(got, stateText(s)), append(places, place)
	}
	var want []string
	for i := range line.Live {
		want = append(want, liveText(a.User, &line.Live[i]))
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("live orders %q, want %q", got, want)
	}
	for i, place := range places {
		n := 0
		for range v.LiveOrders(a, place) {
			n++
		}
		if n != len(places)-1-i {
			return fmt.Errorf("%d live orders behind the %dth of %d", n, i+1, len(places))
		}
	}
	for n := range 3 {
		id := fmt.Sprintf("o%d", n)
		if err := y.history(v, a, line, id); err != nil {
			return fmt.Errorf("order %s: %w", id, err)
		}
	}
	return nil
}

// history holds one order's history against the user's commands: those that
// name the order, and the cancel_alls that ended it.
func (y *eyes) history(v *engine.View, a *engine.Account, line *oracle.Timeline, id string) error {
	var want []string
	status, placed := event.NoOrderStatus, false
	for _, it := range line.Items {
		switch {
		case it.Kind == event.CancelAll && (status == event.Active || status == event.Paused):
			status = event.Cancelled
		case it.Kind == event.CancelAll || it.Taken.Event.Ref != id:
			continue
		case it.Result.Outcome == event.Applied:
			status = it.Result.Order.Status
			placed = true
		}
		want = append(want, it.ID+" "+oracle.ResultText(&it.Result))
	}
	var got []string
	var places []event.Place
	for place, e := range v.History(a, id, event.Place{}) {
		got, places = append(got, e.EventID+" "+oracle.ResultText(&e.Result)), append(places, place)
	}
	if !slices.Equal(got, want) {
		return fmt.Errorf("history %q, want %q", got, want)
	}
	for i, place := range places {
		var rest []string
		for _, e := range v.History(a, id, place) {
			rest = append(rest, e.EventID+" "+oracle.ResultText(&e.Result))
		}
		if !slices.Equal(rest, want[i+1:]) {
			return fmt.Errorf("history behind the %dth is %q, want %q", i+1, rest, want[i+1:])
		}
	}
	s, ok := v.Order(a, id)
	if ok != placed || ok && s.Status != status {
		return fmt.Errorf("order is %+v (%v), want %s (%v)", s, ok, status, placed)
	}
	return nil
}

func stateText(s *event.OrderState) string {
	return fmt.Sprint(s.UserID, s.OrderID, s.Currency, s.Quantity, s.Price, s.Status, s.PlacedAt, s.UpdatedAt)
}

func liveText(user string, o *oracle.Order) string {
	return fmt.Sprint(user, o.ID, o.Currency, o.Quantity, o.Price, o.Status, o.Placed.Time, o.UpdatedAt)
}

// everyone holds what is about all users against the model.
func (y *eyes) everyone(v *engine.View) error {
	tallies := map[engine.WindowID]event.Tally{}
	type live struct {
		place event.Place
		text  string
		user  string
	}
	var want []live
	for _, user := range gen.Users {
		line, _ := y.model.Said(user, "")
		for w, t := range line.Tallies {
			id := engine.WindowID{Start: w.Start, Currency: w.Currency}
			sum := tallies[id]
			addTally(&sum, &t)
			tallies[id] = sum
		}
		for i := range line.Live {
			want = append(want, live{line.Live[i].Placed, liveText(user, &line.Live[i]), user})
		}
	}
	slices.SortFunc(want, func(a, b live) int {
		return cmp.Or(cmp.Compare(a.place.Time, b.place.Time), cmp.Compare(a.place.Sequence, b.place.Sequence),
			strings.Compare(a.place.ID, b.place.ID), strings.Compare(a.user, b.user))
	})
	i := 0
	var last engine.LivePlace
	for place, s := range v.AllLive(engine.LivePlace{}) {
		if i >= len(want) || stateText(s) != want[i].text || i > 0 && last.Compare(place) >= 0 {
			return fmt.Errorf("live order %d is %s, want %v", i, stateText(s), want)
		}
		i++
		last = place
		n := 0
		for range v.AllLive(place) {
			n++
		}
		if n != len(want)-i {
			return fmt.Errorf("%d live orders behind the %dth of %d", n, i, len(want))
		}
	}
	if i != len(want) {
		return fmt.Errorf("%d live orders, want %d", i, len(want))
	}
	for _, currency := range []string{"", "EUR", "USD", "AAA", "ZZZ"} {
		if err := sameWindows(v, tallies, currency); err != nil {
			return err
		}
	}
	return nil
}

func sameWindows(v *engine.View, tallies map[engine.WindowID]event.Tally, currency string) error {
	var last engine.WindowID
	found := 0
	for id, tally := range v.Windows(engine.WindowID{}, event.MaxTime, currency) {
		if tally == nil {
			continue
		}
		if *tally != tallies[id] || currency != "" && id.Currency != currency || found > 0 && id.Compare(last) <= 0 {
			return fmt.Errorf("window %v is %+v, want %+v", id, tally, tallies[id])
		}
		found++
		last = id
	}
	for id, tally := range tallies {
		if tally != (event.Tally{}) && (currency == "" || id.Currency == currency) {
			found--
		}
	}
	if found < 0 {
		return fmt.Errorf("%d windows of %q are missing", -found, currency)
	}
	return nil
}

func addTally(t, o *event.Tally) {
	t.Placed += o.Placed
	t.Paused += o.Paused
	t.Resumed += o.Resumed
	t.Cancelled += o.Cancelled
	t.Ignored += o.Ignored
	t.PlacedAmount = t.PlacedAmount.Add(o.PlacedAmount)
	t.PlacedNotional = t.PlacedNotional.Add(o.PlacedNotional)
	t.LiveOrdersDelta += o.LiveOrdersDelta
	t.LiveNotionalDelta = t.LiveNotionalDelta.Add(o.LiveNotionalDelta)
}

// knownThen asks for what was known after earlier transactions.
func (y *eyes) knownThen(v *engine.View) error {
	for committed, balances := range y.known {
		for k, want := range balances {
			a, ok := v.Account(k.user, k.asset)
			if !ok {
				continue
			}
			s := v.StandingKnown(&a, k.at, committed)
			if s.Entered != want.entered || s.State.Balances() != want.Balances {
				return fmt.Errorf("%s/%s at %s as known at %s: %v %v, want %+v", k.user, k.asset, oracle.TimeText(k.at),
					oracle.TimeText(committed), s.Entered, s.State.Balances(), want)
			}
		}
	}
	return nil
}

func TestViewAgreesWithOracle(t *testing.T) {
	t.Parallel()
	property(t, 40, gen.Options{TakeOvers: true}, views(allMemory))
}

func TestViewOfLongHistoriesAgreesWithOracle(t *testing.T) {
	t.Parallel()
	property(t, 1000, gen.Options{Transactions: 200}, views(noMemory))
}

// Where the credits of each kind of grant are counted.
func TestConservationCountsEachCreditOnce(t *testing.T) {
	h := newHost(oracle.Config{IdleTimeout: 1 << 40, FutureSkew: 1 << 40}, 1<<30)
	send := func(events ...event.Event) {
		tx := gen.Transaction{Now: 1000}
		for i := range events {
			e := &events[i]
			e.User, e.Asset, e.TimeGiven, e.ID = "ann", event.DefaultAsset, true, fmt.Sprintf("e%d", i)
			tx.Arrivals = append(tx.Arrivals, oracle.Arrival{Event: *e, Input: event.Position{Topic: e.Kind.Topic(), Offset: int64(i)}})
		}
		if _, err := h.run(&tx); err != nil {
			t.Fatal(err)
		}
	}
	grant := func(id string, at, effective, expires event.Time, amount event.Amount) event.Event {
		return event.Event{Kind: event.Grant, Ref: id, OccurredAt: at, EffectiveAt: effective, ExpiresAt: expires, Amount: amount}
	}
	none := event.NoTime
	send(
		grant("now", 10, none, none, 100),
		grant("future", 10, 50, none, 20),
		grant("short", 10, none, 40, 7),
		event.Event{Kind: event.Subtract, OccurredAt: 20, Amount: 5, EffectiveAt: none, ExpiresAt: none},
		event.Event{Kind: event.Revoke, Ref: "later", OccurredAt: 30, Amount: event.NoAmount, EffectiveAt: none, ExpiresAt: none},
		grant("later", 35, none, none, 3),
		event.Event{Kind: event.Revoke, Ref: "now", OccurredAt: 60, Amount: event.NoAmount, EffectiveAt: none, ExpiresAt: none},
	)
	v, err := engine.NewView(h.rows, 0)
	if err != nil {
		t.Fatal(err)
	}
	a, ok := v.Account("ann", event.DefaultAsset)
	if !ok {
		t.Fatal("no account")
	}
	for at, want := range map[event.Time]engine.Conservation{
		5:  {},
		10: {Credited: 107, Available: 107, Balance: 107},
		20: {Credited: 107, Available: 102, Consumed: 5, Balance: 102},
		35: {Credited: 110, Available: 102, Consumed: 5, Revoked: 3, Balance: 102},
		40: {Credited: 110, Available: 100, Consumed: 5, Revoked: 3, Expired: 2, Balance: 100},
		50: {Credited: 130, Available: 120, Consumed: 5, Revoked: 3, Expired: 2, Balance: 120},
		60: {Credited: 130, Available: 20, Consumed: 5, Revoked: 103, Expired: 2, Balance: 20},
	} {
		if got := v.Conservation(&a, at); got != want || !got.Holds() {
			t.Errorf("at %d: %+v, want %+v", at, got, want)
		}
	}
}
