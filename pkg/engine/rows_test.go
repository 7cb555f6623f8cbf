package engine

import (
	"errors"
	"math"
	"reflect"
	"testing"

	"pgregory.net/rapid"

	"highwater/pkg/event"
	"highwater/pkg/order"
	"highwater/pkg/pack"
)

// times are those that differences between times must survive: whole seconds,
// whole milliseconds and others.
var times = []event.Time{0, 1, 1_000, 1_000_000, 1_700_000_000_000_000, 1_700_000_000_123_000, 1_700_000_000_123_456, event.MaxTime - 1, event.MaxTime}

// An event's row holds every clock, also one behind the other.
func TestEventRowTimes(t *testing.T) {
	for _, at := range times {
		for _, arrived := range times {
			for _, processed := range times {
				p := event.Placed{ID: "e", Kind: event.Subtract, Time: at, ArrivedAt: arrived, ProcessedAt: processed, Offset: 7, Amount: 3}.
					With(event.Details{OccurredAt: at, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime})
				var got event.Placed
				var extra event.Event
				if err := decodeEventRow(p.Place(), string(appendEventRow(nil, &p, &extra)), &got, &extra); err != nil {
					t.Fatal(err)
				}
				if got.Time != at || got.ArrivedAt != arrived || got.ProcessedAt != processed || got.Offset != 7 || got.Amount != 3 {
					t.Fatalf("%+v is read as %+v", p, got)
				}
			}
		}
	}
}

// A correction's row holds times on either side of the cause's, and stretches
// that end and that don't.
func TestCorrectionRowTimes(t *testing.T) {
	result := &event.Result{Outcome: event.Applied, Amount: 5, After: event.Balances{Balance: -3, Debt: 3}}
	for _, late := range times {
		for _, watermark := range times {
			for _, from := range times {
				var c event.Correction
				c.Watermark, c.CommittedAt = watermark, 12
				c.Cause.EventID, c.Cause.Kind, c.Cause.OccurredAt, c.Cause.LateBy = "late", event.Grant, late, 99
				c.Part, c.Parts = 2, 3
				c.Changes = []event.Stretch{
					{From: from, To: event.NoTime, Balances: event.Balances{Balance: 1, Held: -2, Debt: 3}},
					{From: from, To: max(from, event.MaxTime-5), Balances: event.Balances{Balance: -1}},
				}
				c.Entries = []event.EntryChange{{EventID: "other", Kind: event.Subtract, EffectiveAt: from, Before: result}}
				var got event.Correction
				if err := decodeCorrection(string(appendCorrection(nil, &c)), &got); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, c) {
					t.Fatalf("%+v is read as %+v", c, got)
				}
			}
		}
	}
}

// sampler draws values of rows: usual ones, and the ends of what can be.
type sampler struct{ *rapid.T }

func (d sampler) time() event.Time {
	if rapid.Bool().Draw(d.T, "usual") {
		return event.Time(rapid.Int64Range(0, int64(event.MaxTime)).Draw(d.T, "time"))
	}
	return rapid.SampledFrom(times).Draw(d.T, "time")
}

func (d sampler) timeOrNone() event.Time {
	if rapid.Bool().Draw(d.T, "none") {
		return event.NoTime
	}
	return d.time()
}

func (d sampler) number() int64 {
	return rapid.OneOf(rapid.Int64(), rapid.Int64Range(-3, 3), rapid.SampledFrom([]int64{math.MinInt64, math.MaxInt64})).Draw(d.T, "number")
}

func (d sampler) amount() event.Amount {
	return event.Amount(rapid.OneOf(rapid.Int64Range(-1, 3), rapid.SampledFrom([]int64{int64(event.MaxAmount), event.MaxTotal, math.MaxInt64 - 1})).Draw(d.T, "amount"))
}

// id is one of few, so that they come again, alike, and without anything.
func (d sampler) id() string {
	return rapid.SampledFrom([]string{"", "e", "e-1", "e-12", "e-13", "expired/g-1", "a-very-long-id-of-more-than-15-bytes-1", "a-very-long-id-of-more-than-15-bytes-2"}).Draw(d.T, "id")
}

func (d sampler) balances() event.Balances {
	return event.Balances{Balance: d.number(), Held: d.number(), Debt: d.number()}
}

func (d sampler) place() event.Place {
	return event.Place{
		Time: d.time(), Due: event.Due(rapid.IntRange(0, int(event.AfterAll)).Draw(d.T, "due")), Sequence: d.number(),
		Rank: event.Kind(rapid.IntRange(0, int(event.CancelAll)).Draw(d.T, "kind")).Rank(), ID: d.id(), From: d.id(),
	}
}

func (d sampler) decimal() event.Decimal {
	n := event.Decimal{rapid.Uint64().Draw(d.T, "unit")}
	if rapid.Bool().Draw(d.T, "short") {
		n = event.Decimal{uint64(rapid.IntRange(0, 1000).Draw(d.T, "few"))}
	}
	for range rapid.IntRange(0, 30).Draw(d.T, "zeros") {
		eightfold := n.Add(n).Add(n.Add(n))
		n = eightfold.Add(eightfold).Add(n.Add(n))
	}
	if rapid.Bool().Draw(d.T, "negative") {
		n = n.Neg()
	}
	if rapid.IntRange(0, 4).Draw(d.T, "wide") == 0 {
		n[rapid.IntRange(1, 3).Draw(d.T, "word")] = rapid.Uint64().Draw(d.T, "high")
	}
	return n
}

func (d sampler) result() *event.Result {
	if rapid.IntRange(0, 4).Draw(d.T, "nothing") == 0 {
		return nil
	}
	s := &event.Result{
		Outcome: event.Outcome(rapid.IntRange(1, 4).Draw(d.T, "outcome")), Code: event.Code(rapid.IntRange(0, 3).Draw(d.T, "code")),
		Amount: d.amount(), Shortfall: int64(d.amount()), Undone: int64(d.amount()), After: d.balances(),
	}
	for range rapid.IntRange(0, 4).Draw(d.T, "slices") {
		s.Slices = append(s.Slices, event.Slice{GrantID: d.id(), Amount: d.amount(), ExpiresAt: d.timeOrNone()})
	}
	for range rapid.IntRange(0, 2).Draw(d.T, "repaid") {
		s.Repaid = append(s.Repaid, event.Repayment{EventID: d.id(), GrantID: d.id(), Amount: d.amount()})
	}
	if n := len(s.Slices); n > 0 && rapid.Bool().Draw(d.T, "rest") {
		s.Slices[n-1].Amount = restOf(s)
	}
	if rapid.Bool().Draw(d.T, "order") {
		s.Order = event.OrderChange{OrderID: d.id(), Status: event.OrderStatus(rapid.IntRange(0, 3).Draw(d.T, "status")), Cancelled: d.number()}
	}
	return s
}

func (d sampler) change() (n event.EntryChange) {
	n = event.EntryChange{EventID: d.id(), Kind: event.Subtract, EffectiveAt: d.time(), Before: d.result(), After: d.result()}
	if n.Before != nil && rapid.Bool().Draw(d.T, "alike") {
		after := *n.Before
		n.After = &after
	}
	return n
}

func (d sampler) correction() *event.Correction {
	c := &event.Correction{AfterFinal: rapid.Bool().Draw(d.T, "after final"), Part: 1, Parts: 1}
	c.Watermark, c.CommittedAt = d.timeOrNone(), d.time()
	c.Cause = event.Cause{EventID: d.id(), Kind: event.Grant, OccurredAt: d.time(), LateBy: d.number() / 4}
	c.Cause.Input.Offset = max(d.number(), 0)
	if rapid.Bool().Draw(d.T, "received") {
		c.Cause.Kind, c.Cause.Input.Partition = event.Received, math.MaxInt32
	}
	if rapid.Bool().Draw(d.T, "part") {
		c.Part, c.Parts = 7, math.MaxInt32
	}
	for range rapid.IntRange(0, 4).Draw(d.T, "stretches") {
		s := event.Stretch{From: d.time(), To: d.timeOrNone(), Balances: d.balances()}
		if n := len(c.Changes); n > 0 && rapid.Bool().Draw(d.T, "joined") && c.Changes[n-1].To != event.NoTime {
			s.From = c.Changes[n-1].To
		}
		c.Changes = append(c.Changes, s)
	}
	for range rapid.IntRange(0, 4).Draw(d.T, "changes") {
		c.Entries = append(c.Entries, d.change())
	}
	return c
}

func (d sampler) order() *orderRow {
	o := &orderRow{first: d.time(), ended: d.timeOrNone(), records: d.number()}
	o.state.Status = event.OrderStatus(rapid.IntRange(0, 3).Draw(d.T, "status"))
	if o.state.Live() {
		o.state.Terms = &event.Terms{Currency: d.id(), Quantity: d.decimal(), Price: d.decimal()}
		o.state.Placed, o.state.UpdatedAt = d.place(), d.time()
	}
	return o
}

func (d sampler) window() *window {
	return &window{records: d.number(), final: rapid.Bool().Draw(d.T, "final"), tally: event.Tally{
		Placed: d.number(), Paused: d.number(), Resumed: d.number(), Cancelled: d.number(), Ignored: d.number(), LiveOrdersDelta: d.number(),
		PlacedAmount: d.decimal(), PlacedNotional: d.decimal(), LiveNotionalDelta: d.decimal(),
	}}
}

// Rows hold whatever there can be, also next to what they are written as a
// difference from.
func TestRowsHoldEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := sampler{t}
		c, gotCorrection := d.correction(), &event.Correction{}
		if err := decodeCorrection(string(appendCorrection(nil, c)), gotCorrection); err != nil || !reflect.DeepEqual(c, gotCorrection) {
			t.Fatalf("%+v is read as %+v: %v", c, gotCorrection, err)
		}
		o, gotOrder := d.order(), &orderRow{}
		if err := gotOrder.decode(string(o.append(nil))); err != nil || !reflect.DeepEqual(o, gotOrder) {
			t.Fatalf("%+v is read as %+v: %v", o, gotOrder, err)
		}
		w, gotWindow := d.window(), &window{}
		if err := gotWindow.decode(string(w.append(nil))); err != nil || *w != *gotWindow {
			t.Fatalf("%+v is read as %+v: %v", w, gotWindow, err)
		}
		h, at := &head{number: 1<<40 - 1, records: d.number(), credited: uint64(d.number()), debited: uint64(d.number())}, d.place()
		if rapid.Bool().Draw(t, "chapter") {
			h.last = &lastChapter{end: d.place()}
		}
		var gotHead head
		var gotPlace event.Place
		state, since, err := gotHead.decode(string(h.append(nil, at, []byte("state"), 31)), &gotPlace)
		if err != nil || !reflect.DeepEqual(h, &gotHead) || at != gotPlace || state != "state" || since != 31 {
			t.Fatalf("%+v at %+v is read as %+v at %+v: %v", h, at, gotHead, gotPlace, err)
		}
	})
}

// An event's row holds everything that there may be of one.
func TestEventRowHoldsEverything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := sampler{t}
		p := event.Placed{
			ID: d.id(), Time: d.time(), ArrivedAt: d.timeOrNone(), ProcessedAt: d.time(), Sequence: d.number(),
			Offset: max(d.number(), 0), Amount: d.amount(), Kind: event.PlaceOrder, Marks: event.LateMark,
		}.With(event.Details{
			Ref: d.id(), To: d.id(), OccurredAt: d.time(), EffectiveAt: d.timeOrNone(), ExpiresAt: d.timeOrNone(), Priority: 7,
			Terms: &event.Terms{Currency: d.id(), Quantity: d.decimal(), Price: d.decimal()},
		})
		extra := event.Event{Asset: "gold", Source: d.id(), Metadata: []event.Pair{{Key: d.id(), Value: d.id()}}}
		var got event.Placed
		var gotExtra event.Event
		err := decodeEventRow(p.Place(), string(appendEventRow(nil, &p, &extra)), &got, &gotExtra)
		if err != nil || !reflect.DeepEqual(p, got) || !reflect.DeepEqual(extra, gotExtra) {
			t.Fatalf("%+v with %+v is read as %+v with %+v: %v", p, extra, got, gotExtra, err)
		}
	})
}

// What is usual takes few bytes.
func TestShortForms(t *testing.T) {
	const at = event.Time(1_700_000_000_000_000)
	place := event.Place{Time: at, Due: event.AnEvent, ID: "e-1"}
	price, err := event.ParseDecimal("9999.95")
	if err != nil {
		t.Fatal(err)
	}
	o := orderRow{first: at, ended: event.NoTime, records: 1}
	o.state = order.Order{Status: event.Active, Placed: place, UpdatedAt: at + 60_000_000, Terms: &event.Terms{Currency: "EUR", Quantity: price, Price: price}}
	slice := event.Slice{GrantID: "g-1", Amount: 5, ExpiresAt: at + 3_600_000_000}
	before := event.Result{Outcome: event.Applied, Amount: 5, Slices: []event.Slice{slice}, After: event.Balances{Balance: 100}}
	after := before
	after.After.Balance = 90
	c := event.Correction{Part: 1, Parts: 1, Changes: []event.Stretch{{From: at, To: event.NoTime, Balances: event.Balances{Balance: -10}}}}
	c.Cause = event.Cause{EventID: "e-1", Kind: event.Subtract, OccurredAt: at, LateBy: 10_000_000}
	c.Watermark, c.CommittedAt = at+5_000_000, at
	none := len(appendCorrection(nil, &c))
	c.Entries = append(c.Entries, event.EntryChange{EventID: "e-2", Kind: event.Subtract, EffectiveAt: at + 10_000_000, Before: &before, After: &after})
	one := len(appendCorrection(nil, &c))
	c.Entries = append(c.Entries, c.Entries[0])
	for _, what := range []struct {
		name      string
		got, want int
	}{
		{"a time of whole seconds", len(appendTime(nil, at, 0)), 5},
		{"a time of whole milliseconds", len(appendTime(nil, at+1000, 0)), 7},
		{"a time of microseconds", len(appendTime(nil, at+1, 0)), 8},
		{"the same time", len(appendTime(nil, at, at)), 1},
		{"the decimal 0", len(appendDecimal(nil, event.Decimal{})), 1},
		{"a price", len(appendDecimal(nil, price)), 4},
		{"a place", len(appendPlaceParts(nil, place, at)), 6},
		{"an order", len(o.append(nil)), 29},
		{"a correction of balances", none, 27},
		{"a correction of an entry", one - none, 18},
		{"that of one like it", len(appendCorrection(nil, &c)) - one, 9},
	} {
		if what.got != what.want {
			t.Errorf("%s takes %d bytes, not %d", what.name, what.got, what.want)
		}
	}
}

// A row that is cut short is refused, one with a wrong byte too or read as
// something else; nothing panics.
func TestCorruptRows(t *testing.T) {
	decoders := map[string]func(string) error{
		"correction": func(row string) error { return decodeCorrection(row, &event.Correction{}) },
		"order":      func(row string) error { return new(orderRow).decode(row) },
		"window":     func(row string) error { return new(window).decode(row) },
		"event":      func(row string) error { return decodeEventRow(event.Place{}, row, &event.Placed{}, &event.Event{}) },
	}
	rapid.Check(t, func(t *rapid.T) {
		d := sampler{t}
		placed := event.Placed{Kind: event.Grant, Time: d.time(), ArrivedAt: d.time(), ProcessedAt: d.time()}.
			With(event.Details{Ref: d.id(), OccurredAt: d.time(), ExpiresAt: d.time(), EffectiveAt: d.time()})
		for name, row := range map[string][]byte{
			"correction": appendCorrection(nil, d.correction()), "order": d.order().append(nil), "window": d.window().append(nil),
			"event": appendEventRow(nil, &placed, &event.Event{}),
		} {
			decode := decoders[name]
			for n := range row {
				if decode(string(row[:n])) == nil {
					t.Fatalf("%x is read as %s row, cut short from %x", row[:n], name, row)
				}
			}
			row[rapid.IntRange(0, len(row)-1).Draw(t, "at")] ^= rapid.Byte().Draw(t, "wrong")
			_ = decode(string(row))
		}
	})
	r := pack.NewReader("\x14\x05")
	if readDecimal(&r); !errors.Is(r.Close(), pack.ErrCorrupt) {
		t.Error("a decimal has 19 zeros")
	}
	r = pack.NewReader("\x01")
	if new(grantCoder).read(&r); !errors.Is(r.Close(), pack.ErrCorrupt) {
		t.Error("a slice is of a grant that was not there before")
	}
}
