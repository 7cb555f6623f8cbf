package verify

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/trace"
)

// asking makes up events of users who ask before they deliver: everything of
// the contract's section 5, some of it late, some before what it names.
type asking struct {
	*rand.Rand
	users  int
	assets []string
	start  event.Time
	made   []trace.Record
	// parents are spends and holds, by user.
	parents map[string][]event.Event
}

const askingSpan = 60_000_000

var seed = flag.Uint64("verify.seed", 5, "the seed of the operations")

func operations(t *testing.T, n, users int, assets ...string) []trace.Record {
	t.Helper()
	t.Logf("operations of seed %d; replay: go test ./pkg/verify -run %s -verify.seed=%d", *seed, t.Name(), *seed)
	a := &asking{users: users, assets: assets, Rand: rand.New(rand.NewPCG(*seed, 0x61736b)), start: event.TimeOf(time.Now()) - askingSpan - 1_000_000, parents: map[string][]event.Event{}}
	for i := range n {
		a.event(i)
	}
	slices.SortStableFunc(a.made, func(x, y trace.Record) int { return int(x.At - y.At) })
	return a.made
}

func (a *asking) event(i int) {
	var e event.Event
	e.Clear()
	e.User, e.ID = fmt.Sprintf("ask-%d", a.IntN(a.users)), fmt.Sprintf("op-%d", i)
	e.Asset = a.assets[a.IntN(len(a.assets))]
	e.OccurredAt = a.start + event.Time(a.IntN(askingSpan))
	e.Amount = event.Amount(1 + a.IntN(9))
	switch a.IntN(11) {
	case 0, 1:
		e.Kind, e.Ref, e.Amount = event.Grant, "g-"+e.ID, event.Amount(5+a.IntN(30))
		if a.IntN(2) == 0 {
			e.ExpiresAt = e.OccurredAt + event.Time(5_000_000+a.IntN(20_000_000))
		}
	case 2:
		e.Kind = event.Subtract
	case 3, 4:
		e.Kind = event.Spend
	case 5:
		e.Kind = event.Hold
		e.ExpiresAt = e.OccurredAt + event.Time(1_000_000+a.IntN(30_000_000))
	case 6:
		e.Kind, e.To = event.Transfer, fmt.Sprintf("ask-%d", (a.IntN(a.users-1)+1+int(e.User[4]-'0'))%a.users)
	default:
		a.child(&e)
	}
	if e.Kind == event.Spend || e.Kind == event.Hold {
		a.parents[e.User] = append(a.parents[e.User], e)
	}
	at := e.OccurredAt + event.Time(a.IntN(2_000_000))
	if a.IntN(6) == 0 {
		at += event.Time(a.IntN(30_000_000))
	}
	a.made = append(a.made, trace.Record{Topic: e.Kind.Topic(), Key: []byte(e.User), Value: codec.SingleObject().AppendEvent(nil, &e), At: at})
}

// child names a spend or hold of the user; without one it is a place.
func (a *asking) child(e *event.Event) {
	own := a.parents[e.User]
	if len(own) == 0 {
		e.Kind, e.Ref, e.Currency, e.Quantity, e.Price, e.Amount = event.PlaceOrder, "o-"+e.ID, "EUR", event.DecimalOf(2), event.DecimalOf(int64(a.IntN(9)+1)), event.NoAmount
		return
	}
	parent := own[a.IntN(len(own))]
	e.Ref, e.Asset = parent.ID, parent.Asset
	e.OccurredAt = min(parent.OccurredAt+event.Time(a.IntN(8_000_000)), a.start+askingSpan)
	e.Kind = event.Refund
	if parent.Kind == event.Hold {
		e.Kind = []event.Kind{event.Capture, event.Capture, event.Release, event.Refund}[a.IntN(4)]
	}
	if e.Kind == event.Release || a.IntN(3) == 0 {
		e.Amount = event.NoAmount
	}
}

// asked is a load of operations among the trace's.
func asked(t *testing.T) []trace.Record {
	t.Helper()
	return slices.Concat(load(), operations(t, 900, 6, event.DefaultAsset, "batch", "gems"))
}

// always spoils one record of a topic whenever it is read.
func always(topic string, match func(*kgo.Record) bool, spoil func(*kgo.Record) []*kgo.Record) spoiler {
	left, partition, offset := skipped, int32(-1), int64(-1)
	return func(r *kgo.Record) []*kgo.Record {
		switch {
		case r.Topic != topic || !match(r):
		case offset < 0 && left > 0:
			left--
		case offset < 0:
			partition, offset = r.Partition, r.Offset
		}
		if r.Topic == topic && r.Partition == partition && r.Offset == offset {
			return spoil(r)
		}
		return []*kgo.Record{r}
	}
}

// operationSpoils are ways in which what was decided, waited and was sent can
// be wrong.
func operationSpoils(names kafka.Names) []wrong {
	entry := func(match func(*event.Entry) bool, change func(*event.Entry)) spoiler {
		return edit(one, names.Output(kafka.Entries), (*codec.Decoder).DecodeEntry, (*codec.Encoder).AppendEntry, match, change)
	}
	dropEntry := func(match func(*event.Entry) bool) spoiler {
		return one(names.Output(kafka.Entries), func(r *kgo.Record) bool {
			var e event.Entry
			return new(codec.Decoder).DecodeEntry(r.Value, &e) == nil && match(&e)
		}, drop)
	}
	is := func(kind event.Kind, outcome event.Outcome) func(*event.Entry) bool {
		return func(e *event.Entry) bool { return e.Kind == kind && e.Outcome == outcome }
	}
	coded := func(code event.Code) func(*event.Entry) bool {
		return func(e *event.Entry) bool { return e.Code == code }
	}
	reject := func(e *event.Entry) {
		e.Outcome, e.Code, e.Slices = event.Rejected, event.InsufficientFunds, nil
	}
	transfers := names.Input(event.Transfers)
	all := func(*kgo.Record) bool { return true }
	remit := func(change func(*event.Remittance)) func(*kgo.Record) []*kgo.Record {
		return changed(func(r *kgo.Record) {
			var m event.Remittance
			if err := codec.DecodeRemittance(r.Value, &m); err != nil {
				panic(err)
			}
			change(&m)
			r.Value = codec.AppendRemittance(nil, &m)
		})
	}
	more := remit(func(m *event.Remittance) { m.Grants[0].Amount++ })
	decided := func(c *event.Correction) bool {
		return slices.ContainsFunc(c.Entries, func(x event.EntryChange) bool {
			return x.Kind.IsConditional() && x.Before != nil && x.After != nil
		})
	}
	return []wrong{
		{"what was granted grows on its way", checkMoney, always(transfers, all, more)},
		{"what was sent grows on its way", checkTransfers, always(transfers, all, more)},
		{"what was sent is for another time", checkTransfers, always(transfers, all, remit(func(m *event.Remittance) { m.OccurredAt++ }))},
		{"what was sent expires later", checkTransfers, always(transfers, all, remit(func(m *event.Remittance) { m.Grants[0].ExpiresAt = event.MaxTime }))},
		{"what was sent is lost", checkTransfers, always(transfers, all, drop)},
		{"what was sent comes twice", checkTransfers, always(transfers, all, twice)},
		{"what comes was never sent", checkTransfers, always(transfers, all, remit(func(m *event.Remittance) { m.EventID = "nobody" }))},
		{"what was sent can't be read", checkRecords, always(transfers, all, changed(func(r *kgo.Record) { r.Value = r.Value[:5] }))},
		{"what was sent has another key", checkKeys, always(transfers, all, changed(func(r *kgo.Record) { r.Key = []byte("nobody") }))},
		{"what came isn't credited", checkTransfers, dropEntry(is(event.Received, event.Applied))},
		{"what came is from elsewhere", checkTransfers, entry(is(event.Received, event.Applied), func(e *event.Entry) { e.Input.Offset++ })},
		{"what came is another amount", checkEntries, entry(is(event.Received, event.Applied), func(e *event.Entry) { e.Amount++ })},
		{"a transfer goes to somebody else", checkEntries, entry(is(event.Transfer, event.Accepted), func(e *event.Entry) { e.Counterparty = "nobody" })},
		{"a rejected transfer was sent", checkTransfers, entry(is(event.Transfer, event.Accepted), reject)},
		{"nothing tells that an operation waits", checkPending, dropEntry(func(e *event.Entry) bool { return e.Outcome == event.Pending })},
		{"an operation that waited is never decided", checkPending, dropEntry(func(e *event.Entry) bool { return e.Revision == 1 })},
		{"an operation is decided that had to wait", checkPending, entry(func(e *event.Entry) bool { return e.Outcome == event.Pending }, func(e *event.Entry) {
			e.Outcome, e.Code = event.Rejected, event.UnknownReference
		})},
		{"an operation waits for what is known", checkPending, entry(is(event.Capture, event.Accepted), func(e *event.Entry) { e.Outcome, e.Slices = event.Pending, nil })},
		{"what waited hides that it did", checkEntries, entry(func(e *event.Entry) bool { return e.Outcome == event.Pending }, func(e *event.Entry) { e.Late = true })},
		{"a spend is accepted that takes from another", checkCovered, entry(coded(event.InsufficientFunds), func(e *event.Entry) { e.Outcome, e.Code = event.Accepted, event.NoCode })},
		{"a spend is rejected that takes from nobody", checkCovered, entry(is(event.Spend, event.Accepted), reject)},
		{"an accepted hold was short", checkCovered, entry(is(event.Hold, event.Accepted), func(e *event.Entry) { e.Shortfall = 1 })},
		{"a refund is accepted a second time", checkDecisions, entry(coded(event.AlreadyRefunded), func(e *event.Entry) { e.Outcome, e.Code, e.Amount = event.Accepted, event.NoCode, 1 })},
		{"a refund gives more than there is", checkConservation, entry(is(event.Refund, event.Accepted), func(e *event.Entry) { e.Amount = 1 << 40 })},
		{"a capture takes another amount", checkDecisions, entry(is(event.Capture, event.Accepted), func(e *event.Entry) { e.Amount++ })},
		{"a rule of risk isn't told", checkDecisions, entry(coded(event.RiskLimited), func(e *event.Entry) { e.Code = event.InsufficientFunds })},
		{"the alert of a rule is dropped", checkAlerts, one(names.Output(kafka.Alerts), func(r *kgo.Record) bool {
			var a event.Alert
			return new(codec.Decoder).DecodeAlert(r.Value, &a) == nil && (a.Kind == event.SpendAmountLimit || a.Kind == event.SpendCountLimit)
		}, drop)},
		{"a correction takes a decision back", checkDecidedOnce, edit(one, names.Output(kafka.Corrections), (*codec.Decoder).DecodeCorrection, (*codec.Encoder).AppendCorrection, decided,
			func(c *event.Correction) {
				for i := range c.Entries {
					if x := &c.Entries[i]; x.Kind.IsConditional() && x.After != nil {
						x.After.Outcome, x.After.Code = event.Rejected, event.RiskLimited
					}
				}
			})},
		{"a correction changes what was decided", checkDecidedOnce, edit(one, names.Output(kafka.Corrections), (*codec.Decoder).DecodeCorrection, (*codec.Encoder).AppendCorrection, decided,
			func(c *event.Correction) {
				for i := range c.Entries {
					if x := &c.Entries[i]; x.Kind.IsConditional() && x.After != nil {
						x.After.Amount++
					}
				}
			})},
	}
}
