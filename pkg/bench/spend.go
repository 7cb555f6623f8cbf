package bench

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"highwater/pkg/event"
)

const (
	// warmFor is how long spends flow before they count: connections are made,
	// and whatever follows a partition begins to.
	warmFor = 2 * time.Second
	// spendWithin bounds one request.
	spendWithin = 30 * time.Second
	// coveredPercent is how many of a user's spends the balance covers.
	coveredPercent = 90
)

// SpendOptions say how to measure the latency of spends on an installation
// that runs.
type SpendOptions struct {
	// Ingest and Query are addresses of services, Admin those of processors.
	Ingest, Query string
	Admin         []string
	// Prefix begins the names of the users it makes; nobody else's may.
	Prefix string
	// Users is how many users spend, in turn; Rate how many spends there are a
	// second, and Over for how long.
	Users, Rate int
	Over        time.Duration
}

// spend is one, as its client saw it.
type spend struct {
	user, id string
	sent     time.Time
	took     time.Duration
	answer   spendAnswer
	err      error
}

// Spend measures. An error says that it couldn't; what speaks against the
// answers is in the result.
func Spend(ctx context.Context, o SpendOptions, say func(format string, args ...any)) (*SpendResult, error) {
	b := &spender{SpendOptions: o, client: &http.Client{
		Timeout: spendWithin, Transport: &http.Transport{MaxIdleConnsPerHost: 1024, IdleConnTimeout: time.Minute},
	}}
	defer b.client.CloseIdleConnections()
	warm, total := int(warmFor.Seconds()*float64(o.Rate)), int(o.Over.Seconds()*float64(o.Rate))
	if err := b.fund(ctx, (warm+total)/o.Users); err != nil {
		return nil, err
	}
	say("warming up for %s", warmFor)
	spends := b.run(ctx, 0, warm)
	before, err := b.gauges(ctx)
	if err != nil {
		return nil, err
	}
	say("%d spends a second for %s", o.Rate, o.Over)
	measured := b.run(ctx, warm, total)
	after, err := b.gauges(ctx)
	if err := errors.Join(ctx.Err(), err); err != nil {
		return nil, err
	}
	r := newSpendResult(&o, measured)
	r.Ingest = ingestHops(before[:1], after[:1])
	r.Processor = processorHops(before[1:], after[1:])
	say("asking for every entry")
	r.Disagreements = append(r.Disagreements, b.disagreements(ctx, append(spends, measured...))...)
	return r, ctx.Err()
}

// spender is one measurement.
type spender struct {
	SpendOptions
	client *http.Client
	// granted is what each user was given.
	granted int
}

func (b *spender) user(n int) string { return fmt.Sprintf("%s-%d", b.Prefix, n%b.Users) }

// fund gives each user what covers most of so many spends, and waits until it
// is there.
func (b *spender) fund(ctx context.Context, spends int) error {
	b.granted = max(spends*coveredPercent/100, 1)
	for n := range b.Users {
		var recorded struct {
			Position string `json:"position"`
		}
		path := b.Ingest + "/v1/users/" + b.user(n) + "/adds"
		if status, err := b.post(ctx, path, map[string]any{"event_id": "fund", "amount": b.granted}, &recorded); err != nil || status != http.StatusAccepted {
			return fmt.Errorf("give %s credits: status %d: %w", b.user(n), status, errors.Join(err, errStatus(status)))
		}
		path = b.Query + "/v1/users/" + b.user(n) + "/balance?min_position=" + recorded.Position
		if err := b.get(ctx, path, nil); err != nil {
			return err
		}
	}
	return nil
}

// run spends at the rate, each in a request of its own, however long the ones
// before take.
func (b *spender) run(ctx context.Context, from, n int) []*spend {
	spends := make([]*spend, 0, n)
	began := time.Now()
	next := time.NewTimer(0)
	defer next.Stop()
	var spending sync.WaitGroup
	for i := range n {
		next.Reset(time.Until(began.Add(time.Duration(i) * time.Second / time.Duration(b.Rate))))
		select {
		case <-next.C:
		case <-ctx.Done():
			spending.Wait()
			return spends
		}
		s := &spend{user: b.user(from + i), id: fmt.Sprint("spend-", from+i)}
		spends = append(spends, s)
		spending.Go(func() { b.spend(ctx, s) })
	}
	spending.Wait()
	return spends
}

// spend sends one, once: what isn't decided at once is told as such.
func (b *spender) spend(ctx context.Context, s *spend) {
	s.sent = time.Now()
	status, err := b.post(ctx, b.Ingest+"/v1/users/"+s.user+"/spends", map[string]any{"event_id": s.id, "amount": 1}, &s.answer)
	s.took = time.Since(s.sent)
	switch status {
	case http.StatusOK:
	case http.StatusPaymentRequired:
		s.answer.spendEntry = s.answer.Entry
	default:
		err = errors.Join(err, errStatus(status))
	}
	s.err = err
}

// disagreements says where answers can't be: each user's spends are accepted
// while the credits last, and every answer is the entry's.
func (b *spender) disagreements(ctx context.Context, spends []*spend) []string {
	var told []string
	byUser := map[string][]*spend{}
	for _, s := range spends {
		if s.err != nil {
			told = append(told, fmt.Sprintf("%s of %s wasn't answered: %v", s.id, s.user, s.err))
		}
		byUser[s.user] = append(byUser[s.user], s)
	}
	for n := range min(b.Users, len(byUser)) {
		user := b.user(n)
		entries, err := b.entries(ctx, user, byUser[user])
		if err != nil {
			return append(told, err.Error())
		}
		accepted, of := 0, byUser[user]
		for _, s := range of {
			e, ok := entries[s.id]
			if ok && e.Outcome == event.Accepted.String() {
				accepted++
			}
			if s.err == nil && (!ok || e != s.answer.spendEntry) {
				told = append(told, fmt.Sprintf("%s of %s was answered %+v, but the entry says %+v", s.id, user, s.answer.spendEntry, e))
			}
		}
		if want := min(b.granted, len(of)); accepted != want {
			told = append(told, fmt.Sprintf("%d of %d spends of %s were accepted on a balance of %d", accepted, len(of), user, b.granted))
		}
	}
	return told
}

// entries are a user's spends as the query service has them, once it has the
// last one.
func (b *spender) entries(ctx context.Context, user string, of []*spend) (map[string]spendEntry, error) {
	entries := make(map[string]spendEntry, len(of))
	newest := slices.MaxFunc(of, func(x, y *spend) int { return int(x.answer.Input.Offset - y.answer.Input.Offset) })
	path := fmt.Sprintf("%s/v1/users/%s/entries?limit=1000&min_position=%s", b.Query, user, newest.answer.Input)
	for cursor := ""; ; {
		var page struct {
			Items      []spendEntry `json:"items"`
			NextCursor *string      `json:"next_cursor"`
		}
		address := path
		if cursor != "" {
			address += "&cursor=" + cursor
		}
		if err := b.get(ctx, address, &page); err != nil {
			return nil, err
		}
		for _, e := range page.Items {
			entries[e.EventID] = e
		}
		if page.NextCursor == nil || *page.NextCursor == "" {
			return entries, nil
		}
		cursor = *page.NextCursor
	}
}
