package engine_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"highwater/pkg/engine"
	"highwater/pkg/event"
	"highwater/pkg/oracle"
	"highwater/pkg/oracle/gen"
)

var (
	histories = flag.Uint64("engine.histories", 200_000, "how many random histories to run; the slower and narrower properties run a part of them")
	seed      = flag.Uint64("engine.seed", 1, "the seed of the first random history")
)

// published is a Sink that keeps copies.
type published struct{ oracle.Records }

func cloneResult(r event.Result) event.Result {
	r.Slices, r.Repaid = slices.Clone(r.Slices), slices.Clone(r.Repaid)
	return r
}

func cloneEntry(e *event.Entry) event.Entry {
	c := *e
	c.Result = cloneResult(c.Result)
	return c
}

func (p *published) Entry(e *event.Entry) { p.Entries = append(p.Entries, cloneEntry(e)) }
func (p *published) Settled(e *event.Entry) {
	p.Records.Settled = append(p.Records.Settled, cloneEntry(e))
}
func (p *published) Correction(c *event.Correction) {
	d := *c
	d.Changes, d.Entries = slices.Clone(d.Changes), slices.Clone(d.Entries)
	for i := range d.Entries {
		for _, r := range []**event.Result{&d.Entries[i].Before, &d.Entries[i].After} {
			if *r != nil {
				copied := cloneResult(**r)
				*r = &copied
			}
		}
	}
	p.Corrections = append(p.Corrections, d)
}
func (p *published) Balance(b *event.Balance)       { p.Balances = append(p.Balances, *b) }
func (p *published) OrderState(o *event.OrderState) { p.OrderStates = append(p.OrderStates, *o) }
func (p *published) OrderStats(o *event.OrderStats) {
	p.Records.OrderStats = append(p.Records.OrderStats, *o)
}
func (p *published) Watermark(w *event.Watermark) { p.Watermarks = append(p.Watermarks, *w) }
func (p *published) Alert(a *event.Alert)         { p.Alerts = append(p.Alerts, *a) }
func (p *published) Remittance(r *event.Remittance) {
	c := *r
	c.Grants = slices.Clone(r.Grants)
	p.Remittances = append(p.Remittances, c)
}
func (p *published) DeadLetter(_ *engine.Record, d *event.DeadLetter) {
	p.DeadLetters = append(p.DeadLetters, *d)
}

// host runs one engine over rows, and makes it anew where the scenario or the
// test says so.
type host struct {
	cfg  engine.Config
	rows *memory
	out  *published
	e    *engine.Engine
	// chapters and volumes are how many earlier engines jumped.
	chapters, volumes int
}

// How much of the accounts memory holds: nothing longer than a transaction,
// everything, or everybody's ops that aren't settled.
const (
	noMemory     = 0
	allMemory    = 1 << 30
	recentMemory = 1 << 29
	// oneRound forgets who wasn't needed in the transaction before, and of the
	// others what isn't recent.
	oneRound = 1
)

// rowCaches are how many bytes of rows stay of who leaves memory: none, so few
// that they are dropped all the time, and all.
var rowCaches = [...]int{0, 1000, 1 << 20}

func newHost(c oracle.Config, cacheBytes int) *host {
	h := &host{
		cfg: engine.Config{
			Partition: c.Partition, Policies: c.Policies, Lateness: c.Lateness, IdleTimeout: c.IdleTimeout,
			IdleHold: c.IdleHold, FutureSkew: c.FutureSkew, Horizon: c.Horizon, Settled: c.Settled, CacheBytes: cacheBytes,
		},
		rows: newMemory(), out: &published{},
	}
	if cacheBytes == recentMemory || cacheBytes == oneRound {
		h.cfg.KeepFor = 1
	}
	if cacheBytes == noMemory || cacheBytes == oneRound {
		h.cfg = h.cfg.WithRowCache(rowCaches[c.Lateness/(5*second)%int64(len(rowCaches))])
	}
	h.open()
	return h
}

func (h *host) open() {
	e, err := engine.New(h.cfg, h.rows, h.out)
	if err != nil {
		panic(err)
	}
	if h.e != nil {
		h.countJumps()
	}
	h.e = e
}

// countJumps adds what the engine jumped.
func (h *host) countJumps() {
	chapters, volumes := h.e.Jumps()
	h.chapters += chapters
	h.volumes += volumes
}

func (h *host) run(tx *gen.Transaction) (*oracle.Records, error) {
	h.out.Records = oracle.Records{}
	if tx.TakeOver {
		h.open()
	}
	if tx.Policies != nil {
		h.cfg.Policies = *tx.Policies
		h.e.SetPolicies(h.cfg.Policies)
	}
	h.e.Begin(tx.Now)
	for i := range tx.Arrivals {
		h.process(&tx.Arrivals[i])
	}
	return &h.out.Records, h.commit()
}

// commit ends the transaction and looks whether everybody will be found, and as
// he is.
func (h *host) commit() error {
	if err := h.e.Commit(); err != nil {
		return err
	}
	if who := h.e.Unfound(); who != "" {
		return fmt.Errorf("I5: no due row brings %s", who)
	}
	return h.e.CheckStates()
}

func (h *host) process(a *oracle.Arrival) {
	rec := engine.Record{Input: a.Input, ArrivedAt: a.ArrivedAt, Refusal: a.Refusal, Remittance: a.Remittance}
	if a.Refusal == nil && a.Remittance == nil {
		ev := a.Event
		// As the codec does it.
		ev.FillDefaults()
		if ev.Kind.IsOrder() {
			ev.Amount = event.NoAmount
		}
		rec.Event = &ev
	}
	h.e.Process(&rec)
}

// aPart is how many histories a property runs that runs one of so many.
func aPart(of uint64) uint64 { return max(*histories/of, 1) }

// property runs check on one of so many random scenarios and shows one that
// fails in its smallest form.
func property(t *testing.T, of uint64, o gen.Options, check func(gen.Scenario) error) {
	t.Helper()
	each(t, of, func(seed uint64) gen.Scenario { return gen.Random(seed, o) }, check)
}

// each is property on scenarios of another making.
func each(t *testing.T, of uint64, random func(seed uint64) gen.Scenario, check func(gen.Scenario) error) {
	t.Helper()
	t.Logf("%d histories from seed %d", aPart(of), *seed)
	const lanes = 2
	for lane := range uint64(lanes) {
		t.Run(fmt.Sprintf("lane%d", lane), func(t *testing.T) {
			t.Parallel()
			for n := lane; n < aPart(of); n += lanes {
				s := random(*seed + n)
				if guarded(check, s) == nil {
					continue
				}
				small := gen.Shrink(s, func(s gen.Scenario) bool { return guarded(check, s) != nil })
				name, _, _ := strings.Cut(t.Name(), "/")
				t.Fatalf("%v\n\nin the scenario\n%s\nreplay: go test ./pkg/engine -run %s -engine.seed=%d -engine.histories=1",
					guarded(check, small), small, name, *seed+n)
			}
		})
	}
}

// guarded makes a broken invariant an error, so that it can be shrunk.
func guarded(check func(gen.Scenario) error, s gen.Scenario) (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	return check(s)
}

// agrees steps the scenario through model and engine and compares all they
// publish, transaction by transaction.
func agrees(cacheBytes int) func(gen.Scenario) error {
	return func(s gen.Scenario) error {
		h := newHost(s.Config, cacheBytes)
		var err error
		s.Run(func(tx *gen.Transaction, _ *oracle.Model, want *oracle.Records) bool {
			var got *oracle.Records
			if got, err = h.run(tx); err == nil {
				inKeyOrder(got)
				if d := oracle.Diff(want, got); d != "" {
					err = fmt.Errorf("at tx %s: %s", oracle.TimeText(tx.Now), d)
				}
			}
			return err == nil
		})
		return err
	}
}

// inKeyOrder puts balances, order states and windows into the order of their keys, as
// the oracle has them: the engine publishes them in the order in which they
// changed. The seqs stay where they are, so a gap or a repeat still shows.
func inKeyOrder(r *oracle.Records) {
	sortKeepingSeqs(r.Balances, func(b *event.Balance) (string, *int64) { return b.UserID + "\x00" + b.Asset, &b.Seq })
	sortKeepingSeqs(r.OrderStates, func(o *event.OrderState) (string, *int64) { return o.UserID + "\x00" + o.OrderID, &o.Seq })
	sortKeepingSeqs(r.OrderStats, func(o *event.OrderStats) (string, *int64) {
		return fmt.Sprintf("%s\x00%020d", o.Currency, o.WindowStart), &o.Seq
	})
}

func sortKeepingSeqs[T any](records []T, look func(*T) (key string, seq *int64)) {
	var seqs []int64
	for i := range records {
		_, seq := look(&records[i])
		seqs = append(seqs, *seq)
	}
	slices.SortStableFunc(records, func(a, b T) int {
		ka, _ := look(&a)
		kb, _ := look(&b)
		return cmp.Compare(ka, kb)
	})
	for i := range records {
		_, seq := look(&records[i])
		*seq = seqs[i]
	}
}

// I1 to I4, I6, I7: what the engine publishes is what the oracle says, with
// everything in memory and with nothing kept in memory.
func TestEngineAgreesWithOracle(t *testing.T) {
	t.Parallel()
	property(t, 1, gen.Options{TakeOvers: true}, agrees(allMemory))
}

func TestEngineWithoutMemoryAgreesWithOracle(t *testing.T) {
	t.Parallel()
	property(t, 20, gen.Options{TakeOvers: true}, agrees(noMemory))
}

func TestEngineThatForgetsAgreesWithOracle(t *testing.T) {
	t.Parallel()
	property(t, 40, gen.Options{TakeOvers: true}, agrees(recentMemory))
	property(t, 40, gen.Options{TakeOvers: true}, agrees(oneRound))
}

// Long histories pass checkpoints, are trimmed in memory and read back.
func TestLongHistoriesAgreeWithOracle(t *testing.T) {
	t.Parallel()
	for _, cacheBytes := range []int{noMemory, allMemory, recentMemory, oneRound} {
		property(t, 600, gen.Options{TakeOvers: true, Transactions: 150}, agrees(cacheBytes))
	}
}

// Moves of the watermark that are cut into many transactions, with a new
// owner after each, say the same as whole ones.
func TestCutMovesAgreeWithOracle(t *testing.T) {
	t.Parallel()
	property(t, 20, gen.Options{TakeOvers: true}, func(s gen.Scenario) error {
		h := newHost(s.Config, noMemory)
		if len(s.Transactions)%2 > 0 {
			h = tiny(s)
		}
		h.cfg.MaxMoves = 1
		h.open()
		wantWindows, gotWindows := windows{}, windows{}
		var err error
		s.Run(func(tx *gen.Transaction, _ *oracle.Model, want *oracle.Records) bool {
			var got *oracle.Records
			if got, err = h.runCut(tx); err != nil {
				return false
			}
			wantWindows.take(want)
			gotWindows.take(got)
			// What is said once a transaction is said more often.
			for _, r := range []*oracle.Records{want, got} {
				r.Balances, r.OrderStates, r.OrderStats, r.Watermarks = nil, nil, nil, nil
			}
			if d := oracle.Diff(want, got); d != "" {
				err = fmt.Errorf("at tx %s: %s", oracle.TimeText(tx.Now), d)
			} else if !maps.Equal(wantWindows, gotWindows) {
				err = fmt.Errorf("at tx %s: the windows are\n%+v, not\n%+v", oracle.TimeText(tx.Now), gotWindows, wantWindows)
			}
			return err == nil
		})
		return err
	})
}

// windows are those of the order statistics as they were published last, but
// for those in which nothing happened in the end.
type windows map[string]standingWindow

type standingWindow struct {
	event.Tally
	final bool
}

func (w windows) take(r *oracle.Records) {
	for i := range r.OrderStats {
		s := &r.OrderStats[i]
		key := fmt.Sprintf("%s %s", s.Currency, s.WindowStart)
		if w[key] = (standingWindow{s.Tally, s.Final}); s.Tally == (event.Tally{}) {
			delete(w, key)
		}
	}
}

// runCut runs a transaction as many as the engine needs.
func (h *host) runCut(tx *gen.Transaction) (*oracle.Records, error) {
	h.out.Records = oracle.Records{}
	if tx.TakeOver {
		h.open()
	}
	if tx.Policies != nil {
		h.cfg.Policies = *tx.Policies
		h.e.SetPolicies(h.cfg.Policies)
	}
	h.e.Begin(tx.Now)
	settle := func() error {
		for n := 0; h.e.Busy(); n++ {
			if n > 1000 {
				return fmt.Errorf("the watermark's move to %s doesn't end", h.e.Watermark())
			}
			if err := h.commit(); err != nil {
				return err
			}
			h.e.ForgetAccounts()
			h.e.Begin(tx.Now)
		}
		return nil
	}
	for i := range tx.Arrivals {
		if err := settle(); err != nil {
			return nil, err
		}
		h.process(&tx.Arrivals[i])
	}
	if err := settle(); err != nil {
		return nil, err
	}
	return &h.out.Records, h.commit()
}
