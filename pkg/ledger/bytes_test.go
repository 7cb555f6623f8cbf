package ledger_test

import (
	"fmt"
	"runtime"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// kinds are accounts that have much of one thing each.
var kinds = []struct {
	name string
	make func() *ledger.Account
}{
	{"nothing", func() *ledger.Account { return &ledger.Account{} }},
	{"three grants", func() *ledger.Account { return threeGrants() }},
	{"300 grants", func() *ledger.Account { return crowd(300) }},
	{"decoded", func() *ledger.Account {
		a := &ledger.Account{}
		if err := a.Decode(string(crowd(40).AppendTo(nil))); err != nil {
			panic(err)
		}
		return a
	}},
	{"future", func() *ledger.Account {
		a := &ledger.Account{}
		for i := range 20 {
			id := fmt.Sprintf("grant-%d", i)
			a.Apply(&event.Placed{Kind: event.Grant, ID: id, Ref: id, Amount: 5, EffectiveAt: 1_000_000, ExpiresAt: event.NoTime}, &event.Result{})
		}
		return a
	}},
	{"debts", func() *ledger.Account {
		a := &ledger.Account{}
		for i := range 20 {
			a.Apply(&event.Placed{Kind: event.Subtract, ID: fmt.Sprintf("event-%d", i), Amount: 5, Marks: event.DebtMark}, &event.Result{})
		}
		return a
	}},
	{"revoked", func() *ledger.Account {
		a := &ledger.Account{}
		for i := range 20 {
			a.Apply(&event.Placed{Kind: event.Revoke, ID: "r", Ref: fmt.Sprintf("grant-%d", i), Marks: event.KnownMark}, &event.Result{})
		}
		return a
	}},
	{"holds and draws", func() *ledger.Account {
		a := threeGrants()
		for i := range 20 {
			kind := []event.Kind{event.Hold, event.Spend}[i%2]
			a.Apply(&event.Placed{
				Kind: kind, ID: fmt.Sprintf("event-%d", i), Amount: 5, ExpiresAt: event.NoTime, Outcome: event.Accepted, Marks: event.RefundedMark,
			}, &event.Result{})
		}
		return a
	}},
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools and finalizers still held
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// What an account and its copies are said to take is what they do.
func TestBytes(t *testing.T) {
	const accounts, copies = 400, 3
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			all := make([][1 + copies]*ledger.Account, accounts)
			before, said := heap(), 0
			for i := range all {
				a := k.make()
				all[i][0] = a
				for c := range copies {
					all[i][1+c] = clone(a)
				}
			}
			took := heap() - before
			for i := range all {
				for _, a := range all[i] {
					said += ledger.AccountBytes + a.Bytes()
				}
				said += all[i][0].SharedBytes()
			}
			if said < took*4/5 || said > took*4/3 {
				t.Errorf("%d bytes are said, %d were taken", said/accounts, took/accounts)
			}
		})
	}
}
