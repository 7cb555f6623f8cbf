package e2e

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/oracle"
)

// events are those that must have an entry: all, and what transfers brought.
func (s *spending) events() (events []eventOf) {
	for _, m := range s.made {
		events = append(events, eventOf{m.User, m.id})
		if m.kind == event.Transfer && m.isAccepted() {
			events = append(events, eventOf{m.to, m.id})
		}
	}
	return events
}

func (m *made) isAccepted() bool { return m.said != nil && m.said.Outcome == event.Accepted.String() }

// answered is a call's answer as the model takes it.
func (m *made) answered(t *testing.T) answered {
	t.Helper()
	if m.said == nil {
		return answered{outcome: event.Applied, amount: m.given}
	}
	var o answered
	var ok bool
	if o.outcome, ok = event.ParseOutcome(m.said.Outcome); !ok {
		t.Fatalf("%s %s: outcome %q", m.kind, m.id, m.said.Outcome)
	}
	if m.said.Code != nil {
		if o.code, ok = event.ParseCode(*m.said.Code); !ok {
			t.Fatalf("%s %s: code %q", m.kind, m.id, *m.said.Code)
		}
	}
	if m.said.Amount != nil {
		o.amount = *m.said.Amount
	}
	return o
}

// underway is how long after its answer what a transfer brought was seen, at
// most.
func (s *spending) underway(seen map[eventOf]int64) time.Duration {
	longest := int64(0)
	for _, m := range s.made {
		if m.kind == event.Transfer && m.isAccepted() {
			longest = max(longest, seen[eventOf{m.to, m.id}]-m.ended)
		}
	}
	return time.Duration(longest) * time.Microsecond
}

// explain finds an order of everything that happened to each user's credits
// that explains what clients were answered: the one in which it was processed,
// or, where that one doesn't, one that is searched for.
func (s *spending) explain(news *news, seen map[eventOf]int64, query string, seed uint64) {
	t := s.in.t
	began := time.Now()
	histories := make([][]porcupine.Operation, len(s.users))
	for i, user := range s.users {
		histories[i] = s.history(user, seen, query)
	}
	results := make([]porcupine.CheckResult, len(s.users))
	var searching sync.WaitGroup
	for i, user := range s.users {
		ops := histories[i]
		t.Logf("%s: %s", user, tally(ops))
		end := len(ops) - 1
		if want, got := left(ops[:end]), ops[end].Output.(read); got != want {
			t.Errorf("%s: what was accepted leaves %+v, but a query finds %+v: %s", user, want, got, s.keep(user, describeHistory(ops)))
			continue
		}
		why := unexplained(ops, processed(ops, news.of(user, kafka.PartitionOf(user, s.in.partitions))))
		if why == "" {
			results[i] = porcupine.Ok
			continue
		}
		t.Logf("%s: another order is searched for than that of processing: %s", user, why)
		searching.Go(func() { results[i] = explain(ops, explainedWithin) })
	}
	searching.Wait()
	t.Logf("what happened took %s to explain", time.Since(began).Round(time.Millisecond))
	refused := 0
	for i, user := range s.users {
		switch results[i] {
		case porcupine.Ok:
			refused += s.spoil(user, histories[i], seed)
			continue
		case porcupine.Unknown:
			t.Errorf("no order that explains what happened to %s was found within %s", user, explainedWithin)
		case porcupine.Illegal:
			t.Errorf("no order explains what happened to %s", user)
		default: // the balance said it above
			continue
		}
		t.Logf("%s: %s", user, s.keep(user, describeHistory(histories[i])+"\n"+stuck(histories[i], stuckWithin)))
	}
	if refused == 0 {
		t.Error("no mutant of what happened was refused: the search proves too little")
	}
	t.Logf("with the mutants it took %s", time.Since(began).Round(time.Millisecond))
}

// processed is the order in which a history was processed, by its entries, with
// the read at the end. A hold times out before the first entry of that time or
// a later one, but after the hold.
func processed(ops []porcupine.Operation, entries []event.Entry) (order []int) {
	ids, timeouts := map[string]int{}, map[string]int{}
	end := len(ops) - 1
	for i, op := range ops[:end] {
		if c := op.Input.(*called); c.kind == event.HoldExpired {
			timeouts[c.ref] = i
		} else {
			ids[c.id] = i
		}
	}
	var due []int
	timeOut := func(upTo int64) {
		slices.SortFunc(due, func(a, b int) int { return cmp.Compare(ops[a].Call, ops[b].Call) })
		for len(due) > 0 && ops[due[0]].Call <= upTo {
			order, due = append(order, due[0]), due[1:]
		}
	}
	passed := int64(0)
	for i := range entries {
		e := &entries[i]
		id, ok := ids[e.EventID]
		if !ok || e.Outcome == event.Pending {
			continue
		}
		passed = max(passed, int64(e.EffectiveAt))
		timeOut(passed)
		order = append(order, id)
		if id, ok := timeouts[e.EventID]; ok {
			due = append(due, id)
		}
	}
	timeOut(math.MaxInt64)
	return append(order, end)
}

// spoil makes mutants of a history's beginning, which no order may explain:
// else the search would prove nothing. It tells how many are refused.
func (s *spending) spoil(user string, ops []porcupine.Operation, seed uint64) (refused int) {
	begin := s.beginning(ops)
	if begin == nil {
		return 0
	}
	open := 0
	for _, m := range mutants {
		if m.byOverlap {
			continue
		}
		spoiled, ok := m.mutate(rand.New(rand.NewPCG(seed, 0)), slices.Clone(begin))
		if !ok {
			continue
		}
		switch explain(spoiled, spoiledWithin) {
		case porcupine.Ok:
			s.in.t.Errorf("what happened to %s at first is explained where %s", user, m.name)
		case porcupine.Illegal:
			refused++
		default: // the search took too long to say anything
			open++
		}
	}
	s.in.t.Logf("%s: %d mutants of the first %d operations are refused, %d searches took too long", user, refused, len(begin), open)
	return refused
}

// beginning is as much of a history's first moments as can be explained alone:
// an answer may rest on what began later. To find that there is no order takes
// long, so that not all of a history can be used.
func (s *spending) beginning(ops []porcupine.Operation) []porcupine.Operation {
	began := ops[0].Call
	for _, op := range ops {
		began = min(began, op.Call)
	}
	for long := int64(700_000); long > 0; long -= 50_000 {
		begin := slices.DeleteFunc(slices.Clone(ops), func(op porcupine.Operation) bool { return op.Call > began+long })
		begin = append(begin, readAfter(begin, left(begin)))
		if explain(begin, spoiledWithin) == porcupine.Ok {
			return begin
		}
	}
	return nil
}

// tally counts operations and what became of them.
func tally(ops []porcupine.Operation) string {
	counts := map[string]int{}
	for _, op := range ops {
		if o, ok := op.Output.(answered); ok {
			counts[op.Input.(*called).kind.String()]++
			counts["= "+o.outcome.String()+" "+o.code.String()]++
		}
	}
	return strings.TrimPrefix(fmt.Sprint(counts), "map")
}

// keep writes a history down, and says where.
func (s *spending) keep(user, text string) string {
	path := filepath.Join(os.TempDir(), s.in.names.Prefix+user+".history")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		return err.Error()
	}
	return path
}

// history is what happened to a user's credits, and what a query finds after
// all of it: also after time-outs that are still to come.
func (s *spending) history(user string, seen map[eventOf]int64, query string) []porcupine.Operation {
	var ops []porcupine.Operation
	end := time.Now().UnixMicro()
	add := func(c *called, o answered) { ops = append(ops, operation(len(ops), c, o)) }
	for _, m := range s.made {
		if m.Asset != event.DefaultAsset {
			continue
		}
		o := m.answered(s.in.t)
		c := m.called
		switch {
		case m.User != user:
		case m.said == nil:
			c.ended = max(c.ended, seen[eventOf{user, m.id}])
			add(&c, o)
		default:
			add(&c, o)
			if m.kind == event.Hold && m.expires > 0 && m.isAccepted() {
				end = max(end, m.expires)
				add(&called{kind: event.HoldExpired, ref: m.id, begun: m.expires, ended: m.expires + 1, placed: m.expires}, answered{amount: m.given})
			}
		}
		if m.to == user && m.isAccepted() {
			c.kind = event.Received
			c.ended = max(c.begun+1, seen[eventOf{user, m.id}])
			add(&c, answered{outcome: event.Applied, amount: o.amount})
		}
	}
	left, err := balanceAt(s.in.t.Context(), query, oracle.AccountName{User: user, Asset: event.DefaultAsset}, event.Time(end))
	if err != nil {
		s.in.t.Fatalf("the balance of %s: %v", user, err)
	}
	return append(ops, readAfter(ops, read{left.Balance, left.Held}))
}

// compare holds every answer against the entries: what was decided is the same
// in all of them; the slices are what was said at some time.
func (s *spending) compare(said *published) {
	t := s.in.t
	for _, m := range s.made {
		versions := said.versions[eventOf{m.User, m.id}]
		for i := range versions {
			if v := &versions[i]; m.Asset == event.DefaultAsset && v.Shortfall != 0 {
				t.Errorf("%s %s of %s is short of %d", m.kind, m.id, m.User, v.Shortfall)
			}
		}
		if m.said != nil {
			m.agrees(t, m.said, versions, "the answer")
		}
	}
}

// agrees holds an entry against the versions of it that were published.
func (m *made) agrees(t *testing.T, s *said, versions []event.Result, what string) {
	t.Helper()
	isSaid := false
	for i := range versions {
		v := &versions[i]
		if why := decidedAs(s, v); why != "" {
			t.Errorf("%s to %s %s of %s: %s", what, m.kind, m.id, m.User, why)
			return
		}
		isSaid = isSaid || sliced(s, v)
	}
	if s.EventID != m.id || s.UserID != m.User {
		t.Errorf("%s to %s of %s is about %s of %s", what, m.id, m.User, s.EventID, s.UserID)
	}
	if !isSaid {
		t.Errorf("%s to %s %s of %s has slices %v, which were never said: %+v", what, m.kind, m.id, m.User, s.Slices, versions)
	}
}

// decidedAs says how an answer differs from an entry in what was decided.
func decidedAs(s *said, r *event.Result) string {
	code, amount := "", event.NoAmount
	if s.Code != nil {
		code = *s.Code
	}
	if s.Amount != nil {
		amount = event.Amount(*s.Amount)
	}
	if s.Outcome != r.Outcome.String() || code != r.Code.String() || amount != r.Amount {
		return fmt.Sprintf("%s %s %d, but the entry says %s %s %d", s.Outcome, code, amount, r.Outcome, r.Code, r.Amount)
	}
	return ""
}

func sliced(s *said, r *event.Result) bool {
	if len(s.Slices) != len(r.Slices) {
		return false
	}
	for i, slice := range s.Slices {
		expires := event.NoTime
		if slice.ExpiresAt != nil {
			var err error
			if expires, err = event.ParseTime(*slice.ExpiresAt); err != nil {
				return false
			}
		}
		if (event.Slice{GrantID: slice.GrantID, Amount: event.Amount(slice.Amount), ExpiresAt: expires}) != r.Slices[i] {
			return false
		}
	}
	return true
}

// askAgain sends every operation once more, with the same event_id, to the
// service that may not have seen it: the answer is what was decided, with the
// slices as they stand now.
func (s *spending) askAgain(ingests []string, said *published, seed uint64) {
	t := s.in.t
	began := time.Now()
	next := make(chan *made)
	var asking sync.WaitGroup
	for n := range clients {
		c := &caller{client: newClient(), ingests: ingests[1:], rng: rand.New(rand.NewPCG(seed, uint64(clients+n)))}
		asking.Go(func() {
			for m := range next {
				answer, err := c.call(t.Context(), requestOf(m.User, m.Asset, &m.called))
				if err != nil {
					t.Errorf("%s %s of %s, asked again: %v", m.kind, m.id, m.User, err)
					continue
				}
				versions := said.versions[eventOf{m.User, m.id}]
				for i := range versions[:len(versions)-1] {
					if why := decidedAs(answer, &versions[i]); why != "" {
						t.Errorf("%s %s of %s, asked again: %s", m.kind, m.id, m.User, why)
					}
				}
				m.agrees(t, answer, versions[len(versions)-1:], "the second answer")
			}
		})
	}
	asked := 0
	for _, m := range s.made {
		if m.said != nil {
			asked++
			next <- m
		}
	}
	close(next)
	asking.Wait()
	t.Logf("asked %d again in %s", asked, time.Since(began).Round(time.Millisecond))
}

// conserved adds up what happened to every credit: what isn't available, held,
// consumed, expired, revoked or sent is lost, or was made of nothing.
func (s *spending) conserved(said *published, query string) {
	t := s.in.t
	sent, received := map[string]int64{}, map[string]int64{}
	grantOf := map[eventOf]string{}
	for _, m := range s.made {
		if m.kind == event.Revoke {
			grantOf[eventOf{m.User, m.id}] = m.ref
		}
	}
	for name, p := range said.purses(grantOf) {
		t.Logf("%s/%s: %s", name.User, name.Asset, p)
		if p.granted+p.received != p.available+p.held+p.consumed+p.expired+p.revoked+p.sent {
			t.Errorf("%s/%s isn't conserved: %s", name.User, name.Asset, p)
		}
		received[name.Asset] += p.received
		// Where nothing was accepted, there is no step.
		var last event.Balances
		if steps := said.fold.Steps(name.User, name.Asset); len(steps) > 0 {
			last = steps[len(steps)-1].Balances
		}
		want := event.Balances{Balance: p.available, Held: p.held}
		if last != want {
			t.Errorf("%s/%s: the entries add up to %+v, but the balance is %+v", name.User, name.Asset, want, last)
		}
		newest, _ := said.fold.Newest(name.User, name.Asset)
		if got, err := balanceAt(t.Context(), query, name, newest); err != nil || got != want {
			t.Errorf("%s/%s at %s: the entries add up to %+v, but the query service says %+v (%v)", name.User, name.Asset, newest, want, got, err)
		}
	}
	// A transfer that was uncovered later sends all the same.
	for at, r := range said.standing {
		if at.kind == event.Transfer && r.Outcome == event.Accepted {
			sent[at.Asset] += int64(r.Amount)
		}
	}
	for asset := range received {
		if sent[asset] != received[asset] {
			t.Errorf("of %s, %d were sent and %d received", asset, sent[asset], received[asset])
		}
	}
}

// balanceAt is what the query service says.
func balanceAt(ctx context.Context, query string, of oracle.AccountName, at event.Time) (event.Balances, error) {
	address := fmt.Sprintf("%s/v1/users/%s/balance?asset=%s&at=%s", query, of.User, of.Asset, url.QueryEscape(at.String()))
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return event.Balances{}, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return event.Balances{}, err
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return event.Balances{}, err
	}
	var b struct{ Balance, Held, Debt *int64 }
	if err := json.Unmarshal(text, &b); err != nil || b.Balance == nil || b.Held == nil || b.Debt == nil {
		return event.Balances{}, fmt.Errorf("status %d: %s (%w)", answer.StatusCode, text, err)
	}
	return event.Balances{Balance: *b.Balance, Held: *b.Held, Debt: *b.Debt}, nil
}
