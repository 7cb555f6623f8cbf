package query

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/state"
)

// world is a service over states in memory, and the engines that write them.
type world struct {
	tb      testing.TB
	homes   []*home
	handler http.Handler
	now     event.Time
}

// home is one partition's engine and state.
type home struct {
	store  *state.Store
	engine *engine.Engine
	next   [state.Topics]int64
	offset int64
	// sent are transfers on their way out.
	sent  []event.Remittance
	ready chan struct{}
	// changelog is told of each batch, unless it is nil.
	changelog func(batch []byte, hash state.Hash, offset int64)

	mu sync.Mutex
	// applied, guarded by mu, is closed and made anew with every batch.
	applied chan struct{}
}

// nobody is a Sink that takes everything and keeps nothing but transfers.
type nobody struct{ home *home }

func (nobody) Entry(*event.Entry)                           {}
func (nobody) Settled(*event.Entry)                         {}
func (nobody) Correction(*event.Correction)                 {}
func (nobody) Balance(*event.Balance)                       {}
func (nobody) OrderState(*event.OrderState)                 {}
func (nobody) OrderStats(*event.OrderStats)                 {}
func (nobody) Watermark(*event.Watermark)                   {}
func (nobody) Alert(*event.Alert)                           {}
func (nobody) DeadLetter(*engine.Record, *event.DeadLetter) {}

func (n nobody) Remittance(r *event.Remittance) {
	c := *r
	c.Grants = slices.Clone(r.Grants)
	n.home.sent = append(n.home.sent, c)
}

// start is when every world begins: 2026-01-01T00:00:00Z.
const start event.Time = 1767225600_000000

const second = 1_000_000

// newWorld makes a world of some partitions, all ready.
func newWorld(tb testing.TB, partitions int, cfg Config) *world {
	tb.Helper()
	w := &world{tb: tb, now: start}
	shared := state.NewShared(64<<20, 0)
	tb.Cleanup(shared.Close)
	var parts []Partition
	for i := range partitions {
		store, err := state.Open(state.Options{Dir: "state", Shard: int32(i), FS: vfs.NewMem(), Shared: shared})
		if err != nil {
			tb.Fatal(err)
		}
		tb.Cleanup(func() {
			if err := store.Close(); err != nil {
				tb.Error(err)
			}
		})
		s := &home{store: store, ready: make(chan struct{}), applied: make(chan struct{})}
		close(s.ready)
		s.engine, err = engine.New(engine.Config{
			Partition: int32(i), Lateness: 10 * second, IdleTimeout: 5 * second, FutureSkew: 300 * second, CacheBytes: 64 << 20,
			Policies: event.Policies{Assets: map[string]event.Policy{"gems": {Debt: true}}},
		}, store.Rows(), nobody{s})
		if err != nil {
			tb.Fatal(err)
		}
		w.homes = append(w.homes, s)
		parts = append(parts, Partition{Store: store, WaitFor: s.waitFor, WaitForEnd: s.waitForEnd, Lag: func() int64 { return 7 }, Ready: s.ready})
	}
	cfg.Registry = prometheus.NewRegistry()
	cfg.now = func() time.Time { return w.now.AsTime() }
	service := New(cfg)
	service.Serve(parts)
	w.handler = service.Handler(http.NewServeMux())
	return w
}

func (s *home) waitFor(ctx context.Context, p event.Position) error {
	for {
		s.mu.Lock()
		applied := s.applied
		s.mu.Unlock()
		if s.store.Meta().Passed(p) {
			return nil
		}
		select {
		case <-applied:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// waitForEnd waits for nothing: a home applies what it processes at once.
func (s *home) waitForEnd(context.Context) error { return nil }

// send processes events in one transaction for each partition and returns
// their positions. What an event leaves out gets its default; a time is that
// of the world's clock.
func (w *world) send(events ...event.Event) []string {
	w.tb.Helper()
	var positions []string
	byShard := map[int32][]event.Event{}
	for _, e := range events {
		if e.OccurredAt == 0 {
			e.OccurredAt = w.now
		}
		if e.EffectiveAt == 0 {
			e.EffectiveAt = event.NoTime
		}
		if e.ExpiresAt == 0 {
			e.ExpiresAt = event.NoTime
		}
		if e.Amount == 0 {
			e.Amount = event.NoAmount
		}
		e.TimeGiven = true
		e.FillDefaults()
		n := kafka.PartitionOf(e.User, int32(len(w.homes)))
		byShard[n] = append(byShard[n], e)
		s := w.homes[n]
		t := e.Kind.Topic()
		positions = append(positions, fmt.Sprintf("%s/%d/%d", t, n, s.next[t-event.Grants]+int64(count(byShard[n], t))-1))
	}
	for n, own := range byShard {
		w.homes[n].process(w.tb, w.now, n, own)
	}
	return positions
}

func count(events []event.Event, t event.Topic) (n int) {
	for i := range events {
		if events[i].Kind.Topic() == t {
			n++
		}
	}
	return n
}

func (s *home) process(tb testing.TB, now event.Time, partition int32, events []event.Event) {
	tb.Helper()
	s.run(tb, now, func(take func(event.Topic, engine.Record)) {
		for i := range events {
			take(events[i].Kind.Topic(), engine.Record{Event: &events[i]})
		}
	}, partition)
}

// deliver takes every transfer to its receiver.
func (w *world) deliver() {
	w.tb.Helper()
	for _, from := range w.homes {
		for _, r := range from.sent {
			to := kafka.PartitionOf(r.To, int32(len(w.homes)))
			w.homes[to].run(w.tb, w.now, func(take func(event.Topic, engine.Record)) {
				take(event.Transfers, engine.Record{Remittance: &r})
			}, to)
		}
		from.sent = nil
	}
}

// run is one transaction.
func (s *home) run(tb testing.TB, now event.Time, records func(take func(event.Topic, engine.Record)), partition int32) {
	tb.Helper()
	s.engine.Begin(now)
	records(func(t event.Topic, r engine.Record) {
		r.Input = event.Position{Topic: t, Partition: partition, Offset: s.next[t-event.Grants]}
		r.ArrivedAt = now
		s.next[t-event.Grants]++
		s.engine.Process(&r)
	})
	if err := s.engine.Commit(); err != nil {
		tb.Fatal(err)
	}
	rows := s.store.Rows()
	batch, err := rows.Seal(state.Progress{Positions: s.next, Watermark: s.engine.Watermark(), ProcessedAt: now})
	if err != nil {
		tb.Fatal(err)
	}
	s.offset += 2
	if s.changelog != nil {
		s.changelog(batch.Bytes(), batch.Hash(), s.offset)
	}
	if err := rows.Apply(batch, s.offset); err != nil {
		tb.Fatal(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	close(s.applied)
	s.applied = make(chan struct{})
}

// tick lets the clock go on and every partition see it.
func (w *world) tick(seconds int) {
	w.tb.Helper()
	w.now += event.Time(seconds) * second
	for n, s := range w.homes {
		s.process(w.tb, w.now, int32(n), nil)
	}
}

// ask asks for a path and query.
func (w *world) ask(target string) *httptest.ResponseRecorder {
	w.tb.Helper()
	r := httptest.NewRequest(http.MethodGet, "http://test/", http.NoBody)
	u, err := url.Parse("http://test" + target)
	if err != nil {
		w.tb.Fatal(err)
	}
	r.URL = u
	answer := httptest.NewRecorder()
	w.handler.ServeHTTP(answer, r)
	return answer
}

// get asks and wants a JSON answer.
func (w *world) get(target string) map[string]any {
	w.tb.Helper()
	answer := w.ask(target)
	if answer.Code != http.StatusOK {
		w.tb.Fatalf("%s: %d %s", target, answer.Code, answer.Body)
	}
	var value map[string]any
	if err := json.Unmarshal(answer.Body.Bytes(), &value); err != nil {
		w.tb.Fatalf("%s: %v: %s", target, err, answer.Body)
	}
	return value
}

// pages collects a list page by page.
func (w *world) pages(target string, limit int) (items []any) {
	w.tb.Helper()
	next := ""
	separator := "?"
	if strings.Contains(target, "?") {
		separator = "&"
	}
	for n := 0; ; n++ {
		page := w.get(fmt.Sprintf("%s%slimit=%d%s", target, separator, limit, next))
		own, ok := page["items"].([]any)
		if !ok || len(own) > limit {
			w.tb.Fatalf("%s: page %d is %v", target, n, page)
		}
		items = append(items, own...)
		cursor, more := page["next_cursor"].(string)
		if !more {
			return items
		}
		if len(own) < limit {
			w.tb.Fatalf("%s: page %d has %d items of %d and isn't the last", target, n, len(own), limit)
		}
		next = "&cursor=" + cursor
	}
}

func text(value any) string {
	b, err := json.Marshal(value)
	if err != nil {
		panic(err)
	}
	return string(b)
}
