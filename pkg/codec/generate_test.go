package codec

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"highwater/pkg/event"
)

func TestMain(m *testing.M) {
	// goavro otherwise believes any count that stands on the wire.
	goavro.MaxBlockCount = 1 << 16
	goavro.MaxBlockSize = 1 << 20
	os.Exit(m.Run())
}

// sendable are all kinds that an event can have.
var sendable = func() (all []event.Kind) {
	for _, s := range Schemas() {
		if s.IsEvent() {
			all = append(all, operations[s]...)
		}
	}
	return all
}()

// ids are texts that every id of the contract may be: some need escapes, some
// are not ASCII.
var ids = rapid.OneOf(
	rapid.StringMatching(`[a-z0-9]{1,4}`),
	rapid.SampledFrom([]string{"a\"b", `\`, "ü", "日本", "\U0001f600", "a b", "\u00a0", "<&>", "{}", "\u2028", "null"}),
	rapid.StringMatching(`[a-z]{120,128}`),
)

var times = rapid.OneOf(
	rapid.Int64Range(0, 10),
	rapid.Int64Range(0, int64(event.MaxTime)),
	rapid.SampledFrom([]int64{0, 1, int64(event.MaxTime), 1767225600000000}),
)

var amounts = rapid.OneOf(rapid.Int64Range(1, 200), rapid.Int64Range(1, int64(event.MaxAmount)), rapid.Just(int64(event.MaxAmount)))

var longs = rapid.OneOf(rapid.Int64Range(-70, 70), rapid.Int64(), rapid.SampledFrom([]int64{-1 << 63, 1<<63 - 1}))

func drawTime(t *rapid.T, label string) event.Time { return event.Time(times.Draw(t, label)) }

func drawOptionalTime(t *rapid.T, label string) event.Time {
	if rapid.Bool().Draw(t, label+" given") {
		return drawTime(t, label)
	}
	return event.NoTime
}

func drawOptionalAmount(t *rapid.T, label string) event.Amount {
	if rapid.Bool().Draw(t, label+" given") {
		return event.Amount(amounts.Draw(t, label))
	}
	return event.NoAmount
}

// decimals are those an order may carry.
var decimals = rapid.Custom(func(t *rapid.T) event.Decimal {
	s := rapid.StringMatching(`[0-9]{1,18}(\.[0-9]{1,18})?`).Draw(t, "decimal")
	d, err := event.ParseDecimal(s)
	if err != nil {
		t.Fatal(err)
	}
	if d.Sign() == 0 {
		return event.Decimal{1}
	}
	return d
})

// events are events that event.Check passes, defaults filled in.
var events = rapid.Custom(func(t *rapid.T) event.Event {
	var e event.Event
	e.Clear()
	e.ID, e.User = ids.Draw(t, "event_id"), ids.Draw(t, "user_id")
	e.OccurredAt = event.Time(rapid.Int64Range(10, int64(event.MaxTime)-20).Draw(t, "occurred_at"))
	e.TimeGiven = rapid.Bool().Draw(t, "time_given")
	if rapid.Bool().Draw(t, "with sequence") {
		e.Sequence = longs.Draw(t, "sequence")
	}
	e.Asset = rapid.SampledFrom([]string{"", "gold", "0", "a.b_c-d"}).Draw(t, "asset")
	e.Source = rapid.OneOf(rapid.Just(""), ids).Draw(t, "source")
	keys := rapid.SliceOfNDistinct(rapid.StringN(0, 8, 24), 0, 5, rapid.ID[string]).Draw(t, "metadata")
	for _, key := range keys {
		e.Metadata = append(e.Metadata, event.Pair{Key: key, Value: rapid.StringN(0, 20, 80).Draw(t, "value")})
	}
	e.Kind = rapid.SampledFrom(sendable).Draw(t, "operation")
	drawOperation(t, &e)
	e.FillDefaults()
	if r := e.Check(); r != nil {
		t.Fatalf("the generator made an event that Check refuses: %v", r)
	}
	return e
})

func drawOperation(t *rapid.T, e *event.Event) {
	own := operationFields[e.Kind]
	has := func(field int) bool { return own&(1<<field) != 0 }
	if own&refFields != 0 {
		e.Ref = ids.Filter(func(s string) bool { return s != e.ID }).Draw(t, "ref")
	}
	if has(fieldToUserID) {
		e.To = ids.Filter(func(s string) bool { return s != e.User }).Draw(t, "to_user_id")
	}
	switch {
	case e.Kind == event.PlaceOrder:
		e.Currency, e.Quantity, e.Price = ids.Draw(t, "currency"), decimals.Draw(t, "amount"), decimals.Draw(t, "price")
	case e.Kind == event.Refund || e.Kind == event.Capture:
		e.Amount = drawOptionalAmount(t, "amount")
	case has(fieldAmount):
		e.Amount = event.Amount(amounts.Draw(t, "amount"))
	}
	if has(fieldEffectiveAt) && rapid.Bool().Draw(t, "effective_at given") {
		e.EffectiveAt = e.OccurredAt + event.Time(rapid.Int64Range(-10, 10).Draw(t, "effective_at"))
	}
	if has(fieldExpiresAt) && rapid.Bool().Draw(t, "expires_at given") {
		e.ExpiresAt = e.UsableFrom() + event.Time(rapid.Int64Range(1, 10).Draw(t, "expires_at"))
	}
	if has(fieldPriority) {
		e.Priority = int32(rapid.IntRange(0, event.MaxPriority).Draw(t, "priority"))
	}
}

func drawStamp(t *rapid.T) event.Stamp {
	return event.Stamp{
		Partition: rapid.Int32().Draw(t, "partition"),
		Seq:       longs.Draw(t, "seq"),
		Watermark: drawTime(t, "watermark"), CommittedAt: drawTime(t, "committed_at"),
	}
}

func drawBalances(t *rapid.T) event.Balances {
	return event.Balances{Balance: longs.Draw(t, "balance"), Held: longs.Draw(t, "held"), Debt: longs.Draw(t, "debt")}
}

func drawPosition(t *rapid.T) event.Position {
	if !rapid.Bool().Draw(t, "input given") {
		return event.Position{}
	}
	topic := rapid.SampledFrom(append(event.Inputs[:], event.Transfers)).Draw(t, "topic")
	return event.Position{Topic: topic, Partition: rapid.Int32().Draw(t, "partition"), Offset: longs.Draw(t, "offset")}
}

// drawText draws an optional text; "" is none.
func drawText(t *rapid.T, label string) string {
	return rapid.OneOf(rapid.Just(""), ids).Draw(t, label)
}

func drawKind(t *rapid.T) event.Kind {
	return event.Kind(rapid.Uint8Range(uint8(event.Grant), uint8(event.Activated)).Draw(t, "kind"))
}

func drawResult(t *rapid.T, k event.Kind) event.Result {
	r := event.Result{
		Outcome:   event.Outcome(rapid.Uint8Range(uint8(event.Applied), uint8(event.Pending)).Draw(t, "outcome")),
		Code:      event.Code(rapid.Uint8Range(0, uint8(event.UnknownSchema)).Draw(t, "code")),
		Amount:    drawOptionalAmount(t, "amount"),
		Shortfall: longs.Draw(t, "shortfall"),
		Undone:    longs.Draw(t, "undone"),
	}
	for range rapid.IntRange(0, 3).Draw(t, "slices") {
		r.Slices = append(r.Slices, event.Slice{GrantID: ids.Draw(t, "grant_id"), Amount: event.Amount(longs.Draw(t, "amount")), ExpiresAt: drawOptionalTime(t, "expires_at")})
	}
	for range rapid.IntRange(0, 2).Draw(t, "repaid") {
		r.Repaid = append(r.Repaid, event.Repayment{EventID: ids.Draw(t, "event_id"), GrantID: ids.Draw(t, "grant_id"), Amount: event.Amount(longs.Draw(t, "amount"))})
	}
	if hasBalances(k, r.Outcome) {
		r.After = drawBalances(t)
	}
	switch {
	case k == event.CancelAll:
		r.Order.Cancelled = longs.Draw(t, "cancelled")
	case k.IsOrder():
		r.Order.OrderID = ids.Draw(t, "order_id")
		r.Order.Status = event.OrderStatus(rapid.Uint8Range(0, uint8(event.Cancelled)).Draw(t, "state"))
	}
	return r
}

var entries = rapid.Custom(func(t *rapid.T) event.Entry {
	k := drawKind(t)
	return event.Entry{
		EventID: ids.Draw(t, "event_id"), UserID: ids.Draw(t, "user_id"), Asset: drawText(t, "asset"), Kind: k,
		OccurredAt: drawTime(t, "occurred_at"), EffectiveAt: drawTime(t, "effective_at"), ArrivedAt: drawOptionalTime(t, "arrived_at"),
		Input: drawPosition(t), Counterparty: drawText(t, "counterparty"), Result: drawResult(t, k),
		Late: rapid.Bool().Draw(t, "late"), AfterFinal: rapid.Bool().Draw(t, "after_final"),
		Revision: rapid.Int32().Draw(t, "revision"), Stamp: drawStamp(t),
	}
})

var corrections = rapid.Custom(func(t *rapid.T) event.Correction {
	c := event.Correction{
		Cause: event.Cause{
			EventID: ids.Draw(t, "cause"), Kind: drawKind(t), OccurredAt: drawTime(t, "occurred_at"),
			Input: drawPosition(t), LateBy: longs.Draw(t, "late_by"),
		},
		UserID: ids.Draw(t, "user_id"), Asset: drawText(t, "asset"), AfterFinal: rapid.Bool().Draw(t, "after_final"),
		Part: rapid.Int32().Draw(t, "part"), Parts: rapid.Int32().Draw(t, "parts"), Stamp: drawStamp(t),
	}
	for range rapid.IntRange(0, 3).Draw(t, "changes") {
		c.Changes = append(c.Changes, event.Stretch{From: drawTime(t, "from"), To: drawOptionalTime(t, "to"), Balances: drawBalances(t)})
	}
	for range rapid.IntRange(0, 3).Draw(t, "entries") {
		x := event.EntryChange{EventID: ids.Draw(t, "event_id"), Kind: drawKind(t), EffectiveAt: drawTime(t, "effective_at")}
		for _, side := range []**event.Result{&x.Before, &x.After} {
			if rapid.Bool().Draw(t, "side given") {
				r := drawResult(t, x.Kind)
				*side = &r
			}
		}
		c.Entries = append(c.Entries, x)
	}
	return c
})

var balances = rapid.Custom(func(t *rapid.T) event.Balance {
	return event.Balance{
		UserID: ids.Draw(t, "user_id"), Asset: ids.Draw(t, "asset"), Balances: drawBalances(t),
		AsOf: drawTime(t, "as_of"), NextChangeAt: drawOptionalTime(t, "next_change_at"),
		Final: rapid.Bool().Draw(t, "final"), Revision: longs.Draw(t, "revision"), Stamp: drawStamp(t),
	}
})

var orderStates = rapid.Custom(func(t *rapid.T) event.OrderState {
	return event.OrderState{
		UserID: ids.Draw(t, "user_id"), OrderID: ids.Draw(t, "order_id"), Currency: ids.Draw(t, "currency"),
		Quantity: decimals.Draw(t, "amount"), Price: decimals.Draw(t, "price"),
		Status:   event.OrderStatus(rapid.Uint8Range(uint8(event.Active), uint8(event.Cancelled)).Draw(t, "state")),
		PlacedAt: drawTime(t, "placed_at"), UpdatedAt: drawTime(t, "updated_at"), Revision: longs.Draw(t, "revision"), Stamp: drawStamp(t),
	}
})

// sums are decimals of either sign, 0 included.
var sums = rapid.Custom(func(t *rapid.T) event.Decimal {
	a, b := decimals.Draw(t, "plus"), decimals.Draw(t, "minus")
	if rapid.Bool().Draw(t, "large") {
		return a.Notional(b).Sub(b.Notional(b))
	}
	return a.Sub(b)
})

var orderStats = rapid.Custom(func(t *rapid.T) event.OrderStats {
	return event.OrderStats{
		Currency: ids.Draw(t, "currency"), WindowStart: drawTime(t, "window_start"),
		Tally: event.Tally{
			Placed: longs.Draw(t, "placed"), Paused: longs.Draw(t, "paused"), Resumed: longs.Draw(t, "resumed"),
			Cancelled: longs.Draw(t, "cancelled"), Ignored: longs.Draw(t, "ignored"),
			PlacedAmount: sums.Draw(t, "placed_amount"), PlacedNotional: sums.Draw(t, "placed_notional"),
			LiveOrdersDelta: longs.Draw(t, "live_orders_delta"), LiveNotionalDelta: sums.Draw(t, "live_notional_delta"),
		},
		Revision: longs.Draw(t, "revision"), Final: rapid.Bool().Draw(t, "final"), Stamp: drawStamp(t),
	}
})

var watermarks = rapid.Custom(func(t *rapid.T) event.Watermark {
	return event.Watermark{At: drawTime(t, "at"), Stamp: drawStamp(t)}
})

var alerts = rapid.Custom(func(t *rapid.T) event.Alert {
	return event.Alert{
		UserID: ids.Draw(t, "user_id"), Asset: drawText(t, "asset"),
		Kind:    event.AlertKind(rapid.Uint8Range(uint8(event.ShortfallAlert), uint8(event.OverflowAlert)).Draw(t, "kind")),
		EventID: ids.Draw(t, "event_id"), Message: rapid.String().Draw(t, "message"),
		Value: rapid.StringMatching(`[0-9]{1,20}`).Draw(t, "value"), Limit: "0", Stamp: drawStamp(t),
	}
})

// sortMetadata makes events comparable whose metadata came in another order.
func sortMetadata(e *event.Event) {
	slices.SortFunc(e.Metadata, func(a, b event.Pair) int { return strings.Compare(a.Key, b.Key) })
}
