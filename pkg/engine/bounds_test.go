package engine_test

import (
	"errors"
	"fmt"
	"testing"

	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// Producers choose the names of assets, as many as they like.
func TestAssetNamesAreBounded(t *testing.T) {
	e, err := engine.New(engine.Config{}, newMemory(), &published{})
	if err != nil {
		t.Fatal(err)
	}
	const names = 5000
	e.Begin(1)
	for i := range names {
		ev := event.Event{
			ID: fmt.Sprintf("e%d", i), User: "alice", TimeGiven: true, Asset: fmt.Sprintf("a%d", i), Kind: event.Subtract,
			Amount: 1, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime,
		}
		e.Process(&engine.Record{Event: &ev, Input: event.Position{Topic: event.Subtracts, Offset: int64(i)}})
	}
	if err := e.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := e.AssetNames(); n >= names || n == 0 {
		t.Errorf("%d names are kept", n)
	}
}

// crowd is an engine with little memory that hears of many users, and how much
// it had in memory at most since peak was emptied.
type crowd struct {
	t      *testing.T
	e      *engine.Engine
	out    *watched
	offset int64
	now    event.Time
}

// watched is a Sink that looks at the engine's memory whenever it is given
// something about credits.
type watched struct {
	published
	e                            *engine.Engine
	bytes, users, named, windows int
}

func (w *watched) look() {
	bytes, users, named, windows := w.e.InMemory()
	w.bytes, w.users, w.named, w.windows = max(w.bytes, bytes), max(w.users, users), max(w.named, named), max(w.windows, windows)
}

func (w *watched) Entry(e *event.Entry)   { w.look(); w.published.Entry(e) }
func (w *watched) Settled(e *event.Entry) { w.look(); w.published.Settled(e) }

const crowdUsers = 20_000

// newCrowd is a crowd in memory of so many bytes, with transactions that say
// no more than moves when the watermark moves.
func newCrowd(t *testing.T, cacheBytes, moves int, idleTimeout int64) *crowd {
	t.Helper()
	c := &crowd{t: t, out: &watched{}, now: 1_700_000_000 * second}
	var err error
	c.e, err = engine.New(engine.Config{
		Lateness: 10 * second, IdleTimeout: idleTimeout, FutureSkew: 300 * second, Settled: true,
		CacheBytes: cacheBytes, MaxMoves: moves,
	}, newSorted(), c.out)
	if err != nil {
		t.Fatal(err)
	}
	c.out.e = c.e
	return c
}

// send processes events in transactions of 500.
func (c *crowd) send(n int, at func(i int) event.Event) {
	c.t.Helper()
	for i := range n {
		if i%500 == 0 {
			c.begin()
		}
		ev := at(i)
		ev.TimeGiven, ev.Asset = true, event.DefaultAsset
		if ev.EffectiveAt == 0 {
			ev.EffectiveAt = event.NoTime
		}
		if ev.ExpiresAt == 0 {
			ev.ExpiresAt = event.NoTime
		}
		c.offset++
		c.e.Process(&engine.Record{Event: &ev, Input: event.Position{Topic: ev.Kind.Topic(), Offset: c.offset}, ArrivedAt: c.now})
		c.finishMoves()
		if i%500 == 499 || i == n-1 {
			c.commit()
		}
	}
}

func (c *crowd) begin() {
	c.e.Begin(c.now)
	c.finishMoves()
}

// finishMoves ends the move of the watermark that is under way.
func (c *crowd) finishMoves() {
	for c.e.Busy() {
		c.commit()
		c.e.Begin(c.now)
	}
}

func (c *crowd) commit() {
	c.t.Helper()
	c.out.look()
	if err := c.e.Commit(); err != nil {
		c.t.Fatal(err)
	}
}

// tick lets so much time pass, and everything that it brings happen.
func (c *crowd) tick(micros event.Time) {
	c.t.Helper()
	c.now += micros
	c.begin()
	c.commit()
}

// calm forgets what was published and how much memory it took.
func (c *crowd) calm() { *c.out = watched{e: c.e} }

// The credits of many users end at one time: they aren't in memory together,
// and what is said is the same, in the same order.
func TestManyDueAtOnceAreBounded(t *testing.T) {
	const room, piece = 1 << 20, 1 << 20
	expire := func(cacheBytes, moves int) *crowd {
		c := newCrowd(t, cacheBytes, moves, 5*second)
		end := c.now + 3600*second
		c.send(crowdUsers, func(i int) event.Event {
			// The order of the grants is neither that of the users nor that of arrival.
			return event.Event{ID: fmt.Sprintf("e%d", i), User: fmt.Sprintf("user-%05d", i*7919%crowdUsers), OccurredAt: c.now, Kind: event.Grant, Ref: fmt.Sprintf("monthly-%d", i%10), Amount: 5, ExpiresAt: end}
		})
		c.tick(60 * second)
		c.calm()
		c.tick(3600 * second)
		return c
	}
	large := expire(1<<30, 0)
	for _, moves := range []int{1000, 100_000} {
		small := expire(room, moves)
		if n := len(small.out.Entries); n != crowdUsers {
			t.Fatalf("%d of %d grants expire", n, crowdUsers)
		}
		for i := range small.out.Entries {
			a, b := &small.out.Entries[i], &large.out.Entries[i]
			if a.UserID != b.UserID || a.EventID != b.EventID || a.Seq != b.Seq || small.out.Records.Settled[i].UserID != a.UserID {
				t.Fatalf("entry %d is %s of %s, not %s of %s", i, a.EventID, a.UserID, b.EventID, b.UserID)
			}
		}
		t.Logf("at most %d bytes, %d users, %d names", small.out.bytes, small.out.users, small.out.named)
		if small.out.bytes > room+piece+4096 {
			t.Errorf("%d bytes of accounts are in memory, with room for %d", small.out.bytes, room)
		}
		if small.out.named > 5000 {
			t.Errorf("the agenda names %d", small.out.named)
		}
	}
}

// A topic holds the watermark among what many users sent: they leave memory,
// and the agenda doesn't name them all.
func TestAHeldWatermarkKeepsNobodyInMemory(t *testing.T) {
	for _, room := range []int{1 << 20, 1 << 30} {
		c := newCrowd(t, room, 1000, 5*second)
		// Orders let the watermark creep through one bucket.
		held := c.now&^(1<<20-1) + 1000
		order := func(i int, at event.Time) event.Event {
			return event.Event{ID: fmt.Sprintf("o%d", i), User: "slow", OccurredAt: at + 10*second, Kind: event.CancelAll, Amount: event.NoAmount}
		}
		c.send(1, func(int) event.Event { return order(0, held) })
		c.tick(6 * second)
		c.calm()
		c.send(crowdUsers, func(i int) event.Event {
			if i%500 == 0 {
				held += 400
				return order(1+i, held)
			}
			// Backdated, so that it is orders alone that hold the watermark.
			id, user := fmt.Sprintf("g%d", i), fmt.Sprintf("user-%05d", i/2*7919%(crowdUsers/2))
			at := held + event.Time(i*31%15_000+i%2*15_000)
			return event.Event{ID: id, User: user, OccurredAt: held + 11*second, EffectiveAt: at, Kind: event.Grant, Ref: id, Amount: 5}
		})
		if at := c.e.Watermark(); at != held {
			t.Fatalf("the watermark is %s, not %s", at, held)
		}
		t.Logf("at most %d bytes, %d users, %d names", c.out.bytes, c.out.users, c.out.named)
		// A transaction of 500 users comes to what there is room for, and was needed.
		if c.out.bytes > 3*room {
			t.Errorf("%d bytes of accounts are in memory, with room for %d", c.out.bytes, room)
		}
		if c.out.named > 5000 {
			t.Errorf("the agenda names %d", c.out.named)
		}
		c.tick(60 * second)
		last := event.NoTime
		for i := range c.out.Records.Settled {
			s := &c.out.Records.Settled[i]
			if s.AfterFinal {
				continue
			}
			if s.EffectiveAt < last {
				t.Fatalf("%s of %s is settled out of order", s.EventID, s.UserID)
			}
			last = s.EffectiveAt
		}
		if n := len(c.out.Records.Settled); n != crowdUsers+1 {
			t.Errorf("%d of %d events are settled", n, crowdUsers+1)
		}
	}
}

// Who sends only what is refused takes no memory.
func TestRefusedUsersAreNotInMemory(t *testing.T) {
	c := newCrowd(t, 1<<30, 0, 5*second)
	c.send(5000, func(i int) event.Event {
		return event.Event{ID: "e", User: fmt.Sprintf("user-%05d", i), OccurredAt: c.now + 301*second, Kind: event.Subtract, Amount: 5}
	})
	if n := len(c.out.DeadLetters); n != 5000 {
		t.Fatalf("%d of 5000 are refused", n)
	}
	if bytes, users, _, _ := c.e.InMemory(); bytes != 0 || users != 0 {
		t.Errorf("%d users and %d bytes are in memory", users, bytes)
	}
}

// A topic holds the watermark while orders go on: the windows of their
// statistics don't all stay in memory, and each becomes final once.
func TestOpenWindowsAreBounded(t *testing.T) {
	const minutes = 10_000
	c := newCrowd(t, 1<<20, 1000, 1000*3600*second)
	c.send(minutes, func(i int) event.Event {
		id := fmt.Sprintf("o%d", i)
		return event.Event{ID: id, User: fmt.Sprintf("user-%d", i%100), OccurredAt: c.now - event.Time(i)*60*second, Kind: event.PlaceOrder, Ref: id, Currency: "EUR", Quantity: event.Decimal{1}, Price: event.Decimal{1}}
	})
	if at := c.e.Watermark(); at != 0 {
		t.Fatalf("the watermark is %s", at)
	}
	t.Logf("at most %d windows", c.out.windows)
	if c.out.windows > 2500 {
		t.Errorf("%d of %d windows are in memory", c.out.windows, minutes)
	}
	c.calm()
	c.tick(2000 * 3600 * second)
	final := map[event.Time]bool{}
	for i := range c.out.Records.OrderStats {
		s := &c.out.Records.OrderStats[i]
		if !s.Final || s.Placed != 1 || s.Revision != 1 || final[s.WindowStart] {
			t.Fatalf("%+v", s)
		}
		final[s.WindowStart] = true
	}
	if len(final) != minutes || c.out.windows > 2500 {
		t.Errorf("%d of %d windows are final, at most %d were in memory", len(final), minutes, c.out.windows)
	}
}

// Rows of another version are for a person to decide about: no restart makes
// them readable.
func TestRowsOfAnotherVersionAreRefused(t *testing.T) {
	rows := newMemory()
	rows.Set([]byte{engine.FirstEngineKey}, []byte{2, 0})
	_, err := engine.New(engine.Config{}, rows, &published{})
	version, ok := errors.AsType[*engine.VersionError](err)
	if !ok || version.Version != 2 {
		t.Fatalf("rows of version 2: %v", err)
	}
	if missing, action := version.PersonMustDecide(); missing == "" || action == "" {
		t.Errorf("a person is told %q, %q", missing, action)
	}
}

// Settled entries can't begin in the middle: what came before has no due rows.
func TestSettledCantBeTurnedOnLater(t *testing.T) {
	rows := newMemory()
	for i, settled := range []bool{true, false, false} {
		e, err := engine.New(engine.Config{Settled: settled}, rows, &published{})
		if err != nil {
			t.Fatalf("run %d: %v", i, err)
		}
		e.Begin(event.Time(i))
		if err := e.Commit(); err != nil {
			t.Fatal(err)
		}
	}
	_, err := engine.New(engine.Config{Settled: true}, rows, &published{})
	refused, ok := errors.AsType[*engine.NotSettlingError](err)
	if !ok {
		t.Fatalf("turned on again: %v", err)
	}
	if missing, action := refused.PersonMustDecide(); missing == "" || action == "" {
		t.Errorf("a person is told %q, %q", missing, action)
	}
}

// Who leaves memory is kept as a row, and comes back from it; who is dropped
// from there has his state in his row on the disk. Accounts and rows stay within
// their bound.
func TestWhoLeavesStaysAsARow(t *testing.T) {
	const cacheBytes = 4 << 20
	c := newCrowd(t, cacheBytes, 0, 0)
	visit := func(from, to int, kind event.Kind) {
		c.send(to-from, func(i int) event.Event {
			return event.Event{
				ID: fmt.Sprintf("%s-%d-%d", kind, c.offset, i), User: fmt.Sprintf("user-%d", from+i), Kind: kind, Amount: 5, OccurredAt: c.now - second,
			}
		})
		c.tick(60 * second) // so that everything is settled
	}
	for range 3 {
		visit(0, crowdUsers, event.Add)
	}
	rows, rowBytes, before, drops := c.e.RowCache()
	bytes, users, _, _ := c.e.InMemory()
	if states := c.e.States(); rows == 0 || drops == 0 || states < crowdUsers-users-rows {
		t.Errorf("%d users are in memory, %d rows are kept, %d were dropped, and %d of %d have their state on the disk", users, rows, drops, states, crowdUsers)
	}
	if bytes+rowBytes > cacheBytes {
		t.Errorf("%d bytes of accounts and %d of rows, %d are allowed", bytes, rowBytes, cacheBytes)
	}
	for range 3 {
		visit(crowdUsers-rows/2, crowdUsers, event.Subtract)
	}
	if _, _, hits, _ := c.e.RowCache(); hits-before < rows/2 {
		t.Errorf("of %d who came back, %d were found as rows", rows/2, hits-before)
	}
	if err := c.e.CheckStates(); err != nil {
		t.Error(err)
	}
}
