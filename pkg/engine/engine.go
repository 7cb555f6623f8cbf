package engine

import (
	"cmp"
	"fmt"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
	"highwater/pkg/order"
	"highwater/pkg/timeline"
	"highwater/pkg/watermark"
)

// Engine is one shard's logic. It isn't safe for concurrent use.
type Engine struct {
	cfg  Config
	rows Rows
	sink Sink

	meta  meta
	marks watermark.Tracker
	begun bool
	// moves counts what the watermark's moves did in this transaction, brought
	// the bytes of what that brought into memory.
	moves, brought int
	// now is the clock of this transaction, cause the watermark in force for
	// what is being said.
	now   event.Time
	cause event.Time
	// err is a row that could not be read back; it spoils the transaction.
	err error

	users  map[string]*user
	assets map[string]string
	clock  []*user
	hand   int
	// left has the rows of who left memory.
	left rowCache
	// cached is what memory holds of users, past what of that are events;
	// keepFor is how long settled ones stay when it is short.
	cached, past int
	keepFor      int64
	accounts     []*account
	books        []*book
	// windows are those in memory: used ones were touched in this transaction,
	// shared ones by the command in hand. All before openFrom are final.
	windows      map[windowID]*openWindow
	used, shared []*openWindow
	openFrom     windowID
	// forgotten tells that windows that aren't final may not be in memory; there
	// may be few enough once those up to fewerFrom are final.
	forgotten bool
	fewerFrom event.Time
	// agenda is what happens next, up to its edge; ahead is what this
	// transaction adds behind that, looked whose due rows it must see to.
	agenda, ahead agenda
	looked        []unrowed
	edge          appointment
	// nextDue is a time before which no due row stands behind the edge.
	nextDue event.Time

	// idle are states that accounts with open events take.
	idle []*ledger.Account

	keep keeper
	late lateWork
	// waiting counts the operations that wait, by user.
	waiting map[string]int
	// hits are the rules that the event in hand breaks.
	hits []event.Alert
	// ready tells that the account in hand has been brought to the place of
	// the event in hand.
	ready      bool
	remittance event.Remittance
	// Scratch memory.
	key, key2, val, packed []byte
	// name is the key of the event's name row.
	name    []byte
	result  event.Result
	entry   event.Entry
	op      event.Placed
	balance event.Balance
}

// lateWork is the memory of late events.
type lateWork struct {
	credits timeline.Walker[ledger.Account, *ledger.Account]
	orders  timeline.Walker[order.Order, *order.Order]
	edits   []timeline.Edit
	results []*event.Result
	used    int
	changes []event.EntryChange
	// duePlaces are the places of the changed due items behind the watermark.
	duePlaces []event.Place
	// placeOf are the places of changed commands, by event id.
	placeOf map[string]event.Place
	// ops is the memory of the next segment's.
	ops        []event.Placed
	stretches  []event.Stretch
	correction event.Correction
	own        event.Entry
	scratch    event.Result
	// state and chapter are for making digests, pushed for shifting checkpoints.
	state, pushed ledger.Account
	chapter       chapter
	// jumps counts the chapters and volumes that were jumped.
	jumps [keyVolume + 1]int
}

// New is an engine over rows, which hold what an earlier one left there.
func New(cfg Config, rows Rows, sink Sink) (*Engine, error) {
	cfg.sizes.fill()
	e := &Engine{
		cfg: cfg, rows: rows, sink: sink,
		users:   map[string]*user{},
		assets:  map[string]string{},
		windows: map[windowID]*openWindow{},
		waiting: map[string]int{},
		key2:    make([]byte, 0, 2*event.MaxGrantRefBytes),
		left:    newRowCache(cfg.sizes.segment),
		keepFor: cmp.Or(cfg.KeepFor, maxKeepFor),
		marks: watermark.New(watermark.Config{
			LatenessMicros: cfg.Lateness, IdleMicros: cfg.IdleTimeout, Hold: cfg.IdleHold,
		}),
	}
	e.SetCacheBytes(cfg.CacheBytes)
	if err := e.loadMeta(); err != nil {
		return nil, fmt.Errorf("engine of partition %d: %w", cfg.Partition, err)
	}
	if cfg.Settled && !e.meta.settling {
		return nil, fmt.Errorf("engine of partition %d: %w", cfg.Partition, &NotSettlingError{})
	}
	e.loadWaiting()
	e.forgetAgenda()
	e.openFrom.start = e.meta.finalTo
	e.loadWindows()
	if e.err != nil {
		return nil, fmt.Errorf("engine of partition %d: %w", cfg.Partition, e.err)
	}
	return e, nil
}

// Watermark is the one now in force.
func (e *Engine) Watermark() event.Time { return e.marks.At }

// Said is how many records each stream has, in the streams' order: entries,
// corrections, balances, settled, order states, order statistics, alerts,
// watermarks, dead letters.
func (e *Engine) Said() [streams]int64 { return e.meta.seqs }

// Begin starts a transaction at the processor's clock. If the engine is Busy
// afterwards, the transaction takes no records.
func (e *Engine) Begin(now event.Time) {
	e.moves, e.brought = 0, 0
	e.now = max(e.meta.committedAt, now)
	e.meta.committedAt = e.now
	if !e.begun {
		e.begun = true
		e.marks.Start(e.now)
	}
	e.advance()
}

// Process takes one record. If the engine is Busy afterwards, the transaction
// takes no more.
func (e *Engine) Process(rec *Record) {
	if e.Busy() {
		panic("engine: a record in the middle of the watermark's move")
	}
	e.cause = e.marks.At
	if rec.Remittance != nil {
		e.receive(rec.Remittance)
		return
	}
	if rec.Event == nil {
		e.refuse(rec, rec.Refusal)
		return
	}
	ev := rec.Event
	if r := e.check(rec); r != nil {
		e.refuse(rec, r)
		return
	}
	fromFuture := ev.OccurredAt > e.now.Add(e.cfg.FutureSkew)
	u := e.users[ev.User]
	known, same := e.recall(u, ev)
	if r := ev.CheckFilledIn(); r != nil && !(known && same) {
		e.refuse(rec, r)
		return
	}
	switch {
	case known && same:
		// Said already: a duplicate has no effect but on the watermark.
	case fromFuture:
		e.refuse(rec, refusal(event.FromTheFuture, "occurred_at", "%s is more than the allowed skew ahead of the clock (%s); set the producer's clock right and send it again", ev.OccurredAt, e.now))
	case e.cfg.Horizon > 0 && int64(e.marks.At-ev.OccurredAt) > e.cfg.Horizon:
		e.refuse(rec, refusal(event.TooOld, "occurred_at", "%s is further behind the watermark (%s) than the retention horizon", ev.OccurredAt, e.marks.At))
	case known:
		e.refuse(rec, refusal(event.EventConflict, "event_id", "%q was used for an event with other content; the first one stands, choose another id", ev.ID))
	default:
		if u == nil {
			u = e.load(ev.User)
		}
		u.needed = true
		if ev.Kind.IsOrder() {
			e.command(u, rec)
		} else {
			e.credits(u, rec)
		}
		e.decideWaiting(u, ev.ID)
	}
	if !fromFuture {
		e.marks.Observe(rec.Input.Topic, ev.OccurredAt, e.now)
		e.advance()
	}
}

// check finds what is wrong with a record that could be read.
func (e *Engine) check(rec *Record) *event.Refusal {
	ev := rec.Event
	if ev.Kind.Topic() != rec.Input.Topic {
		return refusal(event.Invalid, "operation", "%s belongs in the topic %s, not in %s", ev.Kind, ev.Kind.Topic(), rec.Input.Topic)
	}
	return ev.Check()
}

// Commit ends the transaction: it publishes what is said once a transaction
// and writes every row that changed. If the transaction fails afterwards, or
// Commit reports an error, the engine must be thrown away and made anew over
// the rows as they were.
func (e *Engine) Commit() error {
	for _, a := range e.accounts {
		e.commitAccount(a)
	}
	for _, b := range e.books {
		e.commitBook(b)
	}
	e.accounts, e.books = e.accounts[:0], e.books[:0]
	e.commitWindows()
	e.sayWatermark()
	e.commitAppointments()
	e.dropPassed()
	e.commitMeta()
	e.evict()
	if e.err != nil {
		return fmt.Errorf("engine of partition %d: %w", e.cfg.Partition, e.err)
	}
	return nil
}

// fail remembers the first row that could not be read back.
func (e *Engine) fail(err error) {
	if e.err == nil {
		e.err = err
	}
}

// keeper keeps strings for as long as somebody holds them, many in one piece
// of memory.
type keeper struct{ b strings.Builder }

// keeperBytes is small, since one string keeps all of a piece.
const keeperBytes = 256

// str is a copy of s.
func (k *keeper) str(s string) string {
	if s == "" {
		return ""
	}
	if k.b.Cap()-k.b.Len() < len(s) {
		k.b = strings.Builder{}
		k.b.Grow(max(keeperBytes, len(s)))
	}
	at := k.b.Len()
	k.b.WriteString(s)
	return k.b.String()[at:]
}

func refusal(code event.Code, field, format string, args ...any) *event.Refusal {
	return &event.Refusal{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}
