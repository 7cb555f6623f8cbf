package ledger_test

import (
	"fmt"
	"runtime"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// twenty is what becomes of an account by twenty like operations.
func twenty(a *ledger.Account, op event.Placed, effective, expires event.Time) *ledger.Account {
	op.Time, op.Amount = 1_700_000_000_000_000, 500
	for i := range 20 {
		op.ID = fmt.Sprintf("event-%012d", i)
		op = op.With(event.Details{Ref: fmt.Sprintf("grant-%012d", i), OccurredAt: op.Time, EffectiveAt: effective, ExpiresAt: expires})
		a.Apply(&op, &event.Result{})
	}
	return a
}

func twentyGrants() *ledger.Account {
	return twenty(&ledger.Account{}, event.Placed{Kind: event.Grant}, event.NoTime, event.MaxTime)
}

// kinds are accounts that have much of one thing each.
var kinds = []struct {
	name string
	make func() *ledger.Account
}{
	{"nothing", func() *ledger.Account { return &ledger.Account{} }},
	{"three grants", threeGrants},
	{"twenty grants", twentyGrants},
	{"300 grants", func() *ledger.Account { return crowd(300) }},
	{"decoded", func() *ledger.Account {
		a := &ledger.Account{}
		if err := a.Decode(string(crowd(40).AppendTo(nil))); err != nil {
			panic(err)
		}
		return a
	}},
	{"future", func() *ledger.Account {
		return twenty(&ledger.Account{}, event.Placed{Kind: event.Grant}, event.MaxTime-1, event.MaxTime)
	}},
	{"debts", func() *ledger.Account {
		return twenty(&ledger.Account{}, event.Placed{Kind: event.Subtract, Marks: event.DebtMark}, event.NoTime, event.NoTime)
	}},
	{"revoked", func() *ledger.Account {
		return twenty(&ledger.Account{}, event.Placed{Kind: event.Revoke, Marks: event.KnownMark}, event.NoTime, event.NoTime)
	}},
	{"holds", func() *ledger.Account {
		return twenty(twentyGrants(), event.Placed{Kind: event.Hold, Outcome: event.Accepted}, event.NoTime, event.NoTime)
	}},
	{"draws", func() *ledger.Account {
		return twenty(twentyGrants(), event.Placed{Kind: event.Spend, Outcome: event.Accepted, Marks: event.RefundedMark}, event.NoTime, event.NoTime)
	}},
}

func heap() int {
	var m runtime.MemStats
	runtime.GC()
	runtime.GC() // what pools and finalizers still held
	runtime.ReadMemStats(&m)
	return int(m.HeapAlloc)
}

// What an account and its copies are said to take in memory is what they do.
func TestBytes(t *testing.T) {
	const accounts, copies = 400, 3
	for _, k := range kinds {
		t.Run(k.name, func(t *testing.T) {
			all := make([][1 + copies]*ledger.Account, accounts)
			before, said := heap(), 0
			for i := range all {
				all[i][0] = k.make()
				for c := range copies {
					all[i][1+c] = clone(all[i][0])
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

// What a row is said to have is about what it has.
func TestWeight(t *testing.T) {
	for _, k := range kinds[1:] {
		a := k.make()
		if said, has := a.Weight(), len(a.AppendTo(nil)); said < has/2 || said > 3*has {
			t.Errorf("%s: a row of %d bytes is said to have %d", k.name, has, said)
		}
	}
}
