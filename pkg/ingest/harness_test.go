package ingest

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"go.uber.org/goleak"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience bounds every wait of a test.
const patience = 20 * time.Second

const partitions = 4

var fixtureNames = kafka.Names{Application: "app", Prefix: "t."}

// fixture is a service on a broker of its own.
type fixture struct {
	t        testing.TB
	broker   *kfake.Cluster
	seeds    []string
	names    kafka.Names
	service  *Service
	registry *prometheus.Registry
	url      string
	client   *http.Client
	kafka    *kgo.Client
	stopping chan struct{}
}

func newBroker(tb testing.TB) *kfake.Cluster {
	tb.Helper()
	broker, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(broker.Close)
	return broker
}

// newFixture is a service on a broker with its topics.
func newFixture(tb testing.TB, change func(*Config)) *fixture {
	tb.Helper()
	broker := newBroker(tb)
	f := newBareFixture(tb, broker, broker.ListenAddrs(), change)
	if _, err := kafka.Apply(tb.Context(), f.kafka, kafka.Catalogue(f.names, partitions, -1)); err != nil {
		tb.Fatal(err)
	}
	f.await("the topics", func() bool { return f.service.Ready(tb.Context()) == nil })
	return f
}

// newBareFixture is a service on a broker as it is.
func newBareFixture(tb testing.TB, broker *kfake.Cluster, seeds []string, change func(*Config)) *fixture {
	tb.Helper()
	f := &fixture{
		t: tb, broker: broker, seeds: seeds, names: fixtureNames,
		registry: prometheus.NewRegistry(), stopping: make(chan struct{}),
	}
	cfg := Config{
		Names: f.names, Client: kafka.CommonOptions([]kgo.Opt{kgo.SeedBrokers(seeds...)}, testLogger(tb)),
		ProduceTimeout: patience, StreamIdleTimeout: patience,
		MaxRequests: 100, MaxBuffered: 10_000, MaxInFlight: 100,
		// Nobody waits where a test doesn't say so, and nobody can be asked.
		OutcomeTimeout: 0, MaxWait: patience, MaxWaiting: 100, MaxFollowed: 100, MaxReads: 10, QueryURL: "http://127.0.0.1:1",
		Stopping: f.stopping, Logger: testLogger(tb), Registry: f.registry,
	}
	if change != nil {
		change(&cfg)
	}
	var err error
	if f.kafka, err = kgo.NewClient(kgo.SeedBrokers(seeds...)); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(f.kafka.Close)
	if f.service, err = New(cfg); err != nil {
		tb.Fatal(err)
	}
	component := f.service.Component()
	ctx, cancel := context.WithCancel(context.Background())
	var running sync.WaitGroup
	running.Go(func() { _ = component.Run(ctx) })
	server := httptest.NewUnstartedServer(f.service.Handler(http.NewServeMux()))
	server.Config.ErrorLog = log.New(complaints{tb}, "", 0)
	server.Start()
	f.url = server.URL
	f.client = &http.Client{Transport: &http.Transport{}}
	tb.Cleanup(func() {
		f.client.CloseIdleConnections()
		server.Close()
		cancel()
		running.Wait()
		// What Kafka never answers is not waited for.
		flush, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		_ = component.Stop(flush)
	})
	return f
}

func testLogger(tb testing.TB) *slog.Logger {
	tb.Helper()
	level := slog.LevelError + 1
	if os.Getenv("HIGHWATER_TEST_LOG") != "" {
		level = slog.LevelDebug
	}
	return slog.New(slog.NewTextHandler(tb.Output(), &slog.HandlerOptions{Level: level}))
}

// complaints fails a test at whatever the HTTP server complains about.
type complaints struct{ tb testing.TB }

func (c complaints) Write(text []byte) (int, error) {
	c.tb.Errorf("the HTTP server says: %s", text)
	return len(text), nil
}

// await waits for a condition.
func (f *fixture) await(what string, ok func() bool) {
	f.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(2 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			f.t.Fatalf("waited in vain: %s", what)
		case <-again.C:
		}
	}
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

// problem is a problem+json body.
type problem struct {
	Type    string `json:"type"`
	Status  int    `json:"status"`
	Code    string `json:"code"`
	Field   string `json:"field"`
	Detail  string `json:"detail"`
	EventID string `json:"event_id"`
	// Entry is what became of the event, if that is the problem.
	Entry json.RawMessage `json:"entry"`
}

// request makes a request of a body; headers are name, value, name, value.
func (f *fixture) request(method, path string, body io.Reader, headers ...string) *http.Request {
	f.t.Helper()
	r, err := http.NewRequestWithContext(f.t.Context(), method, f.url+path, body)
	if err != nil {
		f.t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		r.Header[headers[i]] = append(r.Header[headers[i]], headers[i+1])
	}
	return r
}

func (f *fixture) do(r *http.Request) answer {
	f.t.Helper()
	response, err := f.client.Do(r)
	if err != nil {
		f.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		f.t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, string(body)}
}

// send sends JSON.
func (f *fixture) send(method, path, body string, headers ...string) answer {
	f.t.Helper()
	if body == "" {
		return f.do(f.request(method, path, nil, headers...))
	}
	return f.do(f.request(method, path, strings.NewReader(body), append([]string{"Content-Type", jsonType}, headers...)...))
}

func (f *fixture) decode(text string, into any) {
	f.t.Helper()
	d := json.NewDecoder(strings.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		f.t.Fatalf("%v: %s", err, text)
	}
}

// recorded is the result in an answer that must say that one event is
// recorded.
func (f *fixture) recorded(a answer) Result {
	f.t.Helper()
	var r Result
	if a.status != http.StatusAccepted {
		f.t.Fatalf("%d %s", a.status, a.body)
	}
	f.decode(a.body, &r)
	if r.Status != statusRecorded || r.EventID == "" || r.Code != "" || r.Message != "" {
		f.t.Fatalf("%+v", r)
	}
	return r
}

// refusal is the problem in an answer of this status.
func (f *fixture) refusal(a answer, status int) problem {
	f.t.Helper()
	if a.status != status || a.header.Get("Content-Type") != "application/problem+json" {
		f.t.Fatalf("%d %s, want a problem of status %d: %s", a.status, a.header.Get("Content-Type"), status, a.body)
	}
	var p struct {
		problem
		Title string `json:"title"`
	}
	f.decode(a.body, &p)
	if p.Status != status || p.Type != "urn:highwater:problem:"+p.Code || p.Code == "" || p.Detail == "" || p.Title == "" {
		f.t.Fatalf("not a whole problem: %s", a.body)
	}
	return p.problem
}

// at reads the record at a position, as the event it is.
func (f *fixture) at(position string) (event.Event, *kgo.Record) {
	f.t.Helper()
	p, err := kafka.ParsePosition(position)
	if err != nil {
		f.t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(f.seeds...), kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{f.names.Input(p.Topic): {p.Partition: kgo.NewOffset().At(p.Offset)}}))
	if err != nil {
		f.t.Fatal(err)
	}
	defer client.Close()
	ctx, cancel := context.WithTimeout(f.t.Context(), patience)
	defer cancel()
	record := client.PollRecords(ctx, 1).Records()
	if len(record) != 1 || record[0].Offset != p.Offset {
		f.t.Fatalf("nothing is at %s", position)
	}
	var e event.Event
	if r := new(codec.Decoder).Decode(p.Topic, record[0].Key, record[0].Value, 0, &e); r != nil {
		f.t.Fatal(r)
	}
	return e, record[0]
}

// count is how many records the input topics have.
func (f *fixture) count() int64 {
	f.t.Helper()
	var sum int64
	req := kmsg.NewPtrListOffsetsRequest()
	req.ReplicaID = -1
	for _, t := range event.Inputs {
		topic := kmsg.NewListOffsetsRequestTopic()
		topic.Topic = f.names.Input(t)
		for i := range int32(partitions) {
			p := kmsg.NewListOffsetsRequestTopicPartition()
			p.Partition, p.Timestamp = i, -1
			topic.Partitions = append(topic.Partitions, p)
		}
		req.Topics = append(req.Topics, topic)
	}
	answer, err := req.RequestWith(f.t.Context(), f.kafka)
	if err != nil {
		f.t.Fatal(err)
	}
	for _, t := range answer.Topics {
		for _, p := range t.Partitions {
			sum += p.Offset
		}
	}
	return sum
}

// hold keeps Kafka from answering requests to produce, until release is
// called.
func (f *fixture) hold() (release func()) {
	held := make(chan struct{})
	f.broker.ControlKey(int16(kmsg.Produce), func(kmsg.Request) (kmsg.Response, error, bool) {
		f.broker.KeepControl()
		f.broker.SleepControl(func() { <-held })
		return nil, nil, false
	})
	release = sync.OnceFunc(func() { close(held) })
	f.t.Cleanup(release)
	return release
}

// ndjson is a body of lines.
func ndjson(events ...string) io.Reader {
	var b bytes.Buffer
	for _, e := range events {
		b.WriteString(e)
		b.WriteByte('\n')
	}
	return &b
}

func (f *fixture) results(body string) []Result {
	f.t.Helper()
	var all []Result
	for line := range strings.Lines(body) {
		var r Result
		f.decode(line, &r)
		all = append(all, r)
	}
	return all
}
