package codec

import (
	"bytes"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/twmb/avro"

	"highwater/pkg/event"
)

var writeGolden = flag.Bool("write-golden", false, "write the golden files of a version that isn't released yet")

// goldenDir holds bytes of the first release. They decode for ever: a line may
// be added, none is ever changed.
const goldenDir = "../../schemas/testdata/v1"

// sample is a value that a golden file keeps.
type sample struct {
	name  string
	value []byte
	json  []byte
}

// reread decodes a golden value and gives its bytes and its JSON again.
func reread(s Schema, value []byte) (again, json []byte, err error) {
	enc, dec := SingleObject(), new(Decoder)
	switch s {
	case EntryRecord:
		return rereadRecord(value, dec.DecodeEntry, enc.AppendEntry, AppendEntryJSON)
	case CorrectionRecord:
		return rereadRecord(value, dec.DecodeCorrection, enc.AppendCorrection, AppendCorrectionJSON)
	case BalanceRecord:
		return rereadRecord(value, dec.DecodeBalance, enc.AppendBalance, AppendBalanceJSON)
	case OrderStateRecord:
		return rereadRecord(value, dec.DecodeOrderState, enc.AppendOrderState, AppendOrderStateJSON)
	case OrderStatsRecord:
		return rereadRecord(value, dec.DecodeOrderStats, enc.AppendOrderStats, AppendOrderStatsJSON)
	case WatermarkRecord:
		return rereadRecord(value, dec.DecodeWatermark, enc.AppendWatermark, AppendWatermarkJSON)
	case AlertRecord:
		return rereadRecord(value, dec.DecodeAlert, enc.AppendAlert, AppendAlertJSON)
	}
	decode := func(value []byte, e *event.Event) error {
		topic := event.Inputs[s-GrantEvent]
		if r := dec.Decode(topic, []byte("alice"), value, 1, e); r != nil {
			return r
		}
		return nil
	}
	return rereadRecord(value, decode, enc.AppendEvent, AppendEventJSON)
}

func rereadRecord[T any](value []byte, decode func([]byte, *T) error, encode, show func([]byte, *T) []byte) ([]byte, []byte, error) {
	var r T
	err := decode(value, &r)
	if err != nil {
		return nil, nil, err
	}
	return encode(nil, &r), show(nil, &r), nil
}

func goldenFile(s Schema) string {
	return filepath.Join(goldenDir, strings.TrimPrefix(s.String(), "highwater.v1.")+".golden")
}

// A golden file has three lines a value: its name, its bytes, its JSON.
func TestGolden(t *testing.T) {
	if *writeGolden {
		writeGoldenFiles(t)
	}
	for _, s := range Schemas() {
		t.Run(s.String(), func(t *testing.T) {
			text, err := os.ReadFile(goldenFile(s))
			if err != nil {
				t.Fatal(err)
			}
			lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
			if len(lines)%3 != 0 {
				t.Fatalf("%d lines", len(lines))
			}
			for ; len(lines) > 0; lines = lines[3:] {
				name, json := strings.TrimPrefix(lines[0], "# "), lines[2]
				value, err := hex.DecodeString(lines[1])
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				again, shown, err := reread(s, value)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				if !bytes.Equal(again, value) {
					t.Errorf("%s: written again as\n%x, was\n%x", name, again, value)
				}
				if string(shown) != json {
					t.Errorf("%s: shown as\n%s, was\n%s", name, shown, json)
				}
				var anything any
				if rest, err := avro.MustParse(s.Text()).DecodeSingleObject(value, &anything); err != nil || len(rest) > 0 {
					t.Errorf("%s: another implementation leaves %d bytes: %v", name, len(rest), err)
				}
			}
		})
	}
}

func writeGoldenFiles(t *testing.T) {
	t.Helper()
	all := goldenSamples(t)
	for _, s := range Schemas() {
		var file bytes.Buffer
		for _, c := range all[s] {
			fmt.Fprintf(&file, "# %s\n%x\n%s\n", c.name, c.value, c.json)
		}
		if err := os.WriteFile(goldenFile(s), file.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func goldenSamples(t *testing.T) map[Schema][]sample {
	t.Helper()
	enc := SingleObject()
	all := make(map[Schema][]sample)
	keep := func(s Schema, name string, value, json []byte) {
		all[s] = append(all[s], sample{name, value, json})
	}
	at, err := event.ParseTime("2026-01-01T00:00:00.123456Z")
	if err != nil {
		t.Fatal(err)
	}
	for _, g := range goldenEvents(t, at) {
		keep(EventSchema(g.e.Kind.Topic()), g.name, enc.AppendEvent(nil, &g.e), AppendEventJSON(nil, &g.e))
	}
	for _, e := range goldenEntries(at) {
		name := e.Outcome.String() + " " + e.Kind.String()
		keep(EntryRecord, name, enc.AppendEntry(nil, &e), AppendEntryJSON(nil, &e))
	}
	for i, c := range goldenCorrections(at) {
		name := [...]string{"of credits", "of an order", "of nothing but a part"}[i]
		keep(CorrectionRecord, name, enc.AppendCorrection(nil, &c), AppendCorrectionJSON(nil, &c))
	}
	stamp := event.Stamp{Partition: 3, Seq: 1 << 40, Watermark: at - 10_000_000, CommittedAt: at + 1}
	b := event.Balance{UserID: "alice", Asset: "credits", Balances: event.Balances{Balance: -7, Held: 1, Debt: 8}, AsOf: at, NextChangeAt: event.NoTime, Revision: 9, Stamp: stamp}
	keep(BalanceRecord, "owing", enc.AppendBalance(nil, &b), AppendBalanceJSON(nil, &b))
	b.NextChangeAt, b.Final = at+5, true
	keep(BalanceRecord, "final", enc.AppendBalance(nil, &b), AppendBalanceJSON(nil, &b))
	most, tiny := decimalOf(t, "999999999999999999.999999999999999999"), decimalOf(t, "0.000000000000000001")
	o := event.OrderState{UserID: "alice", OrderID: "o1", Currency: "EUR", Quantity: most, Price: tiny, Status: event.Paused, PlacedAt: at, UpdatedAt: at + 1, Revision: 2, Stamp: stamp}
	keep(OrderStateRecord, "paused", enc.AppendOrderState(nil, &o), AppendOrderStateJSON(nil, &o))
	n := event.OrderStats{Currency: "EUR", WindowStart: at, Revision: 1, Final: true, Stamp: stamp, Tally: event.Tally{
		Placed: 1, Paused: 2, Resumed: 3, Cancelled: 4, Ignored: 5,
		PlacedAmount: most.Add(most), PlacedNotional: most.Notional(most), LiveOrdersDelta: -3, LiveNotionalDelta: tiny.Neg(),
	}}
	keep(OrderStatsRecord, "final", enc.AppendOrderStats(nil, &n), AppendOrderStatsJSON(nil, &n))
	w := event.Watermark{At: at, Stamp: stamp}
	keep(WatermarkRecord, "moved", enc.AppendWatermark(nil, &w), AppendWatermarkJSON(nil, &w))
	for k := event.ShortfallAlert; k <= event.OverflowAlert; k++ {
		a := event.Alert{UserID: "alice", Asset: "credits", Kind: k, EventID: "e1", Message: "10 of 30 were missing", Value: "10", Limit: "0", Stamp: stamp}
		if k == event.LiveOrdersLimit {
			a.Asset = ""
		}
		keep(AlertRecord, k.String(), enc.AppendAlert(nil, &a), AppendAlertJSON(nil, &a))
	}
	return all
}

func decimalOf(t *testing.T, s string) event.Decimal {
	t.Helper()
	d, err := event.ParseDecimal(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

type goldenEvent struct {
	name string
	e    event.Event
}

// goldenEvents has each operation, plain and with all there is to give.
func goldenEvents(t *testing.T, at event.Time) (all []goldenEvent) {
	t.Helper()
	for _, k := range sendable {
		var e event.Event
		e.Clear()
		e.ID, e.User, e.OccurredAt, e.Asset, e.Kind = "e1", "alice", at, event.DefaultAsset, k
		own := operationFields[k]
		if own&refFields != 0 {
			e.Ref = "r1"
		}
		if own&(1<<fieldAmount) != 0 && k != event.PlaceOrder && k != event.Refund && k != event.Capture {
			e.Amount = 100
		}
		if k == event.Transfer {
			e.To = "bob"
		}
		if k == event.PlaceOrder {
			e.Currency, e.Quantity, e.Price = "EUR", decimalOf(t, "12.5"), decimalOf(t, "0.000000000000000001")
		}
		all = append(all, goldenEvent{k.String(), e})

		e.TimeGiven, e.Sequence, e.Asset, e.Source = false, -1<<63, "gold", "shop ü"
		e.Metadata = []event.Pair{{Key: "k", Value: "\"v\""}, {Key: "", Value: "日本"}}
		if own&(1<<fieldAmount) != 0 && k != event.PlaceOrder {
			e.Amount = event.MaxAmount
		}
		if own&(1<<fieldExpiresAt) != 0 {
			e.ExpiresAt = event.MaxTime
		}
		if k == event.Grant {
			e.EffectiveAt, e.Priority = 0, event.MaxPriority
		}
		if k == event.PlaceOrder {
			e.Quantity = decimalOf(t, "999999999999999999.999999999999999999")
		}
		all = append(all, goldenEvent{k.String() + " with everything", e})
	}
	return all
}

func goldenEntries(at event.Time) []event.Entry {
	stamp := event.Stamp{Partition: 3, Seq: 42, Watermark: at - 10_000_000, CommittedAt: at + 2}
	base := event.Entry{
		EventID: "e1", UserID: "alice", Asset: "credits", OccurredAt: at, EffectiveAt: at, ArrivedAt: at + 1, Stamp: stamp,
	}
	input := func(topic event.Topic) event.Position {
		return event.Position{Topic: topic, Partition: 3, Offset: 1 << 33}
	}
	grant := base
	grant.Kind, grant.Input, grant.Late = event.Grant, input(event.Grants), true
	grant.Result = event.Result{
		Outcome: event.Applied, Amount: 100, Slices: []event.Slice{{GrantID: "g1", Amount: 100, ExpiresAt: at + 9}},
		Repaid: []event.Repayment{{EventID: "e0", GrantID: "g1", Amount: 30}}, After: event.Balances{Balance: 70, Held: 5},
	}
	subtract := base
	subtract.Kind, subtract.Input, subtract.AfterFinal = event.Subtract, input(event.Subtracts), true
	subtract.Result = event.Result{
		Outcome: event.Applied, Amount: 30, Shortfall: 10, After: event.Balances{Balance: -10, Debt: 10},
		Slices: []event.Slice{{GrantID: "g1", Amount: 15, ExpiresAt: at + 9}, {GrantID: "g2", Amount: 5, ExpiresAt: event.NoTime}},
	}
	expired := base
	expired.EventID, expired.Kind, expired.ArrivedAt = "expired/g1", event.Expired, event.NoTime
	expired.Result = event.Result{Outcome: event.Applied, Amount: 4, Slices: []event.Slice{{GrantID: "g1", Amount: 4, ExpiresAt: at}}}
	rejected := base
	rejected.Kind, rejected.Input = event.Spend, input(event.Ledger)
	rejected.Result = event.Result{Outcome: event.Rejected, Code: event.InsufficientFunds, Amount: 30, After: event.Balances{Balance: 20}}
	pending := base
	pending.Kind, pending.Input = event.Capture, input(event.Ledger)
	pending.Result = event.Result{Outcome: event.Pending, Amount: event.NoAmount}
	refund := base
	refund.Kind, refund.Input, refund.Revision = event.Refund, input(event.Ledger), 1
	refund.Result = event.Result{Outcome: event.Accepted, Amount: 3, Undone: 3, After: event.Balances{Balance: 1}}
	received := base
	received.Kind, received.Input, received.Counterparty = event.Received, input(event.Transfers), "bob"
	received.Result = event.Result{Outcome: event.Applied, Amount: 1, Slices: []event.Slice{{GrantID: "bob/e1/0", Amount: 1, ExpiresAt: event.NoTime}}, After: event.Balances{Balance: 1}}
	place, unknown, all := base, base, base
	place.Asset, place.Kind, place.Input = "", event.PlaceOrder, input(event.Orders)
	place.Result = event.Result{Outcome: event.Applied, Amount: event.NoAmount, Order: event.OrderChange{OrderID: "o1", Status: event.Active}}
	unknown.Asset, unknown.Kind, unknown.Input = "", event.Pause, input(event.Orders)
	unknown.Result = event.Result{Outcome: event.Ignored, Code: event.UnknownOrder, Amount: event.NoAmount, Order: event.OrderChange{OrderID: "o1"}}
	all.Asset, all.Kind, all.Input = "", event.CancelAll, input(event.Orders)
	all.Result = event.Result{Outcome: event.Applied, Amount: event.NoAmount, Order: event.OrderChange{Cancelled: 2}}
	return []event.Entry{grant, subtract, expired, rejected, pending, refund, received, place, unknown, all}
}

func goldenCorrections(at event.Time) []event.Correction {
	stamp := event.Stamp{Partition: 3, Seq: 7, Watermark: at, CommittedAt: at + 2}
	credits := event.Correction{
		Cause:  event.Cause{EventID: "e1", Kind: event.Grant, OccurredAt: at, Input: event.Position{Topic: event.Grants, Partition: 3, Offset: 4}, LateBy: 60_000_000},
		UserID: "alice", Asset: "credits", AfterFinal: true, Part: 1, Parts: 1, Stamp: stamp,
		Changes: []event.Stretch{
			{From: at, To: at + 5, Balances: event.Balances{Balance: 100, Held: -1, Debt: -20}},
			{From: at + 5, To: event.NoTime, Balances: event.Balances{Balance: 70}},
		},
	}
	entries := goldenEntries(at)
	before, after := entries[1].Result, entries[0].Result
	credits.Entries = []event.EntryChange{
		{EventID: "e2", Kind: event.Subtract, EffectiveAt: at + 1, Before: &before, After: &after},
		{EventID: "expired/g1", Kind: event.Expired, EffectiveAt: at + 5, After: &entries[2].Result},
		{EventID: "activated/g2", Kind: event.Activated, EffectiveAt: at + 6, Before: &entries[2].Result},
	}
	orders := event.Correction{
		Cause:  event.Cause{EventID: "e1", Kind: event.CancelAll, OccurredAt: at, Input: event.Position{Topic: event.Orders, Partition: 3, Offset: 4}},
		UserID: "alice", Part: 2, Parts: 3, Stamp: stamp,
		Entries: []event.EntryChange{
			{EventID: "e2", Kind: event.Pause, EffectiveAt: at + 1, Before: &entries[7].Result, After: &entries[8].Result},
			{EventID: "e3", Kind: event.CancelAll, EffectiveAt: at + 1, Before: &entries[9].Result, After: &entries[9].Result},
		},
	}
	return []event.Correction{credits, orders, {Cause: orders.Cause, UserID: "alice", Part: 3, Parts: 3, Stamp: stamp}}
}
