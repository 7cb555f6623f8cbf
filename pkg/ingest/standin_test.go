package ingest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/api"
	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// standIn stands in for a processor and a query service: it reads the inputs,
// and says what the event's source tells it to say, each time in a
// transaction.
//
//	""           accepted, or applied
//	a code       rejected, or ignored
//	letter:CODE  put aside
//	pending      waits to be decided, until decide is called
//	silent       nothing, as a duplicate
//
// An event_id that it knows is a duplicate, or a conflict.
type standIn struct {
	t       testing.TB
	names   kafka.Names
	client  *kgo.Client // reads the inputs, and writes
	encoder *codec.Encoder
	server  *httptest.Server

	mu sync.Mutex
	// These are guarded by mu. moved is closed and made anew with every record;
	// held keeps the next one from being processed until it is closed.
	moved   chan struct{}
	held    chan struct{}
	next    map[event.Position]int64 // of a position without offset
	events  map[[2]string]*known
	live    map[string][]string // users by order
	asked   int                 // questions about entries
	refuses int                 // the status of every answer, if not 0
}

// known is an event that was processed.
type known struct {
	event event.Event
	entry event.Entry
}

func newStandIn(tb testing.TB, broker *kfake.Cluster, names kafka.Names) *standIn {
	tb.Helper()
	common := kafka.CommonOptions([]kgo.Opt{kgo.SeedBrokers(broker.ListenAddrs()...)}, testLogger(tb))
	client, err := kgo.NewClient(append(kafka.FollowerOptions(common),
		kgo.TransactionalID("stand-in"), kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ProducerLinger(0), kgo.FetchMaxWait(20*time.Millisecond))...)
	if err != nil {
		tb.Fatal(err)
	}
	s := &standIn{
		t: tb, names: names, client: client, encoder: codec.SingleObject(), moved: make(chan struct{}), next: make(map[event.Position]int64),
		events: make(map[[2]string]*known), live: make(map[string][]string),
	}
	if _, err := kafka.Apply(tb.Context(), client, kafka.Catalogue(names, partitions, -1)); err != nil {
		tb.Fatal(err)
	}
	from := make(map[string]map[int32]kgo.Offset)
	for _, topic := range event.Inputs {
		from[names.Input(topic)] = make(map[int32]kgo.Offset)
		for p := range int32(partitions) {
			from[names.Input(topic)][p] = kgo.NewOffset().AtStart()
		}
	}
	client.AddConsumePartitions(from)
	s.warmUp()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { s.process(ctx) })
	s.serve()
	tb.Cleanup(func() {
		s.server.Close()
		cancel()
		running.Wait()
		client.Close()
	})
	return s
}

// warmUp makes the client know the topics that it writes. It looks for the
// partitions of a transaction among those it knows; a topic becomes known a
// moment after the first record to it was acknowledged, and a commit meanwhile
// is silently an abort.
func (s *standIn) warmUp() {
	s.t.Helper()
	if err := s.client.BeginTransaction(); err != nil {
		s.t.Fatal(err)
	}
	for _, o := range []kafka.Output{kafka.Entries, kafka.DeadLetters} {
		r := &kgo.Record{Topic: s.names.Output(o), Value: []byte("never seen")}
		if err := s.client.ProduceSync(s.t.Context(), r).FirstErr(); err != nil {
			s.t.Fatal(err)
		}
	}
	s.client.PurgeTopicsFromProducing("none") // waits for what makes them known
	if err := s.client.EndTransaction(s.t.Context(), kgo.TryAbort); err != nil {
		s.t.Fatal(err)
	}
}

func (s *standIn) process(ctx context.Context) {
	for ctx.Err() == nil {
		fetches := s.client.PollFetches(ctx)
		for r := range fetches.RecordsAll() {
			s.mu.Lock()
			held := s.held
			s.mu.Unlock()
			if held != nil {
				select {
				case <-held:
				case <-ctx.Done():
					return
				}
			}
			s.take(ctx, r)
		}
	}
}

// hold keeps the stand-in from processing until release is called.
func (s *standIn) hold() (release func()) {
	held := make(chan struct{})
	s.mu.Lock()
	defer s.mu.Unlock()
	s.held = held
	return sync.OnceFunc(func() {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.held = nil
		close(held)
	})
}

func (s *standIn) take(ctx context.Context, r *kgo.Record) {
	topic, _ := s.names.ParseInput(r.Topic)
	at := event.Position{Topic: topic, Partition: r.Partition, Offset: r.Offset}
	k := &known{}
	if refusal := new(codec.Decoder).Decode(topic, r.Key, r.Value, event.TimeOf(r.Timestamp), &k.event); refusal != nil {
		s.t.Errorf("%v: %v", at, refusal)
		return
	}
	s.mu.Lock()
	before := s.events[[2]string{k.event.User, k.event.ID}]
	s.mu.Unlock()
	said, isLetter := strings.CutPrefix(k.event.Source, "letter:")
	switch {
	case before != nil && before.event.SameContent(&k.event), said == "silent":
	case before != nil:
		s.publish(ctx, s.letter(r, at, event.EventConflict))
	case isLetter:
		code, _ := event.ParseCode(said)
		s.publish(ctx, s.letter(r, at, code))
	default:
		s.decided(ctx, k, at, said)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	at.Offset = 0
	s.next[at] = r.Offset + 1
	close(s.moved)
	s.moved = make(chan struct{})
}

func (s *standIn) decided(ctx context.Context, k *known, at event.Position, said string) {
	e := &k.event
	k.entry = event.Entry{
		EventID: e.ID, UserID: e.User, Asset: e.Asset, Kind: e.Kind, OccurredAt: e.OccurredAt, EffectiveAt: e.OccurredAt, ArrivedAt: e.OccurredAt + 1, Input: at,
		Result: event.Result{Outcome: event.Accepted, Amount: e.Amount, Slices: []event.Slice{{GrantID: `g"<1>`, Amount: 1, ExpiresAt: event.NoTime}}},
		Stamp:  event.Stamp{Partition: at.Partition, CommittedAt: e.OccurredAt + 2},
	}
	yes, no := event.Accepted, event.Rejected
	if e.Kind.IsOrder() {
		yes, no = event.Applied, event.Ignored
		k.entry.Asset, k.entry.Amount, k.entry.Slices = "", event.NoAmount, nil
		k.entry.Order = event.OrderChange{OrderID: e.Ref, Status: event.Active}
		s.note(e)
	}
	k.entry.Outcome = yes
	switch said {
	case "":
	case "pending":
		k.entry.Outcome, k.entry.Slices = event.Pending, nil
	default:
		k.entry.Outcome, k.entry.Slices = no, nil
		k.entry.Code, _ = event.ParseCode(said)
	}
	s.say(ctx, k)
}

// note keeps which orders are live.
func (s *standIn) note(e *event.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e.Kind {
	case event.PlaceOrder:
		s.live[e.Ref] = append(s.live[e.Ref], e.User)
	case event.Cancel:
		delete(s.live, e.Ref)
	}
}

// decide decides a pending event.
func (s *standIn) decide(user, id string, code event.Code) {
	s.t.Helper()
	s.mu.Lock()
	k := *s.events[[2]string{user, id}]
	s.mu.Unlock()
	k.entry.Outcome, k.entry.Code, k.entry.Revision = event.Accepted, code, 1
	if code != event.NoCode {
		k.entry.Outcome = event.Rejected
	}
	s.say(s.t.Context(), &k)
}

// say publishes an entry, and an entry of the same id to another user, as a
// transfer does.
func (s *standIn) say(ctx context.Context, k *known) {
	entry := func(e *event.Entry) *kgo.Record {
		return &kgo.Record{Topic: s.names.Output(kafka.Entries), Partition: e.Partition, Key: []byte(e.UserID), Value: s.encoder.AppendEntry(nil, e)}
	}
	received := k.entry
	received.Kind, received.Outcome, received.Code = event.Received, event.Applied, event.NoCode
	// The query service is never before Kafka.
	s.publish(ctx, entry(&received), entry(&k.entry))
	s.mu.Lock()
	defer s.mu.Unlock()
	s.events[[2]string{k.event.User, k.event.ID}] = k
}

func (s *standIn) letter(r *kgo.Record, at event.Position, code event.Code) *kgo.Record {
	header := func(name, value string) kgo.RecordHeader {
		return kgo.RecordHeader{Key: "__streams.errors." + name, Value: []byte(value)}
	}
	return &kgo.Record{
		Topic: s.names.Output(kafka.DeadLetters), Partition: at.Partition, Key: r.Key, Value: r.Value,
		Headers: []kgo.RecordHeader{
			header("offset", "7"), // a producer's own
			header("topic", r.Topic), header("partition", strconv.Itoa(int(at.Partition))), header("offset", strconv.FormatInt(at.Offset, 10)),
			header("message", "amount: the stand-in says "+code.String()), header("exception", code.String()),
		},
	}
}

func (s *standIn) publish(ctx context.Context, records ...*kgo.Record) {
	if err := s.client.BeginTransaction(); err != nil {
		s.t.Error(err)
		return
	}
	for _, r := range records {
		s.client.Produce(ctx, r, func(_ *kgo.Record, err error) {
			if err != nil && ctx.Err() == nil {
				s.t.Error(err)
			}
		})
	}
	err := s.client.Flush(ctx)
	if err == nil {
		err = s.client.EndTransaction(ctx, kgo.TryCommit)
	}
	if err != nil && ctx.Err() == nil {
		s.t.Error(err)
	}
}

// serve serves the two reads that ingest needs, as query does.
func (s *standIn) serve() {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/users/{user}/entries/{id}", func(w http.ResponseWriter, r *http.Request) {
		if position := r.URL.Query().Get("min_position"); position != "" {
			at, err := kafka.ParsePosition(position)
			if err != nil {
				s.t.Errorf("%s: %v", r.URL, err)
			}
			if !s.awaits(r.Context(), at) {
				return
			}
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.asked++
		k := s.events[[2]string{r.PathValue("user"), r.PathValue("id")}]
		switch {
		case s.refuses != 0:
			api.Problemf(s.refuses, "unavailable", "", "not now").WriteTo(w)
		case k == nil:
			api.Problemf(http.StatusNotFound, "unknown_event", "event_id", "none").WriteTo(w)
		default:
			api.WriteJSON(w, http.StatusOK, codec.AppendReplayedEntryJSON(nil, &k.entry))
		}
	})
	mux.HandleFunc("GET /v1/orders", func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		defer s.mu.Unlock()
		query := r.URL.Query()
		if query.Get("current") != "true" || query.Get("limit") != "2" {
			s.t.Errorf("asked %s", r.URL)
		}
		if s.refuses != 0 {
			api.Problemf(s.refuses, "unavailable", "current", "not now").WriteTo(w)
			return
		}
		items := []map[string]string{}
		for _, user := range s.live[query.Get("order_id")] {
			items = append(items, map[string]string{"user_id": user, "order_id": query.Get("order_id"), "state": "ACTIVE"})
		}
		body, err := json.Marshal(map[string]any{"items": items, "next_cursor": nil})
		if err != nil {
			s.t.Error(err)
		}
		api.WriteJSON(w, http.StatusOK, body)
	})
	s.server = httptest.NewServer(mux)
}

// awaits waits until a position is processed.
func (s *standIn) awaits(ctx context.Context, at event.Position) bool {
	offset := at.Offset
	at.Offset = 0
	for {
		s.mu.Lock()
		next, moved := s.next[at], s.moved
		s.mu.Unlock()
		if next > offset {
			return true
		}
		select {
		case <-moved:
		case <-ctx.Done():
			return false
		}
	}
}

func (s *standIn) refuse(status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refuses = status
}

func (s *standIn) questions() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.asked
}

// entry is the entry that a user's event has, as JSON. Kafka has it before the
// stand-in says so.
func (s *standIn) entry(user, id string) string {
	s.t.Helper()
	deadline := time.After(patience)
	for {
		s.mu.Lock()
		k, moved := s.events[[2]string{user, id}], s.moved
		s.mu.Unlock()
		if k != nil {
			return string(codec.AppendReplayedEntryJSON(nil, &k.entry))
		}
		select {
		case <-moved:
		case <-deadline:
			s.t.Fatalf("nothing is known of %s of %s", id, user)
		}
	}
}

// decidedFixture is a service whose outcomes a stand-in decides.
func decidedFixture(tb testing.TB, change func(*Config)) (*fixture, *standIn) {
	tb.Helper()
	broker := newBroker(tb)
	s := newStandIn(tb, broker, fixtureNames)
	return instance(tb, s, broker, change), s
}

// unasked makes a service ask about retries alone.
func (f *fixture) unasked() { f.service.askAfter = patience }

// instance is another service on a stand-in's broker.
func instance(tb testing.TB, s *standIn, broker *kfake.Cluster, change func(*Config)) *fixture {
	tb.Helper()
	f := newBareFixture(tb, broker, broker.ListenAddrs(), func(c *Config) {
		c.QueryURL, c.OutcomeTimeout = s.server.URL, patience
		if change != nil {
			change(c)
		}
	})
	f.service.askAfter = 50 * time.Millisecond // many a test sends again through another instance
	f.await("the topics", func() bool { return f.service.Ready(tb.Context()) == nil })
	return f
}

// spend is a body; what it is told to say is its source.
func spend(id, says string) string {
	return fmt.Sprintf(`{"event_id":%q,"amount":7,"source":%q}`, id, says)
}

const spends = "/v1/users/bob/spends"

// entryOf is the entry in a 200.
func (f *fixture) entryOf(a answer) map[string]any {
	f.t.Helper()
	if a.status != http.StatusOK || a.header.Get("Content-Type") != jsonType {
		f.t.Fatalf("%d %s", a.status, a.body)
	}
	var e map[string]any
	if err := json.Unmarshal([]byte(a.body), &e); err != nil {
		f.t.Fatal(err)
	}
	return e
}

// soonDone fails where something took as long as a wait that ended in vain.
func (f *fixture) soonDone(began time.Time) {
	f.t.Helper()
	if took := time.Since(began); took > patience/2 {
		f.t.Errorf("it took %s", took)
	}
}

// ends are how waits ended.
func (f *fixture) ends(end source) float64 {
	f.t.Helper()
	return f.metric("highwater_ingest_waits_total", string(end))
}

// metric is the value of a metric by name and label, or how many values a
// histogram has.
func (f *fixture) metric(name, label string) float64 {
	f.t.Helper()
	families, err := f.registry.Gather()
	if err != nil {
		f.t.Fatal(err)
	}
	for _, family := range families {
		for _, m := range family.GetMetric() {
			if family.GetName() != name || label != "" && m.GetLabel()[0].GetValue() != label {
				continue
			}
			switch {
			case m.GetCounter() != nil:
				return m.GetCounter().GetValue()
			case m.GetGauge() != nil:
				return m.GetGauge().GetValue()
			}
			return float64(m.GetHistogram().GetSampleCount())
		}
	}
	f.t.Fatalf("no metric %s %s", name, label)
	return 0
}
