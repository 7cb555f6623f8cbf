package ingest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// sending sends a spend and gives its answer later.
func (f *fixture) sending(body string) <-chan answer {
	answered := make(chan answer, 1)
	go func() { answered <- f.send("POST", spends, body) }()
	return answered
}

// An outcome that is read before Kafka has acknowledged the event is found.
func TestOutcomeBeforeAcknowledgement(t *testing.T) {
	f, s := decidedFixture(t, nil)
	f.unasked()
	f.entryOf(f.send("POST", spends, spend("e0", "")))
	for i, says := range []string{"", "letter:invalid"} {
		fault := f.broker.Fault(kfake.Fault{
			Keys: []kmsg.Key{kmsg.Produce}, Topic: f.names.Input(event.Ledger), Err: kerr.RequestTimedOut, Count: -1,
		})
		began := time.Now()
		answered := f.sending(spend(fmt.Sprintf("e%d", i+1), says))
		f.await("the outcome to be read", func() bool {
			f.service.follower.mu.Lock()
			defer f.service.follower.mu.Unlock()
			for _, of := range f.service.follower.partitions {
				for _, w := range of.waiting["bob"] {
					return len(w.early) > 0
				}
			}
			return false
		})
		fault.Remove()
		if a := <-answered; a.status != []int{http.StatusOK, http.StatusUnprocessableEntity}[i] {
			t.Errorf("%d %s", a.status, a.body)
		}
		f.soonDone(began)
	}
	if s.questions() != 0 {
		t.Error("the query service was asked")
	}
}

// The position decides among sightings, whenever it is known; of those before
// it, a bounded number is kept, and that more were missed is known.
func TestSightings(t *testing.T) {
	at := func(offset int64) event.Position { return event.Position{Topic: event.Ledger, Offset: offset + 1} }
	entry := func(offset int64) *outcome { return &outcome{at: at(offset), source: fromEntries} }
	letter := func(offset int64) *outcome {
		return &outcome{at: at(offset), code: event.EventConflict, source: fromDeadLetters}
	}
	pending := &outcome{at: at(5), pending: true, source: fromEntries}
	for _, c := range []struct {
		name          string
		before, after []*outcome
		first         int64 // -1 for none
		want          *outcome
	}{
		{"after", nil, []*outcome{entry(4), letter(4), entry(5)}, -1, entry(5)},
		{"before", []*outcome{entry(4), letter(4), entry(5), letter(6)}, nil, -1, entry(5)},
		{"pending", []*outcome{pending}, []*outcome{pending}, -1, nil},
		{"pending, then decided", []*outcome{pending}, []*outcome{entry(5)}, -1, entry(5)},
		{"a letter", []*outcome{entry(4)}, []*outcome{letter(5)}, -1, letter(5)},
		{"the first one's", nil, []*outcome{entry(4)}, 4, entry(4)},
		{"the first one's, before", []*outcome{entry(4)}, nil, 4, entry(4)},
		{"a letter of the first one", nil, []*outcome{letter(4)}, 4, nil},
		{"the first is another", []*outcome{entry(3)}, []*outcome{entry(2)}, 4, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWaiter(&follower{}, "bob", "e")
			for _, o := range c.before {
				w.sees(o)
			}
			w.recorded(at(5))
			if c.first >= 0 {
				w.repeats(at(c.first))
			}
			for _, o := range c.after {
				w.sees(o)
			}
			switch {
			case (w.outcome == nil) != (c.want == nil):
				t.Errorf("%+v, want %+v", w.outcome, c.want)
			case c.want != nil && (w.outcome.at != c.want.at || w.outcome.source != c.want.source):
				t.Errorf("%+v, want %+v", *w.outcome, *c.want)
			}
		})
	}
	w := newWaiter(&follower{}, "bob", "e")
	w.of = &followed{live: true}
	for i := range int64(maxEarly) {
		w.sees(letter(i))
	}
	if w.isBlind() {
		t.Error("blind at the bound")
	}
	if w.sees(letter(maxEarly)); !w.isBlind() || len(w.early) != maxEarly {
		t.Error("more than the bound is kept, or not known to be missed")
	}
}

// A reader that is told of loss begins anew. Who waits then is told by the
// query service, if the entry is the event's own.
func TestFollowerRestarts(t *testing.T) {
	f, s := decidedFixture(t, nil)
	for i, err := range []*kerr.Error{kerr.OffsetOutOfRange, kerr.UnknownTopicID, kerr.TopicAuthorizationFailed} {
		id := func(n int) string { return fmt.Sprintf("e%d-%d", i, n) }
		f.entryOf(f.send("POST", spends, spend(id(0), "")))
		release := s.hold()
		answered := f.sending(spend(id(1), ""))
		f.await("the wait", func() bool { return f.metric("highwater_ingest_open_waits", "") == 1 })
		failures, told := f.metric("highwater_ingest_follow_failures_total", ""), f.ends(fromQuery)
		fault := f.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.Fetch}, Topic: f.names.Output(kafka.Entries), Err: err, Count: -1})
		f.await("the loss", func() bool { return f.metric("highwater_ingest_follow_failures_total", "") > failures })
		fault.Remove()
		release()
		f.entryOf(<-answered)
		if f.ends(fromQuery) != told+1 {
			t.Errorf("%s: it was told another way", err.Message)
		}
		// Later ones are read again, conflicts with them.
		f.await("the restart", func() bool {
			before := f.ends(fromEntries)
			f.entryOf(f.send("POST", spends, spend(newEventID(time.Now()), "")))
			return f.ends(fromEntries) > before
		})
		f.refusal(f.send("POST", spends, `{"event_id":"`+id(0)+`","amount":3}`), http.StatusConflict)
	}
}

// Where one partition is lost, the others are read on.
func TestOnePartitionIsLost(t *testing.T) {
	f, s := decidedFixture(t, nil)
	f.unasked()
	others := "/v1/users/alice/spends"
	lost, kept := kafka.PartitionOf("bob", partitions), kafka.PartitionOf("alice", partitions)
	if lost == kept {
		t.Fatal("the users are of one partition")
	}
	f.entryOf(f.send("POST", spends, spend("e1", "")))
	f.entryOf(f.send("POST", others, spend("e1", "")))
	followed := func(partition int32) (*followed, bool) {
		f.service.follower.mu.Lock()
		defer f.service.follower.mu.Unlock()
		of := f.service.follower.partitions[partition]
		return of, of.live
	}
	before, _ := followed(kept)
	fault := f.broker.Fault(kfake.Fault{
		Keys: []kmsg.Key{kmsg.Fetch}, Topic: f.names.Output(kafka.Entries), Partitions: []int32{lost}, Err: kerr.OffsetOutOfRange, Count: -1,
	})
	f.await("the loss", func() bool { _, isLive := followed(lost); return !isLive })
	fault.Remove()
	if of, isLive := followed(kept); of != before || !isLive {
		t.Error("another partition was given up")
	}
	f.entryOf(f.send("POST", others, spend("e2", "")))
	if n := f.ends(fromEntries); n != 3 || s.questions() != 0 {
		t.Errorf("%v were read", n)
	}
	f.await("the lost one to be read again", func() bool {
		before := f.ends(fromEntries)
		f.entryOf(f.send("POST", spends, spend(newEventID(time.Now()), "")))
		return f.ends(fromEntries) > before
	})
}

// Leaders move, and outcomes come all the same.
func TestLeadersMove(t *testing.T) {
	broker, err := kfake.NewCluster(kfake.NumBrokers(3))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(broker.Close)
	s := newStandIn(t, broker, fixtureNames)
	f := instance(t, s, broker, nil)
	partition := kafka.PartitionOf("bob", partitions)
	for i := range int32(12) {
		answered := f.sending(spend(fmt.Sprintf("e%d", i), []string{"", "letter:invalid"}[i%2]))
		for _, topic := range []string{f.names.Output(kafka.Entries), f.names.Output(kafka.DeadLetters), f.names.Input(event.Ledger)} {
			if err := broker.MoveTopicPartition(topic, partition, (i+int32(len(topic)))%3); err != nil {
				t.Fatal(err)
			}
		}
		if a := <-answered; a.status != []int{http.StatusOK, http.StatusUnprocessableEntity}[i%2] {
			t.Errorf("%d: %d %s", i, a.status, a.body)
		}
	}
	if f.ends(timeUp) != 0 || f.metric("highwater_ingest_follow_failures_total", "") != 0 {
		t.Error("moves are no failures")
	}
}

// Where outcomes can't be read at all, events are written, and the query
// service tells what became of them; a retry can't be told from a conflict.
func TestNothingIsFollowed(t *testing.T) {
	f, _ := decidedFixture(t, func(c *Config) { c.OutcomeTimeout = 2 * time.Second })
	fault := f.broker.Fault(kfake.Fault{Keys: []kmsg.Key{kmsg.ListOffsets}, Topic: f.names.Output(kafka.DeadLetters), Err: kerr.TopicAuthorizationFailed, Count: -1})
	f.entryOf(f.send("POST", spends, spend("e1", "")))
	f.refusal(f.send("POST", spends, spend("e2", "insufficient_funds")), http.StatusPaymentRequired)
	f.location(f.send("POST", spends, spend("e1", ""), "Prefer", "wait=1"))
	if f.ends(fromQuery) != 2 || f.metric("highwater_ingest_follow_failures_total", "") == 0 {
		t.Error("the query service told of nothing")
	}
	fault.Remove()
	f.await("outcomes to be read", func() bool {
		f.entryOf(f.send("POST", spends, spend(newEventID(time.Now()), "")))
		return f.ends(fromEntries) > 0
	})
	f.entryOf(f.send("POST", spends, spend("e1", "")))
}

// I4: partitions that are read are bounded; of those beyond, the query service
// tells.
func TestFollowedPartitions(t *testing.T) {
	f, _ := decidedFixture(t, func(c *Config) { c.MaxFollowed = 2 })
	f.unasked()
	users := map[int32]string{}
	for i := 0; len(users) < partitions; i++ {
		user := fmt.Sprintf("user-%d", i)
		users[kafka.PartitionOf(user, partitions)] = user
	}
	followed := func() float64 { return f.metric("highwater_ingest_followed_partitions", "") }
	for p := range int32(partitions) {
		f.entryOf(f.send("POST", "/v1/users/"+users[p]+"/spends", spend("e1", "")))
		if n := followed(); n != min(float64(p+1), 2) {
			t.Errorf("%v partitions are read", n)
		}
	}
	if f.ends(fromEntries) != 2 || f.ends(fromQuery) != 2 {
		t.Error("the bound isn't kept")
	}
	// Those that nobody has waited on for long enough make place.
	f.service.follower.drop(time.Now().Add(-keepFollowing))
	if followed() != 2 {
		t.Error("dropped too soon")
	}
	f.service.follower.drop(time.Now())
	if followed() != 0 {
		t.Error("they are kept for ever")
	}
	for n, p := range []int32{2, 3, 2} {
		f.entryOf(f.send("POST", "/v1/users/"+users[p]+"/spends", spend(fmt.Sprintf("e2-%d", n), "")))
	}
	if f.ends(fromEntries) != 5 {
		t.Error("they aren't read anew")
	}
	// One that is waited on stays.
	w := f.service.follower.expect(t.Context(), 2, "bob", "e")
	f.service.follower.drop(time.Now().Add(time.Hour))
	if followed() != 1 {
		t.Error("one that is waited on isn't read on")
	}
	f.service.follower.leave(w)
}

// Who can't wait for the begin isn't sure of anything.
func TestFollowingTakesTooLong(t *testing.T) {
	f, _ := decidedFixture(t, nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	w := f.service.follower.expect(ctx, 1, "bob", "e")
	defer f.service.follower.leave(w)
	<-w.of.begun
	if !f.service.follower.mayMiss(w) || f.service.follower.readLetters(t.Context(), w) {
		t.Error("it may have missed the outcome, and says it hasn't")
	}
}

// An entry that was published without some of its slices answers nobody: the
// query service has it whole.
func TestEntriesInPartAreNoOutcomes(t *testing.T) {
	f, _ := decidedFixture(t, nil)
	w := f.service.follower.expect(t.Context(), 1, "bob", "e")
	defer f.service.follower.leave(w)
	r := &kgo.Record{Key: []byte("bob"), Partition: 1, Value: codec.SingleObject().AppendEntry(nil, &event.Entry{
		EventID: "e", UserID: "bob", Kind: event.Spend, Result: event.Result{Outcome: event.Accepted},
	})}
	if _, id, ok := f.service.follower.read(entryStream, r); !ok || id != "e" {
		t.Fatal("a whole one isn't read")
	}
	r.Headers = []kgo.RecordHeader{{Key: kafka.HeaderOmitted, Value: []byte(`{"slices":1,"repaid":0}`)}}
	if _, _, ok := f.service.follower.read(entryStream, r); ok || f.metric("highwater_ingest_unreadable_records_total", "") != 0 {
		t.Error("one in part is read, or counts as unreadable")
	}
}

// What can't be read is no outcome, and keeps none from being found.
func TestUnreadableOutcomes(t *testing.T) {
	f, s := decidedFixture(t, nil)
	partition := kafka.PartitionOf("bob", partitions)
	release := s.hold()
	answered := f.sending(spend("e1", ""))
	f.await("the wait", func() bool { return f.metric("highwater_ingest_open_waits", "") == 1 && f.count() == 1 })
	for _, r := range []*kgo.Record{
		{Topic: f.names.Output(kafka.Entries), Value: []byte("garbage")},
		{Topic: f.names.Output(kafka.Entries)},
		{Topic: f.names.Output(kafka.DeadLetters), Value: []byte("{}")},
		{Topic: f.names.Output(kafka.DeadLetters), Headers: []kgo.RecordHeader{{Key: "__streams.errors.topic", Value: []byte("t.ledger")}}},
	} {
		r.Key, r.Partition = []byte("bob"), partition
		s.publish(t.Context(), r)
	}
	f.await("all to be seen", func() bool { return f.metric("highwater_ingest_unreadable_records_total", "") == 4 })
	release()
	f.entryOf(<-answered)
}

// Outcomes may be framed as a registry's clients expect them.
func TestConfluentOutcomes(t *testing.T) {
	registry := srfake.New()
	defer registry.Close()
	schemas, err := kafka.NewRegistry(registry.URL())
	if err != nil {
		t.Fatal(err)
	}
	ids := map[codec.Schema]uint32{}
	for _, schema := range codec.Schemas() {
		if ids[schema], err = schemas.Register(t.Context(), "topic", schema.Text()); err != nil {
			t.Fatal(err)
		}
	}
	f, s := decidedFixture(t, func(c *Config) { c.SchemaByID = schemas.SchemaByID })
	f.unasked()
	if s.encoder, err = codec.Confluent(ids); err != nil {
		t.Fatal(err)
	}
	f.entryOf(f.send("POST", spends, spend("e1", "")))
	if f.ends(fromEntries) != 1 {
		t.Error("it was told another way")
	}
	blind := instance(t, s, f.broker, nil)
	blind.entryOf(blind.send("POST", spends, spend("e2", "")))
	if blind.ends(fromQuery) != 1 || blind.metric("highwater_ingest_unreadable_records_total", "") == 0 {
		t.Error("without a registry it was told another way")
	}
}

// What a query service may answer that is no entry.
func TestReadsAreChecked(t *testing.T) {
	const input = `"input":{"topic":"ledger","partition":1,"offset":2}`
	for _, c := range []struct {
		text string
		ok   bool
	}{
		{`{"outcome":"accepted","code":null,` + input + `}`, true},
		{`{"outcome":"rejected","code":"risk_limited",` + input + `}`, true},
		{`{"outcome":"pending",` + input + `}`, true},
		{`{"kind":"spend","outcome":"accepted",` + input + `}`, true},
		{`{"kind":"received","outcome":"applied",` + input + `}`, false},
		{`{"outcome":"perhaps",` + input + `}`, false},
		{`{"outcome":"rejected","code":"why",` + input + `}`, false},
		{`{"outcome":"accepted","input":null}`, false},
		{`{"outcome":"accepted","input":{"topic":"entries","partition":1,"offset":2}}`, false},
		{`<html>`, false},
	} {
		if o, err := outcomeOfJSON([]byte(c.text)); (err == nil) != c.ok || c.ok && o.at != (event.Position{Topic: event.Ledger, Partition: 1, Offset: 2}) {
			t.Errorf("%s: %+v, %v", c.text, o, err)
		}
	}
	if _, err := outcomeOfLetter(&kgo.Record{}, fixtureNames); err == nil {
		t.Error("a letter without headers")
	}
	if later := error(&laterError{"x"}); errors.Is(later, errNoEntry) {
		t.Error("later isn't never")
	}
}
