package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/trace"
)

// One event over more grants than a record holds is published without some of
// its slices, corrected, settled and sent on; and the next owner goes on.
func TestAnEventOverTooManyGrantsIsPublishedInPart(t *testing.T) {
	if testing.Short() {
		t.Skip("100,000 grants are replayed over and over")
	}
	const grants = 100_000
	p := newPipeline(t)
	p.options.Wait = time.Minute
	stop := p.run(t)
	alice, bob := "alice", strings.Repeat("b", 128)
	start := time.Now().Add(-time.Hour).UnixMicro()
	at := func(n int) int64 { return start + int64(n)*10 }
	record := func(topic event.Topic, user, format string, values ...any) trace.Record {
		return trace.Record{Topic: topic, Key: []byte(user), Value: fmt.Appendf(nil, `{"user_id":"`+user+`",`+format+`}`, values...)}
	}
	var load []trace.Record
	for n := range grants {
		id := fmt.Sprintf("%0128d", n)
		load = append(load, record(event.Grants, alice, `"type":"grant","event_id":%q,"occurred_at":%d,"grant_id":%q,"amount":2`, id, at(n), id))
	}
	p.send(t, load)
	p.said(t, kafka.Entries, alice, fmt.Sprintf("%0128d", grants-1))
	p.send(t, []trace.Record{
		record(event.Ledger, alice, `"type":"hold","event_id":"h","occurred_at":%d,"amount":%d`, at(grants+1), 2*grants),
		record(event.Ledger, alice, `"type":"release","event_id":"r","occurred_at":%d,"hold_id":"h"`, at(grants+2)),
		record(event.Ledger, alice, `"type":"transfer","event_id":"t","occurred_at":%d,"to_user_id":%q,"amount":%d`, at(grants+3), bob, 2*grants),
	})
	for id, r := range p.said(t, kafka.Entries, alice, "h", "r", "t") {
		if len(r.Value) > 4<<20 || headersOf(r)[kafka.HeaderOmitted] == "" {
			t.Errorf("the entry of %s has %d bytes and leaves out %q", id, len(r.Value), headersOf(r)[kafka.HeaderOmitted])
		}
	}
	stop()
	p.run(t)
	// What is late takes from under all of them.
	p.send(t, []trace.Record{
		record(event.Subtracts, alice, `"type":"subtract","event_id":"late","occurred_at":%d,"amount":1`, at(grants)),
		record(event.Subtracts, bob, `"type":"subtract","event_id":"all","occurred_at":%d,"amount":%d`, at(grants+4), 2*grants),
	})
	// The move of the watermark that settles all of it goes on for long.
	p.said(t, kafka.Settled, alice, "t")
	p.said(t, kafka.Settled, bob, "all")
	failed, said := p.verified(t, nil)
	if len(failed) > 0 {
		t.Error(said)
	}
}

// said waits for entries of a user.
func (p *pipeline) said(t *testing.T, output kafka.Output, user string, ids ...string) map[string]*kgo.Record {
	t.Helper()
	topic, partition := p.options.Names.Output(output), kafka.PartitionOf(user, testPartitions)
	client, err := kgo.NewClient(append(kafka.FollowerOptions(p.options.Client),
		kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{topic: {partition: kgo.NewOffset().AtStart()}}))...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	found := map[string]*kgo.Record{}
	for len(found) < len(ids) {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("of the entries %v there are only %d", ids, len(found))
		}
		for r := range fetches.RecordsAll() {
			var e event.Entry
			if r.Attrs.IsControl() {
				continue
			}
			if err := new(codec.Decoder).DecodeEntry(r.Value, &e); err != nil {
				t.Fatal(err)
			}
			if slices.Contains(ids, e.EventID) {
				found[e.EventID] = r
			}
		}
	}
	return found
}

// A result that was published in part is the first of its slices and nothing
// else, and says how many there are.
func TestWhatIsOmittedIsChecked(t *testing.T) {
	whole := &event.Result{Outcome: event.Applied, Slices: make([]event.Slice, 200_000)}
	for i := range whole.Slices {
		whole.Slices[i].Amount = event.Amount(i + 1)
	}
	cut := *whole.Published()
	if d := sameResult(whole, &cut, false); d != "" {
		t.Fatal(d)
	}
	for name, spoil := range map[string]func(r *event.Result){
		"no header":       func(r *event.Result) { r.Omitted = event.Omitted{} },
		"another number":  func(r *event.Result) { r.Omitted.Slices-- },
		"repayments":      func(r *event.Result) { r.Omitted.Repaid++ },
		"one slice less":  func(r *event.Result) { r.Slices = r.Slices[1:] },
		"less than fits":  func(r *event.Result) { r.Slices, r.Omitted.Slices = r.Slices[:9], 200_000-9 },
		"more than fits":  func(r *event.Result) { r.Slices, r.Omitted.Slices = whole.Slices, 0 },
		"another slice":   func(r *event.Result) { r.Slices = slices.Clone(r.Slices); r.Slices[7].Amount++ },
		"from the middle": func(r *event.Result) { r.Slices = whole.Slices[1 : len(r.Slices)+1] },
	} {
		is := cut
		if spoil(&is); sameResult(whole, &is, false) == "" {
			t.Errorf("%s: it passes", name)
		}
		// So it is in the fold, of which corrections must be right; no correction
		// tells of repayments.
		if name != "repayments" && cut.Same(&is) {
			t.Errorf("%s: it is the same", name)
		}
	}
}
