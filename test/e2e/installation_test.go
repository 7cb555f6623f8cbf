package e2e

import (
	"context"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/trace"
	"highwater/test/broker"
)

// allowedLateness is more than the load is shuffled, so that what was made
// late is late.
const allowedLateness = 30 * time.Second

// policiesFile makes of the load's two assets one of each kind.
const policiesFile = "assets:\n  batch: {shortfall: debt}\n"

// installation is one set of topics and the processes on it.
type installation struct {
	t          *testing.T
	servers    string
	names      kafka.Names
	partitions int32
	dir        string
	client     *kgo.Client
	options    []kgo.Opt
}

// install creates the topics.
func install(t *testing.T, partitions int32) *installation {
	t.Helper()
	servers, prefix := broker.Start(t), broker.Prefix(t)
	in := &installation{
		t: t, servers: servers, partitions: partitions, dir: t.TempDir(),
		names: kafka.Names{Application: strings.TrimSuffix(prefix, "-"), Prefix: prefix},
		options: kafka.CommonOptions([]kgo.Opt{kgo.SeedBrokers(strings.Split(servers, ",")...)},
			slog.New(slog.DiscardHandler)),
	}
	client, err := kgo.NewClient(append(slices.Clone(in.options),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchMaxBytes(kafka.MaxInputBytes),
		kgo.MaxBufferedBytes(4*kafka.MaxInputBytes),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
	)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	in.client = client
	if _, err := kafka.Apply(t.Context(), client, kafka.Catalogue(in.names, partitions, -1)); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(in.dir, "policies.yaml"), []byte(policiesFile), 0o600); err != nil {
		t.Fatal(err)
	}
	return in
}

// processor is the command line of one processor.
func (in *installation) processor(name string, settings ...string) []string {
	return append([]string{
		"processor",
		"--bootstrap-servers", in.servers,
		"--application-id", in.names.Application,
		"--topic-prefix", in.names.Prefix,
		"--data-dir", filepath.Join(in.dir, name),
		"--group-instance-id", name,
		"--listen", "127.0.0.1:0",
		"--policies-file", filepath.Join(in.dir, "policies.yaml"),
		"--allowed-lateness", allowedLateness.String(),
		"--idle-timeout", "2s",
	}, settings...)
}

// start starts a processor, which ends with the test.
func (in *installation) start(name string, settings ...string) *process {
	in.t.Helper()
	p := &process{t: in.t, name: name, log: filepath.Join(in.dir, name+".log"), command: in.processor(name, settings...)}
	p.start()
	in.t.Cleanup(p.end)
	return p
}

// query starts a query service, waits until its replicas have caught up, and
// gives its address.
func (in *installation) query() string {
	in.t.Helper()
	address := freeAddress(in.t)
	p := &process{t: in.t, name: "query", log: filepath.Join(in.dir, "query.log"), command: []string{
		"query",
		"--bootstrap-servers", in.servers,
		"--application-id", in.names.Application,
		"--topic-prefix", in.names.Prefix,
		"--data-dir", filepath.Join(in.dir, "query"),
		"--listen", address,
	}}
	p.start()
	in.t.Cleanup(p.end)
	in.awaitReady(p, "http://"+address)
	return "http://" + address
}

// awaitReady waits until a service says that it can work.
func (in *installation) awaitReady(p *process, url string) {
	in.t.Helper()
	in.awaitOK(url+"/readyz", p.done)
}

// awaitCurrent waits until a query service's replicas have all that is
// committed now.
func (in *installation) awaitCurrent(query string) {
	in.t.Helper()
	in.awaitOK(query+"/v1/orders?current=true&limit=1", nil)
}

// awaitOK asks until the answer is 200, unless the process ends that is asked.
func (in *installation) awaitOK(url string, ended <-chan struct{}) {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), endWithin)
	defer cancel()
	again := time.NewTicker(50 * time.Millisecond)
	defer again.Stop()
	for !isOK(ctx, url) {
		select {
		case <-ctx.Done():
			in.t.Fatalf("%s doesn't answer 200 within %s", url, endWithin)
		case <-ended:
			in.t.Fatalf("whom %s asks ended by itself", url)
		case <-again.C:
		}
	}
}

func isOK(ctx context.Context, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return false
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	return answer.StatusCode == http.StatusOK
}

// freeAddress is one that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

// load is the trace as the acceptance asks for it.
func load() []trace.Record {
	o := trace.Defaults()
	o.Assets = []string{event.DefaultAsset, "batch"}
	o.Lateness = allowedLateness
	o.End = event.TimeOf(time.Now())
	return trace.Generate(o)
}

// flow produces a load within a time, in the order of arrival, and returns
// once Kafka has all of it.
func (in *installation) flow(ctx context.Context, records []trace.Record, within time.Duration) error {
	const steps = 100
	tick := time.NewTicker(within / steps)
	defer tick.Stop()
	var sending sync.WaitGroup
	var failed atomic.Pointer[error]
	for step := range steps {
		for _, r := range records[step*len(records)/steps : (step+1)*len(records)/steps] {
			sending.Add(1)
			in.client.Produce(ctx, &kgo.Record{
				Topic: in.names.Input(r.Topic), Partition: kafka.PartitionOf(r.Key, in.partitions), Key: r.Key, Value: r.Value,
			}, func(_ *kgo.Record, err error) {
				defer sending.Done()
				if err != nil {
					failed.Store(&err)
				}
			})
		}
		select {
		case <-ctx.Done():
		case <-tick.C:
		}
	}
	sending.Wait()
	if err := failed.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

// disturbed lets the load flow while something happens; what happens ends
// when the load does.
func (in *installation) disturbed(within time.Duration, happens func(context.Context)) {
	in.t.Helper()
	ctx, cancel := context.WithCancel(in.t.Context())
	defer cancel()
	before := in.changes()
	flowed := make(chan error, 1)
	go func() {
		defer cancel()
		flowed <- in.flow(in.t.Context(), load(), within)
	}()
	happens(ctx)
	if err := <-flowed; err != nil {
		in.t.Fatal(err)
	}
	if in.changes() == before {
		in.t.Error("nothing was processed while it happened")
	}
}

// changes is how much stands in the changelog, markers included.
func (in *installation) changes() int64 {
	in.t.Helper()
	sum := int64(0)
	for p := range in.partitions {
		end, err := kafka.HighWatermark(in.t.Context(), in.client, in.names.Changelog(), p)
		if err != nil {
			in.t.Fatal(err)
		}
		sum += end
	}
	return sum
}

// verify holds everything against the promise, given the addresses of query
// services.
func (in *installation) verify(queries ...string) {
	in.t.Helper()
	ctx, cancel := context.WithTimeout(in.t.Context(), 3*endWithin)
	defer cancel()
	began := time.Now()
	settings := []string{
		"verify",
		"--bootstrap-servers", in.servers,
		"--application-id", in.names.Application,
		"--topic-prefix", in.names.Prefix,
		"--policies-file", filepath.Join(in.dir, "policies.yaml"),
		"--wait", endWithin.String(),
	}
	if len(queries) > 0 {
		settings = append(settings, "--query", strings.Join(queries, ","))
	}
	command := exec.CommandContext(ctx, program(in.t, "highwater"), settings...)
	report, err := command.CombinedOutput()
	in.t.Logf("highwater verify took %s:\n%s", time.Since(began).Round(time.Millisecond), report)
	if err != nil {
		in.t.Fatalf("the promise doesn't hold: %v", err)
	}
}
