package engine_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"sync/atomic"
	"testing"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

// tiny is a host whose chapters have a few events and whose volumes a few
// chapters, and that keeps next to nothing in memory.
func tiny(s gen.Scenario) *host {
	h := newHost(s.Config, []int{0, 1 << 30}[len(s.Transactions)%2])
	h.cfg = h.cfg.Small(2, 4, []int{2, 3, 5}[len(s.Transactions)%3], 4, 1+len(s.Transactions)%3, []int{0, 200, 1 << 20}[len(s.Transactions)/2%3], []int{0, 1000, 1 << 16}[len(s.Transactions)/6%3])
	h.open()
	return h
}

// flow makes up the history of one account with much more in it than is drawn
// at a time, some of which comes late by any time.
type flow struct {
	*rand.Rand
	s   gen.Scenario
	now event.Time
	n   int
	// swarm is the time at which the events of a transaction come late together,
	// 0 where they don't.
	swarm event.Time
	// What was sent that may be named.
	spends, holds, grants []string
	// promised are grants that were revoked and will be sent.
	promised []string
}

const (
	flowEvents = 120
	second     = 1_000_000
)

func makeFlow(seed uint64) gen.Scenario {
	f := &flow{Rand: rand.New(rand.NewPCG(seed, 11)), now: 100 * second}
	f.s.Config = oracle.Config{
		Lateness: 5 * second, IdleTimeout: 2 * second, FutureSkew: 10 * second, Settled: f.IntN(4) > 0,
		Policies: event.Policies{Default: event.Policy{Debt: f.IntN(4) == 0, Forfeit: f.IntN(3) == 0}},
	}
	for f.n < flowEvents {
		tx := gen.Transaction{Now: f.now, TakeOver: f.IntN(12) == 0}
		f.swarm = 0
		if f.IntN(5) == 0 {
			f.swarm = f.anyTime()
		}
		for range 1 + f.IntN(5) {
			tx.Arrivals = append(tx.Arrivals, f.arrival())
		}
		f.s.Transactions = append(f.s.Transactions, tx)
	}
	return f.s
}

// makeWaves makes up a history that shifts come to lie on: what is added late,
// behind all others, makes them of many grants. Late spends then take about all
// there is.
func makeWaves(seed uint64) gen.Scenario {
	f := &flow{Rand: rand.New(rand.NewPCG(seed, 12)), now: 100 * second}
	f.s.Config = oracle.Config{Lateness: 5 * second, IdleTimeout: 2 * second, FutureSkew: 10 * second, Settled: true}
	left := 0
	send := func(kind event.Kind, amount int, at event.Time) {
		switch {
		case kind == event.Add:
			left += amount
		case kind == event.Subtract || amount <= left:
			left -= amount
		}
		f.n++
		ev := event.Event{
			ID: fmt.Sprintf("e%03d", f.n), User: gen.Users[0], Asset: event.DefaultAsset, TimeGiven: true, Kind: kind, Amount: event.Amount(amount),
			OccurredAt: at, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime,
		}
		f.s.Transactions = append(f.s.Transactions, gen.Transaction{Now: f.now, Arrivals: []oracle.Arrival{
			{Event: ev, Input: event.Position{Topic: kind.Topic(), Offset: int64(f.n)}, ArrivedAt: f.now},
		}})
		f.now += second
	}
	const subtracts = 60
	early := func() event.Time { return event.Time(101+f.IntN(8)) * second }
	send(event.Add, 200+f.IntN(2)*800, f.now)
	for range subtracts {
		f.now += second
		send(event.Subtract, 1+f.IntN(3), f.now)
	}
	end := f.now
	for range 3 {
		f.now += 60 * second
		for range 8 + f.IntN(9) {
			send(event.Add, 1+f.IntN(9), early())
		}
		send(event.Subtract, 1, end-event.Time(f.IntN(80))*second)
		for range 3 {
			send(event.Subtract, 1+f.IntN(9), early())
			send(event.Spend, max(left-8+f.IntN(12), 1), end-event.Time(f.IntN(40))*second)
			send(event.Add, 20, end)
		}
	}
	return f.s
}

func (f *flow) arrival() oracle.Arrival {
	f.n++
	ev := event.Event{
		ID: fmt.Sprintf("e%03d", f.n), User: gen.Users[0], Asset: event.DefaultAsset, TimeGiven: true,
		EffectiveAt: event.NoTime, ExpiresAt: event.NoTime, Amount: event.Amount(1 + f.IntN(5)),
	}
	f.now += event.Time(f.IntN(3)) * second
	switch {
	case f.swarm > 0:
		ev.OccurredAt = f.swarm + event.Time(f.IntN(4))*second
	case f.IntN(4) == 0:
		ev.OccurredAt = f.anyTime()
	default:
		ev.OccurredAt = f.now
	}
	ev.Kind = event.Subtract
	switch n := f.IntN(100); {
	case n < 3 && len(f.promised) > 0:
		ev.OccurredAt = f.anyTime()
		f.grant(&ev)
		f.grants = f.grants[:len(f.grants)-1]
		ev.Ref, f.promised = f.promised[0], f.promised[1:]
	case f.n == 1 || n < 8:
		f.grant(&ev)
	case n < 11:
		ev.Kind, ev.Amount = event.Add, event.Amount(10+f.IntN(60))
		f.grants = append(f.grants, ev.ID)
	case n < 18:
		if ev.Kind = event.Spend; f.IntN(4) == 0 {
			ev.Amount = event.Amount(10 + f.IntN(150))
		}
		f.spends = append(f.spends, ev.ID)
	case n < 22:
		ev.Kind = event.Hold
		f.holds = append(f.holds, ev.ID)
		if f.IntN(2) == 0 {
			ev.ExpiresAt = ev.OccurredAt + event.Time(1+f.IntN(30))*second
		}
	case n < 23:
		ev.Kind, ev.To = event.Transfer, gen.Users[1]
	case n < 26 && len(f.holds) > 0:
		ev.Kind, ev.Ref = event.Capture, f.holds[f.IntN(len(f.holds))]
	case n < 28 && len(f.holds) > 0:
		ev.Kind, ev.Ref, ev.Amount = event.Release, f.holds[f.IntN(len(f.holds))], event.NoAmount
	case n < 31 && len(f.spends) > 0:
		ev.Kind, ev.Ref = event.Refund, f.spends[f.IntN(len(f.spends))]
	case n < 33 && len(f.grants) > 0:
		ev.Kind, ev.Ref, ev.Amount = event.Revoke, f.grants[f.IntN(len(f.grants))], event.NoAmount
	case n < 34:
		ev.Kind, ev.Ref, ev.Amount = event.Revoke, fmt.Sprintf("p%d", f.n), event.NoAmount
		f.promised = append(f.promised, ev.Ref)
	case n < 37:
		ev.Amount = event.Amount(10 + f.IntN(80))
	}
	return oracle.Arrival{Event: ev, Input: event.Position{Topic: ev.Kind.Topic(), Offset: int64(f.n)}, ArrivedAt: f.now}
}

func (f *flow) anyTime() event.Time {
	return event.Time(90+f.IntN(int(f.now/second)-90)) * second
}

func (f *flow) grant(ev *event.Event) {
	ev.Kind, ev.Ref, ev.Amount, ev.Priority = event.Grant, fmt.Sprintf("g%d", f.n), event.Amount(20+f.IntN(150)), int32(f.IntN(3))
	f.grants = append(f.grants, ev.Ref)
	switch f.IntN(6) {
	case 0:
		ev.EffectiveAt = ev.OccurredAt + event.Time(1+f.IntN(20))*second
	case 1:
		ev.EffectiveAt = ev.OccurredAt - event.Time(1+f.IntN(50))*second
	}
	if f.IntN(2) == 0 {
		ev.ExpiresAt = max(ev.OccurredAt, ev.EffectiveAt) + event.Time(1+f.IntN(90))*second
	}
}

// jumped counts what was jumped in many histories.
type jumped struct{ chapters, volumes atomic.Int64 }

func (j *jumped) add(h *host) {
	h.countJumps()
	j.chapters.Add(int64(h.chapters))
	j.volumes.Add(int64(h.volumes))
}

// agreesInChapters runs a scenario in tiny chapters beside the oracle, and
// beside an engine that has none: what is published is the same, and so is
// every state.
func agreesInChapters(s gen.Scenario, jumps *jumped) error {
	h, plain := tiny(s), newHost(s.Config, 1<<30)
	defer jumps.add(h)
	var err error
	s.Run(func(tx *gen.Transaction, _ *oracle.Model, want *oracle.Records) bool {
		if tx.TakeOver && len(s.Transactions)%2 == 0 {
			// Who had it before knew nothing of volumes.
			if err = h.e.ForgetVolumes(gen.Users[0], event.DefaultAsset); err != nil {
				return false
			}
		}
		var got *oracle.Records
		if got, err = h.run(tx); err == nil {
			inKeyOrder(got)
			if d := oracle.Diff(want, got); d != "" {
				err = fmt.Errorf("at tx %s: %s", oracle.TimeText(tx.Now), d)
			}
		}
		if err == nil {
			err = h.e.CheckVolumes(gen.Users[0], event.DefaultAsset)
		}
		if err == nil {
			if _, err = plain.run(tx); err == nil && (tx.Now/second)%8 == 0 {
				err = sameStates(h.rows, plain.rows, tx.Now)
			}
		}
		return err == nil
	})
	return err
}

// agreesInCutMoves does it with moves of the watermark that are cut into many
// transactions: memory may begin behind what counts as settled.
func agreesInCutMoves(s gen.Scenario, jumps *jumped) error {
	h := tiny(s)
	h.cfg.MaxMoves = 1
	h.open()
	defer jumps.add(h)
	var err error
	s.Run(func(tx *gen.Transaction, _ *oracle.Model, want *oracle.Records) bool {
		var got *oracle.Records
		if got, err = h.runCut(tx); err == nil {
			// What is said once a transaction is said more often.
			for _, r := range []*oracle.Records{want, got} {
				r.Balances, r.Watermarks = nil, nil
			}
			if d := oracle.Diff(want, got); d != "" {
				err = fmt.Errorf("at tx %s: %s", oracle.TimeText(tx.Now), d)
			}
		}
		return err == nil
	})
	return err
}

// sameStates compares the states at every time that two stores answer with.
func sameStates(chapters, plain *memory, until event.Time) error {
	v, err := engine.NewView(chapters, 0)
	if err != nil {
		return err
	}
	w, err := engine.NewView(plain, 0)
	if err != nil {
		return err
	}
	for a := range w.Accounts(gen.Users[0]) {
		if a.IsOrders() {
			continue
		}
		b, _ := v.Account(a.User, a.Asset)
		for at := range v.Steps(&b, 0) {
			if at.At > until+100*second {
				break
			}
			s, t := v.Standing(&b, at.At), w.Standing(&a, at.At)
			if got, want := string(s.State.AppendTo(nil)), string(t.State.AppendTo(nil)); got != want {
				return fmt.Errorf("at %s the account is\n%q, not\n%q", at.At, got, want)
			}
		}
	}
	for _, back := range []bool{false, true} {
		got, want := entriesOf(v, back), entriesOf(w, back)
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				return fmt.Errorf("of %d and %d entries those at %d differ, back %v", len(got), len(want), i, back)
			}
		}
	}
	if v.Err() != nil {
		return v.Err()
	}
	return w.Err()
}

// entriesOf are all that a replay says of a user's events.
func entriesOf(v *engine.View, back bool) (all []string) {
	from := engine.EntryPlace{}
	if back {
		from.Place = event.EndOf(event.MaxTime)
	}
	for _, e := range v.Entries(slices.Collect(v.Accounts(gen.Users[0])), from, back) {
		all = append(all, fmt.Sprintf("%+v", *e))
	}
	return all
}

// Histories in tiny chapters say the same as whole ones, and late events jump
// all the time.
func TestTinyChaptersAgreeWithOracle(t *testing.T) {
	var jumps jumped
	t.Run("any", func(t *testing.T) {
		property(t, 400, gen.Options{TakeOvers: true, Transactions: 40}, func(s gen.Scenario) error { return agreesInChapters(s, &jumps) })
	})
	t.Run("flow", func(t *testing.T) {
		each(t, 200, makeFlow, func(s gen.Scenario) error { return agreesInChapters(s, &jumps) })
	})
	t.Run("waves", func(t *testing.T) {
		each(t, 2000, makeWaves, func(s gen.Scenario) error { return agreesInChapters(s, &jumps) })
	})
	t.Run("cut", func(t *testing.T) {
		each(t, 2000, makeFlow, func(s gen.Scenario) error { return agreesInCutMoves(s, &jumps) })
	})
	chapters, volumes := jumps.chapters.Load(), jumps.volumes.Load()
	t.Logf("%d chapters and %d volumes jumped", chapters, volumes)
	if few := 20 * int64(aPart(200)); chapters < few || volumes < few {
		t.Errorf("%d jumps over chapters and %d over volumes prove little: there should be %d of each", chapters, volumes, few)
	}
}
