package e2e

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/oracle"
)

const (
	clients = 50
	// passes is an asset whose grants expire and are revoked. It is checked like
	// the other, except that its history isn't searched for an order: what is
	// there depends on event time alone.
	passes = "passes"
	// thinking is how long a client waits between two calls, at most.
	thinking = 250 * time.Millisecond
	// gone is how long a processor stays away: longer than its session, so that
	// the other one takes over.
	gone = kafka.SessionTimeout + 2*time.Second
	// explainedWithin bounds the search for an order, spoiledWithin that for one
	// of a beginning and of each mutant, and stuckWithin that for what to show.
	explainedWithin = 2 * time.Minute
	spoiledWithin   = 5 * time.Second
	stuckWithin     = 10 * time.Second
)

// spendingFor is how long processors are killed; E2E_SPENDING says
// otherwise.
func spendingFor(t *testing.T) time.Duration {
	t.Helper()
	text := os.Getenv("E2E_SPENDING")
	if text == "" {
		return 30 * time.Second
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		t.Fatalf("E2E_SPENDING: %v", err)
	}
	return d
}

// seedOf is the test's seed; E2E_SEED repeats one. What is asked for is
// repeated, not when it happens.
func seedOf(t *testing.T) uint64 {
	t.Helper()
	seed := rand.Uint64N(1 << 32)
	if text := os.Getenv("E2E_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("E2E_SEED: %v", err)
		}
	}
	t.Logf("E2E_SEED=%d", seed)
	return seed
}

// spending is what all clients share.
type spending struct {
	in    *installation
	users []string

	mu sync.Mutex
	// These are guarded by mu: what was answered, and what there is to be named
	// in each account.
	made  []*made
	debit map[oracle.AccountName][]nameable
	grant map[oracle.AccountName][]string
}

// made is a call with its answer; an answer is nil for a fact.
type made struct {
	oracle.AccountName
	called
	said *said
}

// nameable is a spend or hold, from a time on.
type nameable struct {
	id   string
	from int64
}

// ingest starts an ingest service and gives its address.
func (in *installation) ingest(name, query string) string {
	in.t.Helper()
	address := freeAddress(in.t)
	p := &process{t: in.t, name: name, log: filepath.Join(in.dir, name+".log"), command: []string{
		"ingest",
		"--bootstrap-servers", in.servers,
		"--application-id", in.names.Application,
		"--topic-prefix", in.names.Prefix,
		"--query-url", query,
		"--listen", address,
	}}
	p.start()
	in.t.Cleanup(p.end)
	in.awaitReady(p, "http://"+address)
	return "http://" + address
}

// apart are users who live in different partitions.
func (in *installation) apart(n int) (users []string) {
	homes := map[int32]bool{}
	for i := 0; len(users) < n; i++ {
		user := fmt.Sprint("user-", i)
		if home := kafka.PartitionOf(user, in.partitions); !homes[home] {
			homes[home] = true
			users = append(users, user)
		}
	}
	return users
}

// Fifty clients spend, hold, capture, release, refund and transfer at once on
// few users, while one processor is killed every second, and then one stays
// away for good. Whatever they are answered must hold.
func TestSpendingWhileProcessorsAreKilled(t *testing.T) {
	seed, lasts := seedOf(t), spendingFor(t)
	in := install(t, 8)
	// So little lateness that what was retried for long is final before it comes.
	settings := []string{"--standbys", "8", "--allowed-lateness", "1s", "--listen"}
	addresses := []string{freeAddress(t), freeAddress(t)}
	var processes []*process
	for i, address := range addresses {
		processes = append(processes, in.start(fmt.Sprint("p", i), append(settings, address)...))
	}
	query := in.query()
	ingests := []string{in.ingest("ingest-0", query), in.ingest("ingest-1", query)}
	for i, address := range addresses {
		in.awaitReady(processes[i], "http://"+address)
	}
	news := in.follow()
	s := &spending{in: in, users: in.apart(4), debit: map[oracle.AccountName][]nameable{}, grant: map[oracle.AccountName][]string{}}

	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	began := time.Now()
	var running sync.WaitGroup
	var callers []*caller
	for n := range clients {
		c := &caller{client: newClient(), ingests: ingests, rng: rand.New(rand.NewPCG(seed, uint64(n)))}
		callers = append(callers, c)
		running.Go(func() { s.client(ctx, n, c) })
	}
	killInTurn(t, processes, lasts)
	processes[0].kill()
	wait(t, gone)
	processes[0].start()
	stop()
	running.Wait()
	if t.Failed() {
		// What a call without an answer did can't be judged.
		t.FailNow()
	}
	attempts, kills := 0, processes[0].kills+processes[1].kills
	for _, c := range callers {
		attempts += c.attempts
	}
	t.Logf("%d calls with %d attempts in %s, %d kills", len(s.made), attempts, time.Since(began).Round(time.Second), kills)
	// A kill meets several of the clients in the middle of a call.
	if again := attempts - len(s.made); again < 5*kills {
		t.Errorf("only %d calls were sent again after %d kills", again, kills)
	}

	seen := news.await(t, s.events())
	// Seconds tell of a transaction that a kill left open.
	t.Logf("what a transfer brought was seen %s after its answer, at most", s.underway(seen))
	said := in.published(news)
	in.awaitCurrent(query)
	s.explain(news, seen, query, seed)
	s.compare(said)
	s.askAgain(ingests, said, seed)
	s.conserved(said, query)
	in.verify(query)
}

// newClient has connections of its own.
func newClient() *http.Client {
	return &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 8, IdleConnTimeout: time.Minute}}
}

// wait lets time pass.
func wait(t *testing.T, d time.Duration) {
	t.Helper()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-t.Context().Done():
	}
}

// killInTurn kills one process after the other, one a second, and starts it
// again at once.
func killInTurn(t *testing.T, processes []*process, lasts time.Duration) {
	t.Helper()
	for n := range int(lasts / time.Second) {
		wait(t, time.Second)
		p := processes[n%len(processes)]
		p.kill()
		p.start()
	}
}

// client calls until it is stopped, and ends with an answer.
func (s *spending) client(ctx context.Context, n int, c *caller) {
	pause := time.NewTimer(0)
	defer pause.Stop()
	for i := 0; ; i++ {
		select {
		case <-ctx.Done():
			return
		case <-pause.C:
		}
		m := s.choose(c.rng, fmt.Sprintf("c%d-%d", n, i))
		if !s.call(c, m) {
			return
		}
		pause.Reset(rand.N(thinking))
	}
}

// call makes a call and notes what was answered.
func (s *spending) call(c *caller, m *made) bool {
	m.begun = time.Now().UnixMicro()
	if m.expires > 0 {
		m.expires += m.begun
	}
	var err error
	if m.said, err = c.call(s.in.t.Context(), requestOf(m.User, m.Asset, &m.called)); err != nil {
		s.in.t.Errorf("%s %s of %s: %v", m.kind, m.id, m.User, err)
		return false
	}
	m.ended = time.Now().UnixMicro()
	m.placed = m.ended
	s.mu.Lock()
	defer s.mu.Unlock()
	s.made = append(s.made, m)
	switch {
	case m.kind == event.Grant:
		s.grant[m.AccountName] = append(s.grant[m.AccountName], m.ref)
	case m.kind == event.Hold && m.expires > 0:
		s.debit[m.AccountName] = append(s.debit[m.AccountName], nameable{m.id, m.expires + 500_000})
	case m.kind == event.Hold, m.kind == event.Spend:
		// What was rejected is named now and then.
		if m.said.Outcome == event.Accepted.String() || c.rng.IntN(50) == 0 {
			s.debit[m.AccountName] = append(s.debit[m.AccountName], nameable{m.id, m.ended})
		}
	}
	return true
}

// The mix, in hundredths. Credits are few, so that many debits find too
// little.
var mix = []struct {
	kind event.Kind
	per  int
}{
	{event.Add, 9}, {event.Spend, 30}, {event.Hold, 18}, {event.Capture, 13}, {event.Release, 8}, {event.Refund, 12}, {event.Transfer, 10},
}

// choose chooses an operation.
func (s *spending) choose(rng *rand.Rand, id string) *made {
	m := &made{AccountName: oracle.AccountName{User: s.users[rng.IntN(len(s.users))], Asset: event.DefaultAsset}}
	m.id, m.given = id, 1+rng.Int64N(40)
	at := rng.IntN(100)
	for _, k := range mix {
		if m.kind = k.kind; at < k.per {
			break
		}
		at -= k.per
	}
	if rng.IntN(5) == 0 {
		m.Asset = passes
		if m.kind == event.Add {
			m.kind, m.ref, m.given = event.Grant, "grant-"+id, m.given*2
			m.expires = 3_000_000 + rng.Int64N(7_000_000)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	switch m.kind {
	case event.Grant:
		if grants := s.grant[m.AccountName]; len(grants) > 0 && rng.IntN(8) == 0 {
			m.kind, m.ref, m.given, m.expires = event.Revoke, grants[len(grants)-1], 0, 0
		}
	case event.Hold:
		// Some holds are left to time out.
		if rng.IntN(6) == 0 {
			m.expires = 4_000_000 + rng.Int64N(4_000_000)
		}
	case event.Transfer:
		for m.to = m.User; m.to == m.User; {
			m.to = s.users[rng.IntN(len(s.users))]
		}
	case event.Capture, event.Release, event.Refund:
		s.name(rng, m)
	}
	return m
}

// name chooses what an operation names: something recent, so that several
// clients name the same. Where there is nothing, it becomes a spend.
// REQUIRES: s.mu.
func (s *spending) name(rng *rand.Rand, m *made) {
	const recent = 12
	now := time.Now().UnixMicro()
	names := slices.DeleteFunc(slices.Clone(s.debit[m.AccountName]), func(n nameable) bool { return n.from > now })
	if len(names) == 0 {
		m.kind = event.Spend
		return
	}
	m.ref = names[max(len(names)-1-rng.IntN(recent), 0)].id
	if m.kind == event.Release || rng.IntN(2) == 0 {
		m.given = 0
	}
}
