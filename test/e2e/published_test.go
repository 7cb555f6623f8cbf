package e2e

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/oracle"
)

// eventOf names a user's event, or what one brought to this user: no two of
// these tests' events share an id.
type eventOf struct{ user, id string }

// news is what is published in entries, read committed as it comes.
type news struct {
	client *kgo.Client

	mu sync.Mutex
	// These are guarded by mu: the entries of each partition, in their order,
	// and when each event's decided one was first seen.
	entries map[int32][]event.Entry
	seen    map[eventOf]int64
	err     error
}

// follow reads entries until the test ends.
func (in *installation) follow() *news {
	in.t.Helper()
	n := &news{client: in.reader(kafka.Entries), entries: map[int32][]event.Entry{}, seen: map[eventOf]int64{}}
	ctx, cancel := context.WithCancel(in.t.Context())
	ended := make(chan struct{})
	in.t.Cleanup(func() { cancel(); <-ended })
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			n.take(n.client.PollFetches(ctx))
		}
	}()
	return n
}

func (n *news) take(fetches kgo.Fetches) {
	now := time.Now().UnixMicro()
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range fetches.Errors() {
		if kafka.ClassOf(e.Err) != kafka.Retry && n.err == nil {
			n.err = e.Err
		}
	}
	var decoder codec.Decoder
	for r := range fetches.RecordsAll() {
		if r.Attrs.IsControl() {
			continue
		}
		var e event.Entry
		if err := decoder.DecodeEntry(r.Value, &e); err != nil {
			n.err = err
			return
		}
		n.entries[r.Partition] = append(n.entries[r.Partition], e)
		if e.Outcome != event.Pending && !e.Kind.IsDue() {
			n.seen[eventOf{e.UserID, e.EventID}] = now
		}
	}
}

// await waits until every one of these is decided, and says when each was
// seen.
func (n *news) await(t *testing.T, events []eventOf) map[eventOf]int64 {
	t.Helper()
	late := time.NewTimer(endWithin)
	defer late.Stop()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for {
		n.mu.Lock()
		missing := slices.DeleteFunc(slices.Clone(events), func(e eventOf) bool { return n.seen[e] != 0 })
		seen, err := maps.Clone(n.seen), n.err
		n.mu.Unlock()
		switch {
		case err != nil && !strings.Contains(err.Error(), context.Canceled.Error()):
			t.Fatal(err)
		case len(missing) == 0:
			return seen
		}
		select {
		case <-again.C:
		case <-late.C:
			t.Fatalf("%d of %d events have no entry after %s, such as %+v", len(missing), len(events), endWithin, missing[0])
		}
	}
}

// of are a user's entries in his partition, in the order of processing.
func (n *news) of(user string, home int32) []event.Entry {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.DeleteFunc(slices.Clone(n.entries[home]), func(e event.Entry) bool { return e.UserID != user })
}

// published is all that was said.
type published struct {
	fold *oracle.Fold
	// versions are what was said of each event, from its own entry to the last
	// correction of it; standing is what stands, due items too.
	versions map[eventOf][]event.Result
	standing map[place]event.Result
}

// place is where something stands in an account.
type place struct {
	oracle.AccountName
	kind event.Kind
	id   string
	at   event.Time
}

// published reads corrections, and folds them into the entries, which must be
// complete. At every moment every balance must be as conditional operations
// leave it: nothing negative, nothing owed.
func (in *installation) published(n *news) *published {
	in.t.Helper()
	corrections := in.corrections()
	n.mu.Lock()
	defer n.mu.Unlock()
	p := &published{fold: oracle.NewFold(), versions: map[eventOf][]event.Result{}, standing: map[place]event.Result{}}
	for partition, entries := range n.entries {
		rest := corrections[partition]
		for i := range entries {
			e := &entries[i]
			if err := p.fold.Entry(e); err != nil {
				in.t.Fatalf("partition %d: %v", partition, err)
			}
			p.note(e)
			late := e.Late
			for len(rest) > 0 && rest[0].Cause.Input == e.Input && rest[0].UserID == e.UserID && rest[0].Cause.Kind == e.Kind {
				if err := p.fold.Correct(&rest[0]); err != nil {
					in.t.Fatalf("partition %d: %v", partition, err)
				}
				p.correct(&rest[0])
				rest, late = rest[1:], true
			}
			in.unspoiled(p.fold, e, late)
		}
		if len(rest) > 0 {
			in.t.Errorf("partition %d: the correction by %+v has no entry", partition, rest[0].Cause)
		}
	}
	return p
}

// unspoiled checks what an entry says about balances; where corrections came
// with it, at every time.
func (in *installation) unspoiled(fold *oracle.Fold, e *event.Entry, corrected bool) {
	in.t.Helper()
	steps := []oracle.Step{{At: e.EffectiveAt, Balances: e.After}}
	if corrected {
		steps = fold.Steps(e.UserID, e.Asset)
	}
	for _, s := range steps {
		if s.Balance < 0 || s.Held < 0 || s.Debt != 0 {
			in.t.Fatalf("after %s %s, %s/%s has %+v at %s", e.Kind, e.EventID, e.UserID, e.Asset, s.Balances, s.At)
		}
	}
}

func (p *published) note(e *event.Entry) {
	if e.Outcome != event.Pending {
		p.stands(place{oracle.AccountName{User: e.UserID, Asset: e.Asset}, e.Kind, e.EventID, e.EffectiveAt}, &e.Result)
	}
}

func (p *published) correct(c *event.Correction) {
	for _, x := range c.Entries {
		p.stands(place{oracle.AccountName{User: c.UserID, Asset: c.Asset}, x.Kind, x.EventID, x.EffectiveAt}, x.After)
	}
}

// stands takes what is said of something; nil is that it vanished.
func (p *published) stands(at place, r *event.Result) {
	if r == nil {
		delete(p.standing, at)
		return
	}
	p.standing[at] = *r
	e := eventOf{at.User, at.id}
	p.versions[e] = append(p.versions[e], *r)
}

// corrections reads all of them, by partition.
func (in *installation) corrections() map[int32][]event.Correction {
	in.t.Helper()
	topic := in.names.Output(kafka.Corrections)
	client := in.reader(kafka.Corrections)
	all := map[int32][]event.Correction{}
	var decoder codec.Decoder
	for partition := range in.partitions {
		end, err := kafka.HighWatermark(in.t.Context(), in.client, topic, partition)
		if err != nil {
			in.t.Fatal(err)
		}
		client.PauseFetchPartitions(map[string][]int32{topic: in.all()})
		client.ResumeFetchPartitions(map[string][]int32{topic: {partition}})
		for next := int64(0); next < end; {
			for _, r := range in.poll(client) {
				next = r.Offset + 1
				if r.Attrs.IsControl() {
					continue
				}
				var c event.Correction
				if err := decoder.DecodeCorrection(r.Value, &c); err != nil {
					in.t.Fatal(err)
				}
				all[partition] = append(all[partition], c)
			}
		}
	}
	return all
}

// all are the partitions.
func (in *installation) all() []int32 {
	var all []int32
	for p := range in.partitions {
		all = append(all, p)
	}
	return all
}

// poll waits for records.
func (in *installation) poll(client *kgo.Client) []*kgo.Record {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), endWithin)
	defer cancel()
	fetches := client.PollFetches(ctx)
	if err := fetches.Err0(); err != nil {
		in.t.Fatal(err)
	}
	return fetches.Records()
}

// purse is what the entries of an account add up to, as they stand.
type purse struct {
	granted, received, available, held, consumed, expired, revoked, sent int64
}

// purses adds up what stands in every account: nothing of it uses a balance
// that was published. What each revoke names is told by who sent it.
func (p *published) purses(grantOf map[eventOf]string) map[oracle.AccountName]*purse {
	revoked := map[eventOf]event.Time{}
	for at, r := range p.standing {
		if at.kind == event.Revoke && r.Outcome == event.Applied {
			grant := eventOf{at.User, grantOf[eventOf{at.User, at.id}]}
			if first, ok := revoked[grant]; !ok || at.at < first {
				revoked[grant] = at.at
			}
		}
	}
	purses := map[oracle.AccountName]*purse{}
	for at, r := range p.standing {
		if purses[at.AccountName] == nil {
			purses[at.AccountName] = &purse{}
		}
		if r.Outcome == event.Rejected || r.Outcome == event.Ignored {
			continue
		}
		// What goes back to a grant that was revoked before is revoked.
		all, lost := int64(0), int64(0)
		for _, s := range r.Slices {
			all += int64(s.Amount)
			if t, ok := revoked[eventOf{at.User, s.GrantID}]; ok && t < at.at {
				lost += int64(s.Amount)
			}
		}
		purses[at.AccountName].add(at.kind, int64(r.Amount), all, lost)
	}
	return purses
}

func (p *purse) add(kind event.Kind, amount, slices, lost int64) {
	switch kind {
	case event.Grant, event.Add:
		p.granted += amount
		p.available += amount
	case event.Received:
		p.received += amount
		p.available += amount
	case event.Spend:
		p.consumed += slices
		p.available -= slices
	case event.Transfer:
		p.sent += slices
		p.available -= slices
	case event.Hold:
		p.held += slices
		p.available -= slices
	case event.Capture:
		p.consumed += slices
		p.held -= slices
	case event.Release, event.HoldExpired:
		p.held -= slices
		p.available += slices - lost
		p.revoked += lost
	case event.Refund:
		p.consumed -= slices
		p.available += slices - lost
		p.revoked += lost
	case event.Expired:
		p.expired += amount
		p.available -= amount
	case event.Revoke:
		p.revoked += amount
		p.available -= amount
	}
}

func (p *purse) String() string {
	return fmt.Sprintf("granted %d, received %d, available %d, held %d, consumed %d, expired %d, revoked %d, sent %d",
		p.granted, p.received, p.available, p.held, p.consumed, p.expired, p.revoked, p.sent)
}
