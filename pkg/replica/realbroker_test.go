//go:build realbroker

package replica

import (
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"highwater/pkg/event"
	"highwater/test/broker"
)

// I4 where it is hard: right after a commit returned, the last stable offset
// still lies before it, most of the time.
func TestRealBrokerCatchUpRightAfterCommit(t *testing.T) {
	o := newOwnerAt(t, strings.Split(broker.Start(t), ","), strings.TrimSuffix(broker.Prefix(t), "-"))
	store := open(t, vfs.NewMem())
	r := o.replica(store)
	for i := range 200 {
		if i%10 == 9 {
			o.abort(5, 20)
		}
		o.commit(5, 20)
		if err := r.CatchUp(within(t)); err != nil {
			t.Fatal(err)
		}
		if got, want := store.Meta().Seq, o.store.Meta().Seq; got != want {
			t.Fatalf("caught up to batch %d of %d", got, want)
		}
	}
	same(t, store, o.store)
	if r.Lag() != 0 {
		t.Errorf("lag %d", r.Lag())
	}
}

// A broker that crashes and comes back delays a replica, and nothing else.
func TestRealBrokerRestart(t *testing.T) {
	b := broker.Own(t)
	o := newOwnerAt(t, []string{b.Bootstrap()}, strings.TrimSuffix(broker.Prefix(t), "-"))
	o.commit(5, 20)
	r := o.replica(open(t, vfs.NewMem()))
	stop := run(t, r)
	if err := r.WaitFor(within(t), o.position()); err != nil {
		t.Fatal(err)
	}
	next := event.Position{Topic: event.Grants, Partition: partition, Offset: o.next}
	var waiting sync.WaitGroup
	waiting.Go(func() {
		began := time.Now()
		if err := r.WaitFor(t.Context(), next); err != nil {
			t.Error(err)
		}
		t.Logf("a wait over the crash took %v", time.Since(began))
	})
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	if _, err := b.Mend(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		o.commit(5, 20)
	}
	waiting.Wait()
	if err := stop(); err != nil {
		t.Fatal(err)
	}
	if err := r.CatchUp(within(t)); err != nil {
		t.Fatal(err)
	}
	same(t, r.Store(), o.store)
}
