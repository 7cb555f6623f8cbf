package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

const (
	// probesPerSecond is how many events are asked for by their positions.
	probesPerSecond = 20
	// probeWithin bounds the wait of one.
	probeWithin = 20 * time.Second
	// comparedLast is how many answers are compared once events have come.
	comparedLast = 500
)

// reader asks a query service that follows the changelogs.
type reader struct {
	*installation
	client *http.Client
	found  *Query
	// said is what the balances topic says last of each user.
	said map[string]said

	mu sync.Mutex
	// probes are events that were asked for by their positions, and unanswered why
	// some never were; newest are the newest records in each partition of each
	// input. All are guarded by mu.
	probes     []*passage
	unanswered []string
	newest     map[string]*kgo.Record
}

// queries measures reads: while nothing else happens, and while the processors
// take events.
func (i *installation) queries(ctx context.Context) error {
	if err := i.stop(); err != nil {
		return err
	}
	r := &reader{
		installation: i, found: &Query{Clients: i.Clients, Phases: []*Reads{}, Wrong: []string{}}, newest: make(map[string]*kgo.Record),
		client: &http.Client{Timeout: spendWithin, Transport: &http.Transport{MaxIdleConnsPerHost: i.Clients + probesPerSecond}},
	}
	i.result.Query = r.found
	defer r.client.CloseIdleConnections()
	if err := r.follow(ctx); err != nil {
		return err
	}
	if err := r.readBalances(ctx); err != nil {
		return err
	}
	for _, asked := range []string{balanceNow, balanceThen} {
		if err := r.phase(ctx, asked, nil, 0); err != nil {
			return err
		}
	}
	if err := i.start(ctx); err != nil {
		return err
	}
	if _, err := i.awaitShards(ctx, i.processes, i.allRun); err != nil {
		return err
	}
	for _, rate := range i.workload.Rates {
		if err := r.meanwhile(ctx, rate); err != nil {
			return err
		}
	}
	i.result.Memory = append(i.result.Memory, memoryOf(i.query.name, i.query.pid()))
	return r.compareLast(ctx)
}

// follow starts the service, and waits until it has followed to the end.
func (r *reader) follow(ctx context.Context) (err error) {
	r.say("query follows the changelogs")
	if r.query, err = r.startService(ctx, "query", r.QueryBinary, "HIGHWATER_MIN_POSITION_TIMEOUT="+probeWithin.String()); err != nil {
		return err
	}
	_, err = r.awaitShards(ctx, []*process{r.query}, func(all []shards) bool {
		if all[0].restored < int64(r.total()) {
			return false
		}
		_, err := r.get(ctx, "/readyz")
		return err == nil
	})
	return err
}

func (r *reader) get(ctx context.Context, path string) ([]byte, error) {
	return fetch(ctx, r.client, "http://"+r.query.address+path)
}

// readBalances reads what the balances topic says last.
func (r *reader) readBalances(ctx context.Context) error {
	r.said = make(map[string]said)
	var decoder codec.Decoder
	var b event.Balance
	return readAll(ctx, r.Client, r.names.Output(kafka.Balances), r.Partitions, 0, func(record *kgo.Record) error {
		if record.Attrs.IsControl() {
			return nil
		}
		if err := decoder.DecodeBalance(record.Value, &b); err != nil {
			return err
		}
		r.said[strings.Clone(b.UserID)] = said{b.Balances, b.AsOf, b.NextChangeAt}
		return nil
	})
}

// meanwhile measures while events come: without reads first, then with them.
func (r *reader) meanwhile(ctx context.Context, rate int) error {
	f, err := r.openFlow(ctx, r.names, byID())
	if err != nil {
		return err
	}
	defer f.close()
	each, n := max(1, rate/probesPerSecond), 0
	f.acked = func(m message, record *kgo.Record, p passage) {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.newest[record.Topic+"/"+strconv.Itoa(int(record.Partition))] = record
		if m.copied {
			return
		}
		if n++; n%each == 0 {
			r.probes = append(r.probes, &p)
			go r.probe(ctx, record, &p)
		}
	}
	f.begin(ctx, rate)
	for _, asked := range []string{nobody, balanceNow, balanceThen} {
		if err := r.phase(ctx, asked, f, rate); err != nil {
			return err
		}
	}
	if err := f.drain(ctx); err != nil {
		return err
	}
	// Duplicates have no entry: who has passed the newest records has them, too.
	for _, record := range r.newest {
		if err := r.await(ctx, record); err != nil {
			return err
		}
	}
	return f.await(ctx, func() bool { return r.probed(time.Now()) })
}

// probe notes when an answer includes a record.
func (r *reader) probe(ctx context.Context, record *kgo.Record, p *passage) {
	err := r.await(ctx, record)
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.read = time.Now(); err != nil {
		r.unanswered = append(r.unanswered, err.Error())
	}
}

// await returns once the service's answers include a record.
func (r *reader) await(ctx context.Context, record *kgo.Record) error {
	topic, ok := r.names.ParseInput(record.Topic)
	if !ok {
		panic("bench: an event went to " + record.Topic)
	}
	_, err := r.get(ctx, fmt.Sprintf("/v1/users/%s/balance?min_position=%s/%d/%d", record.Key, topic, record.Partition, record.Offset))
	return err
}

// probed reports whether all probes due before some time were answered.
func (r *reader) probed(before time.Time) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, p := range r.probes {
		if p.read.IsZero() && p.due.Before(before) {
			return false
		}
	}
	return true
}

// compareLast compares answers once no events come any more.
func (r *reader) compareLast(ctx context.Context) error {
	r.say("comparing answers with what was published")
	if err := r.readBalances(ctx); err != nil {
		return err
	}
	a := r.newAsker(len(r.found.Phases), 0)
	for range comparedLast {
		a.ask(ctx, balanceNow, true)
		a.ask(ctx, balanceThen, true)
	}
	r.found.add(a)
	r.found.Wrong = append(r.found.Wrong, r.unanswered...)
	return ctx.Err()
}

// phase has every client ask for one thing, and counts what was asked once things
// were warm. f are the events that come meanwhile, or nil.
func (r *reader) phase(ctx context.Context, asked string, f *flow, rate int) error {
	reads := &Reads{Asked: asked, Rate: rate}
	r.say("%s: for %s", reads.name(), r.Over)
	from := time.Now().Add(warmFor)
	to := from.Add(r.Over)
	var askers []*asker
	var asking sync.WaitGroup
	if asked != nobody {
		for n := range r.Clients {
			a := r.newAsker(len(r.found.Phases), n)
			askers = append(askers, a)
			asking.Go(func() { a.run(ctx, asked, from, to, f == nil) })
		}
	}
	wait(ctx, from)
	before, _ := cpuOf(r.query.pid())
	wait(ctx, to)
	asking.Wait()
	ended := time.Now()
	after, _ := cpuOf(r.query.pid())
	if err := errors.Join(ctx.Err(), r.failed()); err != nil {
		return err
	}
	var waited []time.Duration
	for _, a := range askers {
		waited = append(waited, a.waits...)
		reads.Failed += r.found.add(a)
	}
	reads.count(ended.Sub(from), after-before, waited)
	r.found.Phases = append(r.found.Phases, reads)
	if f == nil {
		return nil
	}
	err := f.await(ctx, func() bool { return f.settled(to) && r.probed(to) })
	if err != nil {
		return err
	}
	reads.follow(f.passed(from), r.probesFrom(from), to)
	return nil
}

// probesFrom are those that were due from some time on.
func (r *reader) probesFrom(from time.Time) []passage {
	r.mu.Lock()
	defer r.mu.Unlock()
	var due []passage
	for _, p := range r.probes {
		if !p.due.Before(from) {
			due = append(due, *p)
		}
	}
	return due
}

// wait returns at a time.
func wait(ctx context.Context, at time.Time) {
	timer := time.NewTimer(time.Until(at))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
