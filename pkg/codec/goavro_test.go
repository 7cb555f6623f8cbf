package codec

import (
	"bytes"
	"math/big"
	"reflect"
	"regexp"
	"testing"

	"github.com/linkedin/goavro/v2"
	"pgregory.net/rapid"

	"highwater/pkg/event"
)

var logicalTypes = regexp.MustCompile(`, "logicalType": "[a-z-]+"(, "precision": \d+, "scale": \d+)?`)

// goavroCodec is the second implementation. It reads times and decimals as
// they stand on the wire, since its own times end in the year 2262.
func goavroCodec(tb testing.TB, s Schema) *goavro.Codec {
	tb.Helper()
	codec, err := goavro.NewCodec(logicalTypes.ReplaceAllString(s.Text(), ""))
	if err != nil {
		tb.Fatalf("%v: %v", s, err)
	}
	return codec
}

func goavroCodecs(tb testing.TB) map[Schema]*goavro.Codec {
	tb.Helper()
	codecs := make(map[Schema]*goavro.Codec)
	for _, s := range Schemas() {
		codecs[s] = goavroCodec(tb, s)
	}
	return codecs
}

type native = map[string]any

func given(branch string, v any, ok bool) any {
	if !ok {
		return nil
	}
	return native{branch: v}
}

func optionalTime(t event.Time) any { return given("long", int64(t), t != event.NoTime) }

func optionalText(s string) any { return given("string", s, s != "") }

func optionalAmount(a event.Amount) any { return given("long", int64(a), a != event.NoAmount) }

// nativeDecimal is the shortest big-endian two's complement form, found the
// slow way.
func nativeDecimal(d event.Decimal) []byte {
	n := d.Big()
	for size := 1; ; size++ {
		bound := new(big.Int).Lsh(big.NewInt(1), uint(8*size-1))
		if n.Cmp(bound) >= 0 || n.Cmp(new(big.Int).Neg(bound)) < 0 {
			continue
		}
		if n.Sign() < 0 {
			n = new(big.Int).Add(n, new(big.Int).Lsh(bound, 1))
		}
		return n.FillBytes(make([]byte, size))
	}
}

func nativeEvent(e *event.Event) native {
	metadata := native{}
	for _, p := range e.Metadata {
		metadata[p.Key] = p.Value
	}
	amount := int64(e.Amount)
	var name string
	var operation native
	switch e.Kind {
	case event.Grant:
		name, operation = "Grant", native{"grant_id": e.Ref, "amount": amount, "effective_at": optionalTime(e.EffectiveAt), "expires_at": optionalTime(e.ExpiresAt), "priority": e.Priority}
	case event.Revoke:
		name, operation = "Revoke", native{"grant_id": e.Ref}
	case event.Subtract:
		name, operation = "Subtract", native{"amount": amount}
	case event.Add:
		name, operation = "Add", native{"amount": amount, "expires_at": optionalTime(e.ExpiresAt)}
	case event.Spend:
		name, operation = "Spend", native{"amount": amount}
	case event.Refund:
		name, operation = "Refund", native{"spend_id": e.Ref, "amount": optionalAmount(e.Amount)}
	case event.Hold:
		name, operation = "Hold", native{"amount": amount, "expires_at": optionalTime(e.ExpiresAt)}
	case event.Capture:
		name, operation = "Capture", native{"hold_id": e.Ref, "amount": optionalAmount(e.Amount)}
	case event.Release:
		name, operation = "Release", native{"hold_id": e.Ref}
	case event.Transfer:
		name, operation = "Transfer", native{"to_user_id": e.To, "amount": amount}
	case event.PlaceOrder:
		name, operation = "Place", native{"order_id": e.Ref, "currency": e.Currency, "amount": nativeDecimal(e.Quantity), "price": nativeDecimal(e.Price)}
	case event.Pause:
		name, operation = "Pause", native{"order_id": e.Ref}
	case event.Resume:
		name, operation = "Resume", native{"order_id": e.Ref}
	case event.Cancel:
		name, operation = "Cancel", native{"order_id": e.Ref}
	case event.CancelAll:
		name, operation = "CancelAll", native{}
	}
	return native{
		"event_id": e.ID, "user_id": e.User, "occurred_at": int64(e.OccurredAt), "time_given": e.TimeGiven,
		"sequence": e.Sequence, "asset": e.Asset, "source": e.Source, "metadata": metadata,
		"operation": native{"highwater.v1." + name: operation},
	}
}

func nativePosition(p event.Position) any {
	v := native{"topic": p.Topic.String(), "partition": p.Partition, "offset": p.Offset}
	return given("highwater.v1.Position", v, p != event.Position{})
}

// nativeResult adds the fields of a result to those of a record.
func nativeResult(fields native, k event.Kind, r *event.Result) native {
	slices, repaid := []any{}, []any{}
	for _, s := range r.Slices {
		slices = append(slices, native{"grant_id": s.GrantID, "amount": int64(s.Amount), "expires_at": optionalTime(s.ExpiresAt)})
	}
	for _, p := range r.Repaid {
		repaid = append(repaid, native{"event_id": p.EventID, "grant_id": p.GrantID, "amount": int64(p.Amount)})
	}
	fields["outcome"], fields["code"] = r.Outcome.String(), optionalText(r.Code.String())
	fields["amount"], fields["shortfall"], fields["undone"] = optionalAmount(r.Amount), r.Shortfall, r.Undone
	fields["slices"], fields["repaid"] = slices, repaid
	credits := !k.IsOrder()
	said := credits && r.Outcome != event.Pending
	fields["balance_after"] = given("long", r.After.Balance, said)
	fields["held_after"] = given("long", r.After.Held, said)
	fields["debt_after"] = given("long", r.After.Debt, said)
	fields["order"] = given("highwater.v1.OrderChange", native{
		"order_id":  optionalText(r.Order.OrderID),
		"state":     optionalText(r.Order.Status.String()),
		"cancelled": given("long", r.Order.Cancelled, k == event.CancelAll),
	}, !credits)
	return fields
}

func nativeStamp(fields native, s event.Stamp) native {
	fields["partition"], fields["seq"] = s.Partition, s.Seq
	fields["watermark"], fields["committed_at"] = int64(s.Watermark), int64(s.CommittedAt)
	return fields
}

func nativeEntry(e *event.Entry) native {
	return nativeStamp(nativeResult(native{
		"event_id": e.EventID, "user_id": e.UserID, "asset": optionalText(e.Asset), "kind": e.Kind.String(),
		"occurred_at": int64(e.OccurredAt), "effective_at": int64(e.EffectiveAt), "arrived_at": optionalTime(e.ArrivedAt),
		"input": nativePosition(e.Input), "counterparty": optionalText(e.Counterparty),
		"late": e.Late, "after_final": e.AfterFinal, "revision": e.Revision,
	}, e.Kind, &e.Result), e.Stamp)
}

func nativeCorrection(c *event.Correction) native {
	changes, entries := []any{}, []any{}
	for _, s := range c.Changes {
		changes = append(changes, native{"from": int64(s.From), "to": optionalTime(s.To), "balance": s.Balance, "held": s.Held, "debt": s.Debt})
	}
	state := func(k event.Kind, r *event.Result) any {
		if r == nil {
			return nil
		}
		return native{"highwater.v1.EntryState": nativeResult(native{}, k, r)}
	}
	for _, x := range c.Entries {
		entries = append(entries, native{
			"event_id": x.EventID, "kind": x.Kind.String(), "effective_at": int64(x.EffectiveAt),
			"before": state(x.Kind, x.Before), "after": state(x.Kind, x.After),
		})
	}
	return nativeStamp(native{
		"cause": native{
			"event_id": c.Cause.EventID, "kind": c.Cause.Kind.String(), "occurred_at": int64(c.Cause.OccurredAt),
			"input": nativePosition(c.Cause.Input), "late_by": c.Cause.LateBy,
		},
		"user_id": c.UserID, "asset": optionalText(c.Asset), "after_final": c.AfterFinal,
		"changes": changes, "entries": entries, "part": c.Part, "parts": c.Parts,
	}, c.Stamp)
}

func nativeBalance(b *event.Balance) native {
	return nativeStamp(native{
		"user_id": b.UserID, "asset": b.Asset, "balance": b.Balance, "held": b.Held, "debt": b.Debt,
		"as_of": int64(b.AsOf), "next_change_at": optionalTime(b.NextChangeAt), "final": b.Final, "revision": b.Revision,
	}, b.Stamp)
}

func nativeOrderState(o *event.OrderState) native {
	return nativeStamp(native{
		"user_id": o.UserID, "order_id": o.OrderID, "currency": o.Currency,
		"amount": nativeDecimal(o.Quantity), "price": nativeDecimal(o.Price), "state": o.Status.String(),
		"placed_at": int64(o.PlacedAt), "updated_at": int64(o.UpdatedAt), "revision": o.Revision,
	}, o.Stamp)
}

func nativeOrderStats(o *event.OrderStats) native {
	return nativeStamp(native{
		"currency": o.Currency, "window_start": int64(o.WindowStart),
		"placed": o.Placed, "paused": o.Paused, "resumed": o.Resumed, "cancelled": o.Cancelled, "ignored": o.Ignored,
		"placed_amount": nativeDecimal(o.PlacedAmount), "placed_notional": nativeDecimal(o.PlacedNotional),
		"live_orders_delta": o.LiveOrdersDelta, "live_notional_delta": nativeDecimal(o.LiveNotionalDelta),
		"revision": o.Revision, "final": o.Final,
	}, o.Stamp)
}

func nativeWatermark(w *event.Watermark) native {
	return nativeStamp(native{"at": int64(w.At)}, w.Stamp)
}

func nativeAlert(a *event.Alert) native {
	return nativeStamp(native{
		"user_id": a.UserID, "asset": optionalText(a.Asset), "kind": a.Kind.String(), "event_id": a.EventID,
		"message": a.Message, "value": a.Value, "limit": a.Limit,
	}, a.Stamp)
}

// agree checks that goavro reads our bytes as what was meant, and that we read
// the bytes it writes.
func agree[T any](t *rapid.T, codec *goavro.Codec, enc *Encoder, s Schema, r *T, ours []byte, meant native, decode func([]byte, *T) error) {
	header := enc.open(nil, s)
	got, rest, err := codec.NativeFromBinary(ours[len(header):])
	if err != nil || len(rest) > 0 {
		t.Fatalf("goavro reads %v, leaves %d bytes: %v", got, len(rest), err)
	}
	if !reflect.DeepEqual(got, any(meant)) {
		t.Fatalf("goavro reads %#v\nmeant    %#v", got, meant)
	}
	theirs, err := codec.BinaryFromNative(header, meant)
	if err != nil {
		t.Fatalf("goavro writes %v: %v", meant, err)
	}
	var back T
	if err := decode(theirs, &back); err != nil {
		t.Fatalf("we read % x: %v", theirs, err)
	}
	if s.IsEvent() { // whose metadata has any order
		sortMetadata(any(r).(*event.Event))
		sortMetadata(any(&back).(*event.Event))
	} else if !bytes.Equal(theirs, ours) {
		t.Fatalf("goavro writes % x\nwe write     % x", theirs, ours)
	}
	if !reflect.DeepEqual(&back, r) {
		t.Fatalf("we read %+v\nwanted  %+v", &back, r)
	}
}

func TestEventsAgreeWithGoavro(t *testing.T) {
	enc, dec := SingleObject(), new(Decoder)
	codecs := goavroCodecs(t)
	rapid.Check(t, func(t *rapid.T) {
		e := events.Draw(t, "event")
		s := EventSchema(e.Kind.Topic())
		agree(t, codecs[s], enc, s, &e, enc.AppendEvent(nil, &e), nativeEvent(&e), func(value []byte, got *event.Event) error {
			if r := dec.Decode(e.Kind.Topic(), []byte(e.User), value, 1, got); r != nil {
				return r
			}
			return nil
		})
	})
}

func TestRecordsAgreeWithGoavro(t *testing.T) {
	enc, dec := SingleObject(), new(Decoder)
	agreeAll(t, EntryRecord, entries, enc, enc.AppendEntry, nativeEntry, dec.DecodeEntry)
	agreeAll(t, CorrectionRecord, corrections, enc, enc.AppendCorrection, nativeCorrection, dec.DecodeCorrection)
	agreeAll(t, BalanceRecord, balances, enc, enc.AppendBalance, nativeBalance, dec.DecodeBalance)
	agreeAll(t, OrderStateRecord, orderStates, enc, enc.AppendOrderState, nativeOrderState, dec.DecodeOrderState)
	agreeAll(t, OrderStatsRecord, orderStats, enc, enc.AppendOrderStats, nativeOrderStats, dec.DecodeOrderStats)
	agreeAll(t, WatermarkRecord, watermarks, enc, enc.AppendWatermark, nativeWatermark, dec.DecodeWatermark)
	agreeAll(t, AlertRecord, alerts, enc, enc.AppendAlert, nativeAlert, dec.DecodeAlert)
}

func agreeAll[T any](t *testing.T, s Schema, records *rapid.Generator[T], enc *Encoder, encode func([]byte, *T) []byte, meant func(*T) native, decode func([]byte, *T) error) {
	t.Helper()
	t.Run(s.String(), func(t *testing.T) {
		codec := goavroCodec(t, s)
		rapid.Check(t, func(t *rapid.T) {
			r := records.Draw(t, "record")
			agree(t, codec, enc, s, &r, encode(nil, &r), meant(&r), decode)
		})
	})
}
