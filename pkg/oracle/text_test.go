package oracle

import (
	"reflect"
	"strings"
	"testing"

	"highwater/pkg/event"
)

// Diff compares texts, so every field must show in them, but for those that
// its doc names.
func TestEveryFieldShows(t *testing.T) {
	result := event.Result{
		Outcome: event.Applied, Code: event.GrantExists, Amount: 1, Shortfall: 1, Undone: 1,
		Slices: []event.Slice{{GrantID: "g", Amount: 1, ExpiresAt: 1}},
		Repaid: []event.Repayment{{EventID: "e", GrantID: "g", Amount: 1}},
		After:  event.Balances{Balance: 1, Held: 1, Debt: 1},
		Order:  event.OrderChange{OrderID: "o", Status: event.Active, Cancelled: 1},
	}
	showsEvery(t, (*text).entry, event.Entry{
		EventID: "e", UserID: "u", Asset: "a", Kind: event.Grant, OccurredAt: 2, EffectiveAt: 1, ArrivedAt: 3,
		Input: event.Position{Topic: event.Grants, Partition: 1, Offset: 1}, Counterparty: "c", Result: result, Revision: 1,
	})
	after := result
	showsEvery(t, (*text).correction, event.Correction{
		Cause:  event.Cause{EventID: "e", Kind: event.Grant, Input: event.Position{Topic: event.Grants}},
		UserID: "u", Asset: "a", Changes: []event.Stretch{{From: 1, To: 2, Balances: event.Balances{Balance: 1, Held: 1, Debt: 1}}},
		Entries: []event.EntryChange{{EventID: "e", Kind: event.Grant, EffectiveAt: 1, Before: &result, After: &after}},
		Part:    1, Parts: 2,
	})
	showsEvery(t, (*text).balance, event.Balance{UserID: "u", Asset: "a"})
	showsEvery(t, (*text).orderState, event.OrderState{UserID: "u", OrderID: "o", Status: event.Active})
	showsEvery(t, (*text).orderStats, event.OrderStats{Currency: "c"})
	showsEvery(t, (*text).alert, event.Alert{UserID: "u", Asset: "a", Kind: event.ShortfallAlert}, "Message")
	showsEvery(t, (*text).watermark, event.Watermark{})
	showsEvery(t, (*text).remittance, event.Remittance{
		From: "f", To: "t", EventID: "e", Asset: "a", Sequence: 1, Input: event.Position{Topic: event.Ledger},
		Grants: []event.RemittedGrant{{Amount: 1, ExpiresAt: 1, Priority: 1}},
	})
	showsEvery(t, (*text).deadLetter, event.DeadLetter{Refusal: event.Refusal{Code: event.Invalid}}, "Message", "Field")
}

// showsEvery changes each field of a record in turn and wants another text.
func showsEvery[T any](t *testing.T, write func(*text, *T), record T, hidden ...string) {
	t.Helper()
	show := func() string {
		var line text
		write(&line, &record)
		return string(line.b)
	}
	plain := show()
	var walk func(v reflect.Value, path string)
	walk = func(v reflect.Value, path string) {
		for _, h := range hidden {
			if strings.HasSuffix(path, "."+h) {
				return
			}
		}
		was := reflect.New(v.Type()).Elem()
		was.Set(v)
		switch v.Kind() {
		case reflect.Struct:
			for i := range v.NumField() {
				walk(v.Field(i), path+"."+v.Type().Field(i).Name)
			}
			return
		case reflect.Array:
			walk(v.Index(0), path)
			return
		case reflect.Slice:
			for i := range v.Len() {
				walk(v.Index(i), path)
			}
			v.SetZero()
		case reflect.Pointer:
			walk(v.Elem(), path)
			v.SetZero()
		case reflect.String:
			v.SetString(v.String() + "x")
		case reflect.Bool:
			v.SetBool(!v.Bool())
		case reflect.Int64, reflect.Int32, reflect.Int:
			v.SetInt(v.Int() + 1)
		case reflect.Uint8, reflect.Uint64:
			v.SetUint(v.Uint() + 1)
		default:
			t.Fatalf("%s: a field of kind %s", path, v.Kind())
		}
		if show() == plain && was.Interface() != nil {
			t.Errorf("%T%s doesn't show in %q", record, path, plain)
		}
		v.Set(was)
	}
	walk(reflect.ValueOf(&record).Elem(), "")
}

func TestDiff(t *testing.T) {
	entry := event.Entry{EventID: "e", UserID: "u", Asset: "a", Kind: event.Subtract, Result: event.Result{Outcome: event.Applied}}
	other := entry
	other.Amount = 2
	for name, c := range map[string]struct {
		want, got Records
		says      string
	}{
		"same":      {Records{Entries: []event.Entry{entry}}, Records{Entries: []event.Entry{entry}}, ""},
		"nil":       {Records{}, Records{Entries: []event.Entry{}}, ""},
		"missing":   {Records{Entries: []event.Entry{entry}}, Records{}, "entry 1 of 0, got:  none"},
		"too many":  {Records{}, Records{Settled: []event.Entry{entry}}, "settled 1 of 0, want: none"},
		"different": {Records{Entries: []event.Entry{entry, entry}}, Records{Entries: []event.Entry{entry, other}}, "entry 2 of 2, got:  u/a subtract e @0 applied amount=2"},
	} {
		d := Diff(&c.want, &c.got)
		if c.says == "" && d != "" || !strings.Contains(d, c.says) {
			t.Errorf("%s: Diff says %q, want %q", name, d, c.says)
		}
	}
	long := event.Correction{UserID: "u", Changes: make([]event.Stretch, 3*partItems/2), Entries: make([]event.EntryChange, partItems)}
	cut := parts(long)
	if len(cut) != 3 || len(cut[1].Changes) != partItems/2 || len(cut[1].Entries) != partItems/2 || cut[2].Part != 3 || cut[2].Parts != 3 {
		t.Fatalf("I cut into %d parts", len(cut))
	}
	whole := long
	whole.Part, whole.Parts = 1, 1
	if d := Diff(&Records{Corrections: cut}, &Records{Corrections: []event.Correction{whole}}); d != "" {
		t.Errorf("the parts differ from the whole: %.300s", d)
	}
	if d := Diff(&Records{Corrections: cut[:2]}, &Records{Corrections: []event.Correction{whole}}); d == "" {
		t.Error("two parts of three pass for the whole")
	}
}
