package oracle

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"

	"highwater/pkg/event"
)

// Config is how a partition is set up. Times are in microseconds.
type Config struct {
	Partition   int32
	Policies    event.Policies
	Lateness    int64
	IdleTimeout int64
	FutureSkew  int64
	// Horizon is the retention horizon; 0 is none.
	Horizon int64
	// IdleHold is the policy idle: hold.
	IdleHold bool
	// Settled publishes the settled topic.
	Settled bool
}

// Arrival is one record of an input topic.
type Arrival struct {
	Event event.Event
	// Refusal is why no event could be read, if none could.
	Refusal   *event.Refusal
	Input     event.Position
	ArrivedAt event.Time
	// Remittance, where not nil, is a record of the topic of transfers; it says
	// itself where it came from, and nothing of the above counts.
	Remittance *event.Remittance
}

// name tells apart what belongs to a user: an asset ("" for orders), an
// event, a grant or an order.
type name struct{ user, id string }

// Model is one partition, told everything step by step.
type Model struct {
	config   Config
	policies event.Policies
	progress progress
	// now is the processor's clock, never going back.
	now       event.Time
	takenOver bool
	watermark event.Time

	accounts map[name]*account
	events   map[name]known
	grants   map[name]bool // all that were not rejected
	// waiting are the pending operations, in the order of arrival.
	waiting []Taken
	// credited and debited are the totals ever, at face value.
	credited, debited map[name]*big.Int
	orders            orderBoard

	saidWatermark   bool
	lastWatermark   event.Time
	lastWatermarkAt event.Time

	seqs seqs
	out  *Records
}

// NewModel is an empty partition.
func NewModel(c Config) *Model {
	return &Model{
		config: c, policies: c.Policies,
		progress: progress{lateness: c.Lateness, idleTimeout: c.IdleTimeout, hold: c.IdleHold},
		accounts: map[name]*account{}, events: map[name]known{}, grants: map[name]bool{},
		credited: map[name]*big.Int{}, debited: map[name]*big.Int{},
		orders: newOrderBoard(), out: &Records{},
	}
}

// SetPolicies puts other policies in force for what arrives from now on.
func (m *Model) SetPolicies(p event.Policies) { m.policies = p }

// TakeOver makes the next Begin that of a new owner of the partition, who
// knows the state but not when topics last had news.
func (m *Model) TakeOver() { m.takenOver = false }

// Watermark is the one in force.
func (m *Model) Watermark() event.Time { return m.watermark }

// Said is what the model knows of one account and how much of it was said:
// everything at or before head. Asset is "" for orders.
func (m *Model) Said(user, asset string) (line *Timeline, head event.Place) {
	a := m.accounts[name{user, asset}]
	if a == nil {
		return &Timeline{}, event.Place{}
	}
	return a.line, a.head
}

// Taken is everything that one user's events came to, in the order in which
// they were decided within each account.
func (m *Model) Taken(user string) []Taken {
	var all []Taken
	for _, a := range m.inOrder() {
		if a.user == user {
			all = append(all, a.taken...)
		}
	}
	return all
}

// Begin starts a transaction: the clock is told.
func (m *Model) Begin(now event.Time) {
	m.now = max(m.now, now)
	if !m.takenOver {
		m.takenOver = true
		m.progress.takeOver(m.now)
	}
	m.move()
}

// Receive takes one record.
func (m *Model) Receive(a Arrival) {
	if a.Remittance != nil {
		m.enter(TakenRemittance(a.Remittance), 0)
		return
	}
	e := &a.Event
	e.FillDefaults()
	if m.take(a) {
		m.progress.heard(a.Input.Topic, e.OccurredAt, m.now)
	}
	m.move()
}

// take does what a record asks for, and tells whether it may move the
// watermark.
func (m *Model) take(a Arrival) bool {
	e := &a.Event
	switch {
	case a.Refusal != nil:
		m.putAside(*a.Refusal)
		return false
	case e.Kind.Topic() != a.Input.Topic:
		m.putAside(event.Refusal{Code: event.Invalid, Field: "operation", Message: fmt.Sprintf("%s doesn't belong in topic %s", e.Kind, a.Input.Topic)})
		return false
	}
	if r := e.Check(); r != nil {
		m.putAside(*r)
		return false
	}
	future := int64(e.OccurredAt) > int64(m.now)+m.config.FutureSkew
	known, isKnown := m.events[name{e.User, e.ID}]
	isCopy := isKnown && known.event.SameContent(e)
	if r := e.CheckFilledIn(); r != nil && !isCopy {
		m.putAside(*r)
		return false
	}
	switch {
	case isCopy:
		return !future
	case future:
		m.putAside(event.Refusal{Code: event.FromTheFuture, Field: "occurred_at", Message: "is too far ahead of the clock"})
		return false
	case m.config.Horizon > 0 && int64(e.OccurredAt) < int64(m.watermark)-m.config.Horizon:
		m.putAside(event.Refusal{Code: event.TooOld, Field: "occurred_at", Message: "is older than the retention horizon"})
		return true
	case isKnown:
		m.putAside(event.Refusal{Code: event.EventConflict, Field: "event_id", Message: "is taken by an event of other content"})
		return true
	}
	m.apply(a)
	return true
}

// apply takes an event in, and decides what waited for it.
func (m *Model) apply(arrival Arrival) {
	t := Taken{Event: arrival.Event, Input: arrival.Input, ArrivedAt: arrival.ArrivedAt}
	if !t.Event.Kind.IsOrder() {
		t.Policy = m.policies.For(t.Event.Asset)
	}
	if m.waits(&t.Event) {
		m.wait(t)
	} else {
		m.enter(t, 0)
	}
	m.decideWaiting(&t.Event)
}

// enter takes an event in, in its place, and says everything that follows.
func (m *Model) enter(t Taken, revision int32) {
	e := &t.Event
	m.decide(&t)
	if e.Kind != event.Received {
		m.events[name{e.User, e.ID}] = known{event: *e, rejected: t.Rejected != event.NoCode}
	}
	a := m.account(e.User, t.Asset())
	said := a.head
	place := t.Place()
	a.marks[place] = marks{late: place.Before(said), afterFinal: place.Time <= m.watermark, revision: revision}
	before := a.take(t)

	// What falls due between the newest thing said and this is said first.
	for _, due := range a.unsaid(place) {
		m.say(a, due)
	}
	m.say(a, a.item(place))
	m.correct(a, before.UpTo(said), said, a.item(place))
	// What comes into being behind the watermark is said and settled at once.
	m.passed(true, nil)
	if e.Kind.IsOrder() {
		m.orders.changed(e.User, before, a.line, m.watermark)
	}
}

// correct says what an event changed in what was said before it: in the
// account's items up to the place said.
func (m *Model) correct(a *account, before []Item, said event.Place, cause Item) {
	after := a.line.UpTo(said)
	c := event.Correction{
		Cause: event.Cause{
			EventID: cause.ID, Kind: cause.Kind, OccurredAt: cause.Taken.Event.OccurredAt, Input: cause.Taken.Input,
		},
		UserID: a.user, Asset: a.asset, AfterFinal: a.marks[cause.Place].afterFinal,
		Changes: stretches(before, after),
		Entries: entryChanges(before, after, cause.Place),
	}
	if a.marks[cause.Place].late {
		c.Cause.LateBy = int64(said.Time - cause.Place.Time)
	}
	for _, p := range parts(c) {
		p.Stamp = m.stamp(&m.seqs.corrections)
		m.out.Corrections = append(m.out.Corrections, p)
	}
	for _, ch := range c.Entries {
		was := int64(0)
		if ch.Before != nil {
			was = ch.Before.Shortfall
		}
		if ch.After != nil && ch.After.Shortfall > was {
			m.alertShortfall(a, ch.EventID, ch.After.Shortfall)
		}
	}
}

// say publishes the entry of an item, which may be the newest thing said.
func (m *Model) say(a *account, it Item) {
	e := a.entry(&it)
	e.Stamp = m.stamp(&m.seqs.entries)
	m.out.Entries = append(m.out.Entries, e)
	if a.head.Before(it.Place) {
		a.head = it.Place
	}
	a.touched, a.cause = true, m.watermark
	if it.Result.Shortfall > 0 {
		m.alertShortfall(a, it.ID, it.Result.Shortfall)
	}
}

// move computes the watermark and says what it passes.
func (m *Model) move() {
	old := m.watermark
	m.watermark = m.progress.watermark(old, m.now)
	if m.watermark == old {
		return
	}
	m.passed(false, m.giveUp())
	m.orders.passed(old, m.watermark)
}

// line is one thing to say about an account.
type line struct {
	account *account
	item    Item
}

func byPlace(lines []line) []line {
	slices.SortFunc(lines, func(x, y line) int {
		if c := x.item.Place.Compare(y.item.Place); c != 0 {
			return c
		}
		return compareAccounts(x.account, y.account)
	})
	return lines
}

// passed says the operations given up and the due items, and settles the
// items, at or before the watermark that weren't yet. They came into being
// behind it where an event made them so, and not the watermark's own move.
func (m *Model) passed(afterFinal bool, givenUp []line) {
	say, settle := givenUp, []line{}
	for _, a := range m.accounts {
		for _, it := range a.unsaid(event.EndOf(m.watermark)) {
			a.marks[it.Place] = marks{afterFinal: afterFinal}
			say = append(say, line{a, it})
		}
		for _, it := range a.unsettled(m.watermark) {
			if it.Taken == nil {
				a.marks[it.Place] = marks{afterFinal: afterFinal}
			}
			settle = append(settle, line{a, it})
		}
	}
	for _, l := range byPlace(say) {
		if l.item.Taken != nil {
			l.account.marks[l.item.Place] = marks{late: l.item.Place.Before(l.account.head), revision: 1}
		}
		m.say(l.account, l.item)
	}
	for _, l := range byPlace(settle) {
		l.account.settled[once(l.item.Place)] = true
		if m.config.Settled {
			e := l.account.entry(&l.item)
			e.Stamp = m.stamp(&m.seqs.settled)
			m.out.Settled = append(m.out.Settled, e)
		}
	}
}

// Commit ends the transaction and gives all that it published.
func (m *Model) Commit() *Records {
	for _, a := range m.inOrder() {
		if a.touched && a.asset != "" {
			m.balance(a)
		}
		a.touched = false
	}
	m.orders.commit(m)
	second := int64(1_000_000)
	if m.watermark > m.lastWatermark && (!m.saidWatermark || int64(m.now-m.lastWatermarkAt) >= second) {
		m.saidWatermark, m.lastWatermark, m.lastWatermarkAt = true, m.watermark, m.now
		m.out.Watermarks = append(m.out.Watermarks, event.Watermark{At: m.watermark, Stamp: m.stamp(&m.seqs.watermarks)})
	}
	out := m.out
	m.out = &Records{}
	return out
}

func (m *Model) balance(a *account) {
	b := event.Balance{
		UserID: a.user, Asset: a.asset, Balances: a.atHead(),
		AsOf: a.head.Time, NextChangeAt: a.nextChange(),
		Final: a.head.Time <= a.cause, Revision: next(&a.balances),
		Stamp: m.stampOf(&m.seqs.balances, a.cause),
	}
	m.out.Balances = append(m.out.Balances, b)
}

func (m *Model) putAside(r event.Refusal) {
	m.out.DeadLetters = append(m.out.DeadLetters, event.DeadLetter{Refusal: r, Stamp: m.stamp(&m.seqs.deadLetters)})
}

func (m *Model) alertShortfall(a *account, eventID string, shortfall int64) {
	m.alert(event.Alert{
		UserID: a.user, Asset: a.asset, Kind: event.ShortfallAlert, EventID: eventID,
		Value: fmt.Sprint(shortfall), Limit: "0",
	})
}

func (m *Model) alert(al event.Alert) {
	al.Stamp = m.stamp(&m.seqs.alerts)
	m.out.Alerts = append(m.out.Alerts, al)
}

// stamp is that of a record whose cause is being processed.
func (m *Model) stamp(seq *int64) event.Stamp { return m.stampOf(seq, m.watermark) }

func (m *Model) stampOf(seq *int64, watermark event.Time) event.Stamp {
	return event.Stamp{Partition: m.config.Partition, Seq: next(seq), Watermark: watermark, CommittedAt: m.now}
}

func (m *Model) account(user, asset string) *account {
	key := name{user, asset}
	if m.accounts[key] == nil {
		m.accounts[key] = newAccount(user, asset)
	}
	return m.accounts[key]
}

// inOrder are the accounts by user and asset, orders before assets.
func (m *Model) inOrder() []*account {
	return slices.SortedFunc(maps.Values(m.accounts), compareAccounts)
}

func compareAccounts(a, b *account) int {
	if c := strings.Compare(a.user, b.user); c != 0 {
		return c
	}
	return strings.Compare(a.asset, b.asset)
}
