package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
	"time"

	"highwater/pkg/event"
)

// What is asked for.
const (
	nobody      = "nobody" // asks
	balanceNow  = "now"
	balanceThen = "past"
)

// comparedEach is which answers are compared: one of so many.
const comparedEach = 100

// Query are reads of balances over HTTP.
type Query struct {
	Clients int      `json:"clients"`
	Phases  []*Reads `json:"phases"`
	// Compared is how many answers were held against what the balances topic says
	// last, Wrong what speaks against these or others.
	Compared int      `json:"compared"`
	Wrong    []string `json:"wrong"`
}

func (q *Query) refused() bool { return len(q.Wrong) > 0 || q.Compared == 0 }

// add takes what a client found, and says how many of its requests failed.
func (q *Query) add(a *asker) (failed int) {
	q.Compared += a.compared
	q.Wrong = append(q.Wrong, a.wrong...)
	return len(a.wrong)
}

// Reads are those of one phase.
type Reads struct {
	// Asked is "now" or "past" for the balance at these times, "nobody" where
	// nobody asks.
	Asked string `json:"asked"`
	// Rate is how many events a second came meanwhile.
	Rate              int       `json:"rate"`
	Seconds           float64   `json:"seconds"`
	Requests          int       `json:"requests"`
	Failed            int       `json:"failed"`
	RequestsPerSecond float64   `json:"requests_per_second"`
	Latency           Quantiles `json:"latency"`
	// CPU is all that the service used, for following the changelogs, too.
	CPU                  float64 `json:"cpu_seconds"`
	CPUPerThousand       float64 `json:"cpu_seconds_per_thousand_requests"`
	RequestsPerCPUSecond float64 `json:"requests_per_cpu_second"`
	// Entry is from when an event was due to reading its entry, Included to an
	// answer that was asked for with its position, Lag how much later that was, 0
	// where it was sooner; nil where no events came.
	Entry    *Quantiles `json:"entry,omitempty"`
	Included *Quantiles `json:"included,omitempty"`
	Lag      *Quantiles `json:"lag,omitempty"`
}

func (r *Reads) name() string {
	if r.Rate == 0 {
		return r.Asked
	}
	return fmt.Sprintf("%s at %d/s", r.Asked, r.Rate)
}

// count is about requests that took so long each, and all of them together.
func (r *Reads) count(took, cpu time.Duration, waits []time.Duration) {
	r.Seconds, r.Requests, r.CPU, r.Latency = took.Seconds(), len(waits), cpu.Seconds(), quantiles(waits)
	r.RequestsPerSecond = over(float64(len(waits)), r.Seconds)
	r.CPUPerThousand = over(r.CPU, float64(len(waits))) * 1000
	r.RequestsPerCPUSecond = over(float64(len(waits)), r.CPU)
}

// follow is about events that were due before some time, and those of them that
// were asked for.
func (r *Reads) follow(entries, probes []passage, before time.Time) {
	read := make(map[string]time.Time, len(entries))
	for i := range entries {
		read[entries[i].mark] = entries[i].read
	}
	var lags []time.Duration
	for i := range probes {
		p := &probes[i]
		if at, ok := read[p.mark]; ok && p.due.Before(before) {
			lags = append(lags, max(0, p.read.Sub(at)))
		}
	}
	entry, included, lag := quantiles(waits(entries, before)), quantiles(waits(probes, before)), quantiles(lags)
	r.Entry, r.Included, r.Lag = &entry, &included, &lag
}

// asker asks for one balance after the other.
type asker struct {
	*reader
	draws    *rand.Rand
	waits    []time.Duration
	compared int
	// wrong are requests that failed, and answers that can't be.
	wrong []string
}

// newAsker draws as no other does: phase and n tell them apart.
func (r *reader) newAsker(phase, n int) *asker {
	return &asker{reader: r, draws: rand.New(rand.NewPCG(r.Seed, uint64(phase)<<32|uint64(n)))}
}

func (a *asker) unit() float64 { return float64(a.draws.Uint64()>>11) / (1 << 53) }

// run asks until some time, and counts from another on. It ends at the first
// failure: one is enough.
func (a *asker) run(ctx context.Context, asked string, from, to time.Time, compare bool) {
	for n := 1; ctx.Err() == nil && len(a.wrong) == 0; n++ {
		began := time.Now()
		if !began.Before(to) {
			return
		}
		took := a.ask(ctx, asked, compare && n%comparedEach == 0)
		if !began.Before(from) {
			a.waits = append(a.waits, took)
		}
	}
}

// ask asks for the balance of a user drawn like those of events: now, or at a
// time while events happened, which is the newest one that something was said of
// where the answer is compared with that.
func (a *asker) ask(ctx context.Context, asked string, compare bool) (took time.Duration) {
	user := userOf(a.load.ranks.at(a.unit()))
	published, ok := a.said[user]
	path := "/v1/users/" + user + "/balance"
	if asked == balanceThen {
		at := a.load.base + event.Time(a.unit()*float64(event.Time(a.workload.Events)*interval))
		if compare {
			at = published.asOf
		}
		path += "?at=" + strconv.FormatInt(int64(at), 10)
	}
	began := time.Now()
	answer, err := a.get(ctx, path)
	took = time.Since(began)
	told := ""
	switch {
	case err != nil:
		told = err.Error()
	case !bytes.HasPrefix(answer, []byte(`{"user_id":"`+user+`"`)):
		told = fmt.Sprintf("%s is answered with %s", path, answer[:min(len(answer), maxSaid)])
	case compare && !ok:
		told = fmt.Sprintf("%s is answered, but nothing was published of %s", path, user)
	case compare:
		differs, known := published.differs(answer)
		if known {
			a.compared++
		}
		if differs != "" {
			told = path + ": " + differs
		}
	}
	if told != "" && ctx.Err() == nil {
		a.wrong = append(a.wrong, told)
	}
	return took
}

// said is a balance as it was published, as of a time, and when it changes by
// itself.
type said struct {
	event.Balances
	asOf, next event.Time
}

// differs says how an answer isn't what was published last. It isn't known where
// the answer is of a time when the balance has changed by itself.
func (s *said) differs(answer []byte) (told string, known bool) {
	var is struct {
		At      string
		Balance *int64
		Held    int64
		Debt    int64
	}
	if err := json.Unmarshal(answer, &is); err != nil {
		return err.Error(), true
	}
	at, err := event.ParseTime(is.At)
	switch {
	case err != nil:
		return err.Error(), true
	case at < s.asOf:
		return fmt.Sprintf("is of %s, before %s, of which the newest thing was said", at, s.asOf), true
	case s.next != event.NoTime && at >= s.next:
		return "", false
	case is.Balance == nil:
		return fmt.Sprintf("has no balance; %d was published", s.Balance), true
	case event.Balances{Balance: *is.Balance, Held: is.Held, Debt: is.Debt} != s.Balances:
		return fmt.Sprintf("balance %d, held %d, debt %d; published were %d, %d, %d", *is.Balance, is.Held, is.Debt, s.Balance, s.Held, s.Debt), true
	}
	return "", true
}

func (f *figures) reads(r *Reads) {
	add := func(value float64, unit, name string) { f.add(value, unit, "%s: %s", r.name(), name) }
	if r.Asked != nobody {
		add(r.RequestsPerSecond, "requests/s", "requests")
		add(r.Latency.P50, "ms", "latency, p50")
		add(r.Latency.P90, "ms", "latency, p90")
		add(r.Latency.P99, "ms", "latency, p99")
		add(r.CPUPerThousand, "CPU-s/1,000", "cpu of query")
		add(r.RequestsPerCPUSecond, "requests/CPU-s", "requests of a core")
	}
	if r.Entry == nil {
		return
	}
	add(over(r.CPU, r.Seconds), "cores", "cores of query")
	add(r.Entry.P50, "ms", "entry, p50")
	add(r.Entry.P99, "ms", "entry, p99")
	add(r.Included.P50, "ms", "included, p50")
	add(r.Included.P99, "ms", "included, p99")
	add(r.Lag.P50, "ms", "lag, p50")
	add(r.Lag.P99, "ms", "lag, p99")
	add(r.Lag.Max, "ms", "lag, max")
}
