package gen

import (
	"fmt"
	"math/rand/v2"

	"highwater/pkg/event"
	"highwater/pkg/oracle"
)

// Options narrow what Random makes up.
type Options struct {
	// OrderFree leaves out everything whose outcome depends on the order of
	// arrival or on the clock, so that every Shuffle ends in the same state.
	OrderFree bool
	// Decisions lets OrderFree have conditional operations all the same: every
	// Shuffle that decides alike ends in the same state.
	Decisions bool
	// TakeOvers lets the partition change its owner between transactions.
	TakeOvers bool
	// Transactions is the most there are, but for one that delivers what is on
	// its way in the end; 0 means 16.
	Transactions int
}

// Users and Assets are all that a Scenario knows.
var (
	Users  = []string{"ann", "bob", "cat"}
	Assets = []string{event.DefaultAsset, "gems"}
)

// tick is the grid on which nearly all times lie, so that many are equal.
const tick = 5_000_000

// maker makes up one Scenario.
type maker struct {
	*rand.Rand
	options Options
	config  oracle.Config
	now     event.Time
	users   []string
	assets  []string
	// credits, orders and asking are the weights of facts about credits, of
	// commands on orders, and of what asks before it delivers.
	credits, orders, asking int

	sent   []oracle.Arrival
	ids    map[string]bool // "user/event_id" used
	grants map[string]bool // "user/grant_id" used
	// promised are events that something sent before them names.
	promised []promise
	// model takes everything as it is made up, so that what comes next can aim
	// at what came of it.
	model     *oracle.Model
	transfers Transfers
}

// Random makes up a Scenario from a seed.
func Random(seed uint64, o Options) Scenario {
	m := &maker{
		Rand: rand.New(rand.NewPCG(seed, 0x6869676877617465)), options: o,
		ids: map[string]bool{}, grants: map[string]bool{},
	}
	if m.options.Transactions == 0 {
		m.options.Transactions = 16
	}
	m.users = Users[:1+m.pick(5, 2, 3)]
	m.assets = Assets[:1+m.pick(3, 1)]
	switch asks := !m.options.OrderFree || m.options.Decisions; {
	case asks && m.chance(55):
		m.users, m.assets = Users[:1+m.pick(70, 20, 10)], Assets[:1+m.pick(80, 20)]
		m.credits, m.orders, m.asking = 2, m.pick(85, 15), 3
	case m.chance(20):
		m.orders = 1
	default:
		m.credits, m.orders = 1, m.pick(3, 2)
		if asks {
			m.asking = m.pick(1, 1)
		}
	}
	m.config = m.makeConfig()
	m.model = oracle.NewModel(m.config)
	s := Scenario{Config: m.config}
	m.now = event.Time(m.IntN(10)) * tick
	for range 1 + m.IntN(m.options.Transactions) {
		s.Transactions = append(s.Transactions, m.transaction())
	}
	if on := len(m.transfers.onTheWay); on > 0 && m.chance(70) {
		last := Transaction{Now: m.now}
		for range on {
			last.Arrivals = append(last.Arrivals, Deliver())
		}
		s.Transactions = append(s.Transactions, last)
	}
	s.number()
	return s
}

// pick is an index, as often as its weight says.
func (m *maker) pick(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	n := m.IntN(sum)
	for i, w := range weights {
		if n -= w; n < 0 {
			return i
		}
	}
	return 0
}

// chance is true in percent of 100 cases.
func (m *maker) chance(percent int) bool { return m.IntN(100) < percent }

func (m *maker) makeConfig() oracle.Config {
	c := oracle.Config{
		Policies:    *m.makePolicies(),
		Lateness:    int64([]int{0, 1, 2, 6}[m.IntN(4)]) * tick,
		IdleTimeout: int64([]int{1, 2, 4, 50}[m.IntN(4)]) * tick,
		FutureSkew:  int64(m.IntN(4)) * tick,
		IdleHold:    m.chance(15),
		Settled:     m.chance(85),
	}
	if m.chance(10) {
		c.Partition = 3
	}
	if m.chance(20) {
		c.Horizon = int64(1+m.IntN(6)) * tick
	}
	if m.options.OrderFree {
		c.FutureSkew, c.Horizon = 1000*tick, 0
		c.Policies.Orders = event.OrderPolicy{}
	}
	return c
}

func (m *maker) transaction() Transaction {
	switch m.pick(45, 20, 10, 15, 10) {
	case 0:
		m.now += event.Time(1+m.IntN(2)) * tick
	case 2:
		m.now += 400_000
	case 3:
		m.now += event.Time(3+m.IntN(20)) * tick
	case 4:
		m.now = max(0, m.now-event.Time(1+m.IntN(2))*tick)
	}
	tx := Transaction{Now: m.now}
	if m.options.TakeOvers {
		tx.TakeOver = m.chance(10)
	}
	if !m.options.OrderFree && m.chance(5) {
		tx.Policies = m.makePolicies()
	}
	begins := tx
	m.transfers.Sent(begins.Step(m.model))
	m.model.Begin(tx.Now)
	for range m.pick(12, 24, 24, 18, 13, 9) {
		a := m.arrival()
		if len(m.transfers.onTheWay) > 0 && m.chance(30) {
			a = Deliver()
		}
		tx.Arrivals = append(tx.Arrivals, a)
		if a, ok := m.transfers.resolve(a, 0); ok {
			m.model.Receive(a)
		}
	}
	m.transfers.Sent(m.model.Commit())
	return tx
}

func (m *maker) arrival() oracle.Arrival {
	if len(m.sent) > 0 && m.chance(8) {
		return m.again(m.sent[m.IntN(len(m.sent))])
	}
	if m.chance(2) {
		a := oracle.Arrival{Input: event.Position{Topic: event.Inputs[m.IntN(4)]}}
		a.Event.Clear()
		a.Refusal = &event.Refusal{Code: []event.Code{event.Malformed, event.WrongPartition, event.Quarantined}[m.IntN(3)]}
		return a
	}
	var a oracle.Arrival
	e := &a.Event
	e.Clear()
	e.User = m.users[m.IntN(len(m.users))]
	e.Asset = m.assets[m.IntN(len(m.assets))]
	e.OccurredAt = m.occurred()
	if m.chance(20) {
		e.Sequence = int64(m.IntN(3) - 1)
	}
	switch m.pick(m.credits, m.orders, m.asking) {
	case 0:
		e.ID = m.eventID(e.User)
		m.credit(e, m.factKind())
	case 1:
		e.ID = m.eventID(e.User)
		m.order(e)
	case 2:
		m.conditional(e)
	}
	a.Input.Topic = e.Kind.Topic()
	switch {
	case m.chance(2):
		a.Input.Topic = event.Inputs[m.IntN(4)]
	case m.chance(2):
		m.spoil(e)
	case !m.options.OrderFree && m.chance(4):
		e.TimeGiven = false
	}
	m.sent = append(m.sent, a)
	return a
}

// again sends a record a second time, now and then not quite the same.
func (m *maker) again(a oracle.Arrival) oracle.Arrival {
	if m.options.OrderFree {
		return a
	}
	e := &a.Event
	switch m.pick(6, 2, 1, 1, 1) {
	case 1:
		e.TimeGiven = false
		e.OccurredAt = m.occurred()
	case 2:
		e.OccurredAt += tick
	case 3:
		e.Sequence++
	case 4:
		markRetry(e)
	}
	return a
}

// eventID is nearly always one that the user hasn't used.
func (m *maker) eventID(user string) string {
	for {
		id := fmt.Sprintf("e%d", m.IntN(10+2*len(m.ids)))
		key := user + "/" + id
		if m.ids[key] && (m.options.OrderFree || m.chance(95)) {
			continue
		}
		m.ids[key] = true
		return id
	}
}

// occurred is an event time around the clock.
func (m *maker) occurred() event.Time {
	at := m.now
	switch m.pick(50, 30, 10, 10) {
	case 0:
		at -= event.Time(m.IntN(3)) * tick
	case 1:
		at -= event.Time(m.IntN(12)) * tick
	case 2:
		at += event.Time(m.config.FutureSkew)
		if m.options.OrderFree {
			at = m.now + tick
		}
	case 3:
		at += event.Time(m.IntN(6)) * tick
	}
	at -= at % tick
	if m.chance(4) {
		at += event.Time(m.IntN(3) - 1)
	}
	return max(0, at)
}

// factKind is a kind of fact about credits; where operations ask, there are
// more grants, so that some are accepted.
func (m *maker) factKind() event.Kind {
	kinds := []event.Kind{event.Grant, event.Revoke, event.Subtract, event.Add}
	if m.asking > 1 {
		return kinds[m.pick(34, 14, 22, 14)]
	}
	return kinds[m.pick(34, 10, 34, 10)]
}

// credit makes up a fact about credits.
func (m *maker) credit(e *event.Event, kind event.Kind) {
	e.Kind = kind
	if m.asking > 0 && m.chance(30) {
		m.nearDecided(e)
	}
	switch kind {
	case event.Grant:
		e.Ref = m.grantID(e.User)
		m.lifetime(e)
		if m.chance(25) {
			e.Priority = int32(m.IntN(3))
		}
	case event.Revoke:
		e.Ref = m.grantRef(e)
		return
	case event.Add:
		m.grants[e.User+"/"+e.ID] = true
		if m.chance(50) {
			e.ExpiresAt = e.OccurredAt + event.Time(1+m.IntN(8))*tick
		}
	}
	e.Amount = event.Amount(1 + m.IntN(12))
	if m.chance(1) {
		e.Amount = event.MaxAmount
	}
	if there := m.balance(e); kind == event.Subtract && there > 0 && m.asking > 1 && m.chance(50) {
		e.Amount = event.Amount(1 + m.Int64N(min(1000, there)))
	}
}

// lifetime makes up a grant's effective_at and expires_at.
func (m *maker) lifetime(e *event.Event) {
	switch m.pick(50, 25, 20, 5) {
	case 1:
		e.EffectiveAt = e.OccurredAt + event.Time(1+m.IntN(8))*tick
	case 2:
		e.EffectiveAt = max(0, e.OccurredAt-event.Time(1+m.IntN(8))*tick)
	case 3:
		e.EffectiveAt = e.OccurredAt
	}
	if m.chance(65 + 5*m.asking) {
		e.ExpiresAt = e.UsableFrom() + event.Time(1+m.IntN(8-m.asking))*tick
	}
}

// grantID is mostly one that the user hasn't used.
func (m *maker) grantID(user string) string {
	for {
		id := fmt.Sprintf("g%d", m.IntN(6+len(m.grants)))
		key := user + "/" + id
		if m.grants[key] && (m.options.OrderFree || m.chance(90)) {
			continue
		}
		m.grants[key] = true
		return id
	}
}

// grantRef is a grant that the user has, or may get, or an add's.
func (m *maker) grantRef(e *event.Event) string {
	user := e.User
	switch m.pick(40, 20, 10*m.asking, 20*m.asking) {
	case 1:
		return fmt.Sprintf("g%d", m.IntN(6))
	case 2:
		return m.madeRef(user)
	case 3:
		if id := m.usedGrant(e); id != "" {
			return id
		}
	}
	ref := fmt.Sprintf("g%d", m.IntN(6))
	for range 20 {
		if len(m.sent) == 0 {
			break
		}
		e := &m.sent[m.IntN(len(m.sent))].Event
		if e.User == user && (e.Kind == event.Grant || e.Kind == event.Add) {
			ref = e.GrantID()
			break
		}
	}
	return ref
}

func (m *maker) order(e *event.Event) {
	e.Asset = event.DefaultAsset
	kinds := []event.Kind{event.PlaceOrder, event.Pause, event.Resume, event.Cancel, event.CancelAll}
	e.Kind = kinds[m.pick(40, 20, 15, 15, 10)]
	if e.Kind == event.CancelAll {
		return
	}
	e.Ref = fmt.Sprintf("o%d", m.IntN(3))
	if e.Kind == event.PlaceOrder {
		e.Currency = []string{"EUR", "USD"}[m.IntN(2)]
		e.Quantity = decimal([]string{"1", "2.5", "0.000000000000000003"}[m.IntN(3)])
		e.Price = decimal([]string{"1", "10", "0.5"}[m.IntN(3)])
	}
}

// spoil makes an event break a rule.
func (m *maker) spoil(e *event.Event) {
	switch m.IntN(4) {
	case 0:
		e.Amount = 0
		e.Ref = ""
	case 1:
		e.Asset = "UPPER"
	case 2:
		e.ID = "a/b"
	case 3:
		switch e.Kind {
		case event.Transfer:
			e.To = e.User
		case event.Refund, event.Capture, event.Release:
			e.Ref = e.ID
		}
	}
}

// Shuffle is the same arrivals in another order, in other transactions, under
// another clock.
func Shuffle(s Scenario, seed uint64) Scenario {
	m := &maker{Rand: rand.New(rand.NewPCG(seed, 0x73687566666c65))}
	var all []oracle.Arrival
	for i := range s.Transactions {
		all = append(all, s.Transactions[i].Arrivals...)
	}
	m.Shuffle(len(all), func(i, j int) { all[i], all[j] = all[j], all[i] })
	out := Scenario{Config: s.Config}
	now := event.Time(m.IntN(20)) * tick
	for len(all) > 0 {
		n := min(len(all), m.IntN(6))
		out.Transactions = append(out.Transactions, Transaction{Now: now, Arrivals: all[:n:n]})
		all = all[n:]
		now += event.Time(m.IntN(5)) * tick
	}
	out.number()
	return out
}

func decimal(s string) event.Decimal {
	d, err := event.ParseDecimal(s)
	if err != nil {
		panic("gen: " + err.Error())
	}
	return d
}
