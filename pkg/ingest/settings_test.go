package ingest

import (
	"context"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sr/srfake"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// process is the service as its binary runs it.
type process struct {
	t      *testing.T
	mu     sync.Mutex
	log    strings.Builder
	stop   context.CancelFunc
	status chan int
	url    string
	client *http.Client
}

func (p *process) Write(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.Write(b)
}

func (p *process) logged() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.log.String()
}

func run(t *testing.T, args ...string) *process {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	p := &process{t: t, stop: cancel, status: make(chan int, 1), client: &http.Client{Transport: &http.Transport{}}}
	binary := service.Binary[Settings]{Name: "ingest", About: "A test.", Defaults: Defaults(), Run: Run}
	go func() {
		p.status <- binary.Main(ctx, service.Invocation{Args: args, Stdout: io.Discard, Stderr: p})
	}()
	t.Cleanup(func() {
		cancel()
		p.client.CloseIdleConnections()
	})
	return p
}

var listening = regexp.MustCompile(`msg=listening server=ingest address=(\S+)`)

// await waits for a condition, and that the process lives.
func (p *process) await(what string, ok func() bool) {
	p.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	again := time.NewTicker(5 * time.Millisecond)
	defer again.Stop()
	for !ok() {
		select {
		case <-deadline.C:
			p.t.Fatalf("waited in vain: %s\n%s", what, p.logged())
		case status := <-p.status:
			p.t.Fatalf("it ended with %d: %s", status, p.logged())
		case <-again.C:
		}
	}
}

func (p *process) serves() {
	p.t.Helper()
	p.await("it to listen", func() bool {
		match := listening.FindStringSubmatch(p.logged())
		if match != nil {
			p.url = "http://" + match[1]
		}
		return match != nil
	})
}

func (p *process) get(path string) (int, string) {
	p.t.Helper()
	response, err := p.client.Get(p.url + path)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		p.t.Fatal(err)
	}
	return response.StatusCode, string(body)
}

func (p *process) end() int {
	p.t.Helper()
	p.stop()
	select {
	case status := <-p.status:
		return status
	case <-time.After(patience):
		p.t.Fatalf("it doesn't stop: %s", p.logged())
	}
	return -1
}

// The binary from start to stop: it starts without topics, becomes ready once
// they are there, records, and at a stop ends streams and goes with status 0.
func TestRun(t *testing.T) {
	broker := newBroker(t)
	seeds := strings.Join(broker.ListenAddrs(), ",")
	p := run(t, "--listen=127.0.0.1:0", "--bootstrap-servers="+seeds, "--application-id=app", "--topic-prefix=t.")
	p.serves()
	if status, body := p.get("/healthz"); status != http.StatusOK {
		t.Errorf("healthz: %d %s", status, body)
	}
	if status, body := p.get("/readyz"); status != http.StatusServiceUnavailable || !strings.Contains(body, "topics apply") {
		t.Errorf("readyz: %d %s", status, body)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	names := kafka.Names{Application: "app", Prefix: "t."}
	if _, err := kafka.Apply(t.Context(), client, kafka.Catalogue(names, partitions, -1)); err != nil {
		t.Fatal(err)
	}
	p.await("it to be ready", func() bool { status, _ := p.get("/readyz"); return status == http.StatusOK })

	body, to := io.Pipe()
	defer to.Close()
	f := &fixture{t: t, url: p.url, client: p.client}
	response, err := p.client.Do(f.request("POST", "/v1/events", body, "Content-Type", ndjsonType))
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	f.recorded(f.send("POST", "/v1/events", minimal))
	if status, body := p.get("/metrics"); status != http.StatusOK || !strings.Contains(body, `highwater_ingest_events_total{status="recorded"} 1`) ||
		!strings.Contains(body, `highwater_ingest_requests_total{class="2xx",route="POST /v1/events"} 1`) {
		t.Errorf("metrics: %d %s", status, body)
	}
	if status := p.end(); status != service.ExitOK {
		t.Errorf("it ended with %d: %s", status, p.logged())
	}
	last, err := io.ReadAll(response.Body)
	if err != nil || !strings.Contains(string(last), `"code":"stopping"`) {
		t.Errorf("the stream ended with %q, %v", last, err)
	}
}

// Wrong settings end it with the status for wrong use, and name the setting.
func TestWrongSettings(t *testing.T) {
	for _, c := range []struct {
		args []string
		says string
	}{
		{[]string{"--listen=0.0.0.0:0"}, "insecure"},
		{[]string{"--max-requests=0"}, "max-requests"},
		{[]string{"--output-format=confluent"}, "output.format: confluent needs schema.registry.url"},
		{[]string{"--settled=false"}, "settled"},
		{[]string{"--query-url=127.0.0.1:8082"}, "query.url: want http://host:port"},
		{[]string{"--query-url=http://127.0.0.1:8082/?a=b"}, "query.url"},
		{[]string{"--query-url=http://me:hunter2@127.0.0.1:8082"}, "query.url: it has a user or password"},
		{[]string{"--query-url=https://me@127.0.0.1:8082"}, "query.url: it has a user or password"},
		{[]string{"--query-url=http://me:hunter2%zz@127.0.0.1:8082"}, "query.url: want http://host:port"},
		{[]string{"--max-waiting-requests=0"}, "max-waiting-requests"},
	} {
		p := run(t, append(c.args, "--bootstrap-servers=127.0.0.1:1")...)
		select {
		case status := <-p.status:
			if log := p.logged(); status != service.ExitUsage || !strings.Contains(log, c.says) || strings.Contains(log, "hunter2") {
				t.Errorf("%v: %d %s", c.args, status, log)
			}
		case <-time.After(patience):
			t.Fatalf("%v: it runs", c.args)
		}
	}
}

// With a registry, events can be framed as its clients expect them.
func TestConfluent(t *testing.T) {
	registry := srfake.New()
	defer registry.Close()
	schemas, err := kafka.NewRegistry(registry.URL())
	if err != nil {
		t.Fatal(err)
	}
	encoder, err := confluent(t.Context(), schemas, kafka.Names{Application: "app", Prefix: "t."})
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, func(c *Config) { c.Encoder = encoder })
	result := f.recorded(f.send("POST", "/v1/events", minimal))
	p, err := kafka.ParsePosition(result.Position)
	if err != nil {
		t.Fatal(err)
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(f.seeds...), kgo.ConsumePartitions(
		map[string]map[int32]kgo.Offset{f.names.Input(p.Topic): {p.Partition: kgo.NewOffset().AtStart()}}))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	record := client.PollFetches(t.Context()).Records()[0]
	decoder := codec.Decoder{SchemaByID: func(id uint32) (string, error) { return schemas.SchemaByID(t.Context(), id) }}
	var e event.Event
	if r := decoder.Decode(p.Topic, record.Key, record.Value, 0, &e); r != nil || record.Value[0] != 0 || e.ID != "e" {
		t.Errorf("%v, %+v", r, e)
	}
}
