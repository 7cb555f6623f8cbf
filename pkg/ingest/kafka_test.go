package ingest

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

const soon = 200 * time.Millisecond

// A Kafka that was never there: refused, in bounded time.
func TestKafkaNeverThere(t *testing.T) {
	broker := newBroker(t)
	seeds := broker.ListenAddrs()
	broker.Close()
	f := newBareFixture(t, broker, seeds, func(c *Config) { c.ProduceTimeout = soon })
	for _, path := range []string{"/v1/users/bob/adds", "/v1/events"} {
		a := f.send("POST", path, minimal)
		p := f.refusal(a, http.StatusServiceUnavailable)
		if p.Code != "unavailable" || p.EventID != "e" || a.header.Get("Retry-After") != "2" || !strings.Contains(p.Detail, "was not recorded") {
			t.Errorf("%s: %+v, Retry-After %q", path, p, a.header.Get("Retry-After"))
		}
	}
	p := f.refusal(f.send("POST", "/v1/events", "["+minimal+"]"), http.StatusServiceUnavailable)
	if p.Code != "unavailable" || !strings.Contains(p.Detail, "none of the events") {
		t.Errorf("%+v", p)
	}
	f.refusal(f.do(f.request("POST", "/v1/events", ndjson(minimal), "Content-Type", ndjsonType)), http.StatusServiceUnavailable)
	// What is wrong with the event is said all the same.
	f.refusal(f.send("POST", "/v1/events", "{}"), http.StatusUnprocessableEntity)
	if err := f.service.Ready(t.Context()); err == nil {
		t.Error("it is ready")
	}
}

// A Kafka that goes: unknown, in bounded time, and the id that was made is
// given, so that the event can be sent again.
func TestKafkaGoes(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.ProduceTimeout = soon })
	f.recorded(f.send("POST", "/v1/users/bob/adds", `{"amount":1}`))
	f.broker.Close()
	p := f.refusal(f.send("POST", "/v1/users/bob/adds", `{"amount":1}`), http.StatusServiceUnavailable)
	if p.Code != "unavailable" || len(p.EventID) != 36 || !strings.Contains(p.Detail, "send it again with this event_id") {
		t.Errorf("%+v", p)
	}
	a := f.do(f.request("POST", "/v1/events", ndjson(addJSON("a"), "{}", addJSON("b")), "Content-Type", ndjsonType))
	results := f.results(a.body)
	for i, want := range []Status{statusUnknown, statusRefused, statusUnknown} {
		if results[i].Status != want {
			t.Errorf("%d: %+v", i, results[i])
		}
	}
}

// I1: what Kafka has but didn't confirm in time is not said to be recorded,
// and not said to be refused.
func TestKafkaSilent(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.ProduceTimeout = soon })
	release := f.hold()
	p := f.refusal(f.send("POST", "/v1/events", minimal), http.StatusServiceUnavailable)
	if p.Code != "unavailable" || p.EventID != "e" || !strings.Contains(p.Detail, "may have been recorded") {
		t.Errorf("%+v", p)
	}
	if len(f.service.producer.slots) != 1 {
		t.Error("the event was forgotten")
	}
	release()
	f.await("the event", func() bool { return f.count() == 1 && len(f.service.producer.slots) == 0 })
}

// I4: where there is no room for another event, it is refused in time.
func TestKafkaSlow(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.ProduceTimeout, c.MaxBuffered = soon, 1 })
	f.service.producer.slots <- struct{}{}
	p := f.refusal(f.send("POST", "/v1/events", minimal), http.StatusServiceUnavailable)
	if p.Code != "unavailable" || !strings.Contains(p.Detail, "was not recorded: too many events wait") {
		t.Errorf("%+v", p)
	}
	<-f.service.producer.slots
	f.recorded(f.send("POST", "/v1/events", minimal))
}

// Without topics nothing is written, and it is said what to do; once they are
// there, it goes on by itself.
func TestTopicsMissing(t *testing.T) {
	broker := newBroker(t)
	f := newBareFixture(t, broker, broker.ListenAddrs(), nil)
	f.await("the first look", func() bool { return f.service.topics.why() != nil })
	p := f.refusal(f.send("POST", "/v1/events", minimal), http.StatusServiceUnavailable)
	if p.Code != "unavailable" || !strings.Contains(p.Detail, "topics apply") {
		t.Errorf("%+v", p)
	}
	if err := f.service.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "topics apply") {
		t.Errorf("ready: %v", err)
	}
	if _, err := kafka.Apply(t.Context(), f.kafka, kafka.Catalogue(f.names, partitions, -1)); err != nil {
		t.Fatal(err)
	}
	f.await("the topics to be found", func() bool { return f.service.topics.isKnown() && f.service.topics.why() == nil })
	f.recorded(f.send("POST", "/v1/events", minimal))
}

// I3: once the topics don't agree, nothing is written any more.
func TestPartitionsChange(t *testing.T) {
	f := newFixture(t, nil)
	f.recorded(f.send("POST", "/v1/events", minimal))
	admin := kadm.NewClient(f.kafka)
	grow := func(topics ...string) {
		t.Helper()
		if _, err := admin.CreatePartitions(t.Context(), 1, topics...); err != nil {
			t.Fatal(err)
		}
	}
	grow(f.names.Input(event.Ledger))
	f.await("the change to be seen", func() bool { return f.service.Ready(t.Context()) != nil })
	f.refusal(f.send("POST", "/v1/events", minimal), http.StatusServiceUnavailable)
	// All of them with another number is no better: users would move.
	grow(append([]string{f.names.Shards(), f.names.Input(event.Transfers)}, f.names.Input(event.Grants), f.names.Input(event.Subtracts), f.names.Input(event.Orders))...)
	f.await("the other change to be seen", func() bool {
		err := f.service.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "had 4 partitions and have 5 now")
	})
	if p := f.refusal(f.send("POST", "/v1/events", minimal), http.StatusServiceUnavailable); !strings.Contains(p.Detail, "users would move") {
		t.Errorf("%+v", p)
	}
}

// The names that dashboards and alerts rely on.
func TestMetrics(t *testing.T) {
	f := newFixture(t, nil)
	f.recorded(f.send("POST", "/v1/events", minimal))
	f.refusal(f.send("POST", "/v1/events", "{}"), http.StatusUnprocessableEntity)
	f.do(f.request("POST", "/v1/events", ndjson(addJSON("a"), "{}"), "Content-Type", ndjsonType))
	for name, want := range map[string]float64{
		"highwater_ingest_events_total recorded":    2,
		"highwater_ingest_events_total refused":     2,
		"highwater_ingest_events_total unknown":     0,
		"highwater_ingest_produce_seconds":          2,
		"highwater_ingest_open_streams":             0,
		"highwater_ingest_open_requests":            0,
		"highwater_ingest_overloaded_total":         0,
		"highwater_ingest_buffered_events":          0,
		"highwater_ingest_open_waits":               0,
		"highwater_ingest_followed_partitions":      0,
		"highwater_ingest_open_queries":             0,
		"highwater_ingest_follow_seconds":           0,
		"highwater_ingest_outcome_seconds":          0,
		"highwater_ingest_query_seconds":            0,
		"highwater_ingest_wait_seconds":             0,
		"highwater_ingest_follow_failures_total":    0,
		"highwater_ingest_query_failures_total":     0,
		"highwater_ingest_unreadable_records_total": 0,
		"highwater_ingest_waits_total entries":      0,
		"highwater_ingest_waits_total dead_letters": 0,
		"highwater_ingest_waits_total query":        0,
		"highwater_ingest_waits_total time_up":      0,
		"highwater_ingest_waits_total caller_gone":  0,
		"highwater_ingest_waits_total too_many":     0,
	} {
		name, label, _ := strings.Cut(name, " ")
		if value := f.metric(name, label); value != want {
			t.Errorf("%s %s is %v, want %v", name, label, value, want)
		}
	}
}
