package verify

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// spoiler stands between Kafka and the checks.
type spoiler = func(*kgo.Record) []*kgo.Record

// wrong is a way in which a history can be, and the check that must notice.
type wrong struct {
	name, check string
	spoiler     spoiler
}

// skipped is how many records that match are left alone before one is spoilt.
const skipped = 2

// one spoils one record of a topic.
func one(topic string, match func(*kgo.Record) bool, spoil func(*kgo.Record) []*kgo.Record) spoiler {
	left := skipped
	return func(r *kgo.Record) []*kgo.Record {
		if r.Topic != topic || left < 0 || !match(r) {
			return []*kgo.Record{r}
		}
		if left--; left >= 0 {
			return []*kgo.Record{r}
		}
		return spoil(r)
	}
}

// every spoils all records of a topic that match.
func every(topic string, match func(*kgo.Record) bool, spoil func(*kgo.Record) []*kgo.Record) spoiler {
	return func(r *kgo.Record) []*kgo.Record {
		if r.Topic != topic || !match(r) {
			return []*kgo.Record{r}
		}
		return spoil(r)
	}
}

func drop(*kgo.Record) []*kgo.Record    { return nil }
func twice(r *kgo.Record) []*kgo.Record { return []*kgo.Record{r, r} }

// with is a copy of a record, changed.
func with(r *kgo.Record, change func(*kgo.Record)) *kgo.Record {
	c := *r
	c.Key, c.Value, c.Headers = bytes.Clone(r.Key), bytes.Clone(r.Value), slices.Clone(r.Headers)
	change(&c)
	return &c
}

func changed(change func(*kgo.Record)) func(*kgo.Record) []*kgo.Record {
	return func(r *kgo.Record) []*kgo.Record { return []*kgo.Record{with(r, change)} }
}

// edit changes published records that match, by one or every.
func edit[T any](spread func(string, func(*kgo.Record) bool, func(*kgo.Record) []*kgo.Record) spoiler, topic string,
	decode func(*codec.Decoder, []byte, *T) error, encode func(*codec.Encoder, []byte, *T) []byte, match func(*T) bool, change func(*T),
) spoiler {
	return spread(topic, func(r *kgo.Record) bool {
		var v T
		return len(r.Value) > 0 && decode(new(codec.Decoder), r.Value, &v) == nil && match(&v)
	}, changed(func(r *kgo.Record) {
		var v T
		if err := decode(new(codec.Decoder), bytes.Clone(r.Value), &v); err != nil {
			panic(err)
		}
		change(&v)
		r.Value = encode(codec.SingleObject(), nil, &v)
	}))
}

func isFact(e *event.Entry) bool { return e.Kind == event.Subtract && e.Outcome == event.Applied }

func any1[T any](*T) bool { return true }

// spoils are ways in which a history can be wrong, and the check that must
// notice.
func spoils(names kafka.Names) []wrong {
	entries, settled := names.Output(kafka.Entries), names.Output(kafka.Settled)
	editEntry := func(topic string, match func(*event.Entry) bool, change func(*event.Entry)) spoiler {
		return edit(one, topic, (*codec.Decoder).DecodeEntry, (*codec.Encoder).AppendEntry, match, change)
	}
	editCorrection := func(match func(*event.Correction) bool, change func(*event.Correction)) spoiler {
		return edit(one, names.Output(kafka.Corrections), (*codec.Decoder).DecodeCorrection, (*codec.Encoder).AppendCorrection, match, change)
	}
	editBalance := func(change func(*event.Balance)) spoiler {
		return edit(one, names.Output(kafka.Balances), (*codec.Decoder).DecodeBalance, (*codec.Encoder).AppendBalance, any1, change)
	}
	editState := func(change func(*event.OrderState)) spoiler {
		return edit(every, names.Output(kafka.OrderStates), (*codec.Decoder).DecodeOrderState, (*codec.Encoder).AppendOrderState, any1, change)
	}
	editStats := func(change func(*event.OrderStats)) spoiler {
		return edit(every, names.Output(kafka.OrderStats), (*codec.Decoder).DecodeOrderStats, (*codec.Encoder).AppendOrderStats, any1, change)
	}
	editAlert := func(change func(*event.Alert)) spoiler {
		return edit(one, names.Output(kafka.Alerts), (*codec.Decoder).DecodeAlert, (*codec.Encoder).AppendAlert, any1, change)
	}
	isEntry := func(match func(*event.Entry) bool) func(*kgo.Record) bool {
		return func(r *kgo.Record) bool {
			var e event.Entry
			return new(codec.Decoder).DecodeEntry(r.Value, &e) == nil && match(&e)
		}
	}
	all := func(*kgo.Record) bool { return true }
	letters, changelog := names.Output(kafka.DeadLetters), names.Changelog()
	header := func(key, value string) func(*kgo.Record) []*kgo.Record {
		return changed(func(r *kgo.Record) {
			for i := range r.Headers {
				if r.Headers[i].Key == key {
					r.Headers[i].Value = []byte(value)
				}
			}
		})
	}
	isDue := func(e *event.Entry) bool { return e.Kind.IsDue() }
	isStretched := func(c *event.Correction) bool { return len(c.Changes) > 0 }
	return []wrong{
		{"an input record vanishes", checkInputs, one(names.Input(event.Subtracts), all, drop)},
		{"an input record vanishes", checkChangelog, one(names.Input(event.Subtracts), all, drop)},
		{"an input record is another", checkEntries, one(names.Input(event.Subtracts), all, changed(func(r *kgo.Record) { r.Timestamp = r.Timestamp.Add(time.Second) }))},
		{"an entry is dropped", checkInputs, one(entries, isEntry(isFact), drop)},
		{"an entry is dropped", checkSeq, one(entries, isEntry(isFact), drop)},
		{"an entry is there twice", checkInputs, one(entries, isEntry(isFact), twice)},
		{"an entry is there twice", checkSeq, one(entries, isEntry(isFact), twice)},
		{"a due item is dropped", checkTimelines, one(entries, isEntry(isDue), drop)},
		{"an entry can't be read", checkRecords, one(entries, all, changed(func(r *kgo.Record) { r.Value = r.Value[:len(r.Value)-1] }))},
		{"an entry's balance is another", checkTimelines, editEntry(entries, func(e *event.Entry) bool { return isFact(e) && !e.Late }, func(e *event.Entry) { e.After.Balance++ })},
		{"a late entry's balance is another", checkEntries, editEntry(entries, func(e *event.Entry) bool { return isFact(e) && e.Late }, func(e *event.Entry) { e.After.Balance++ })},
		{"an entry's slices are others", checkEntries, editEntry(entries, func(e *event.Entry) bool { return isFact(e) && len(e.Slices) > 0 }, func(e *event.Entry) { e.Slices[0].Amount-- })},
		{"an entry's shortfall is another", checkEntries, editEntry(entries, isFact, func(e *event.Entry) { e.Shortfall++ })},
		{"an entry hides that it is late", checkEntries, editEntry(entries, func(e *event.Entry) bool { return e.Late }, func(e *event.Entry) { e.Late = false })},
		{"an entry says it is after_final", checkEntries, editEntry(entries, func(e *event.Entry) bool { return !e.AfterFinal }, func(e *event.Entry) { e.AfterFinal = true })},
		{"an entry is another event's", checkEntries, editEntry(entries, isFact, func(e *event.Entry) { e.EventID = "somebody-else" })},
		{"an entry has another key", checkKeys, one(entries, all, changed(func(r *kgo.Record) { r.Key = []byte("somebody-else") }))},
		{"an entry is of another partition", checkStamps, editEntry(entries, isFact, func(e *event.Entry) { e.Partition++ })},
		{"an entry is of another transaction", checkStamps, editEntry(entries, isFact, func(e *event.Entry) { e.CommittedAt-- })},
		{"a watermark goes back", checkStamps, editEntry(entries, func(e *event.Entry) bool { return e.Watermark > 0 }, func(e *event.Entry) { e.Watermark = 0 })},
		{"a grant is refused without a reason", checkDecisions, editEntry(entries, func(e *event.Entry) bool { return e.Kind == event.Grant }, func(e *event.Entry) {
			e.Outcome, e.Code = event.Rejected, event.GrantExists
		})},
		{"a correction is dropped", checkTimelines, one(names.Output(kafka.Corrections), all, drop)},
		{"a correction has another difference", checkTimelines, editCorrection(isStretched, func(c *event.Correction) { c.Changes[0].Balance-- })},
		{"a correction ends elsewhere", checkTimelines, editCorrection(func(c *event.Correction) bool { return isStretched(c) && c.Changes[0].To != event.NoTime }, func(c *event.Correction) { c.Changes[0].To-- })},
		{"a correction has another cause", checkCorrections, editCorrection(any1, func(c *event.Correction) { c.Cause.EventID = "nobody" })},
		{"a correction has another lateness", checkCorrections, editCorrection(any1, func(c *event.Correction) { c.Cause.LateBy++ })},
		{"a correction changes nothing", checkCorrections, editCorrection(func(c *event.Correction) bool { return len(c.Entries) > 0 }, func(c *event.Correction) { c.Entries[0].After = c.Entries[0].Before })},
		{"a correction lies about what was said", checkCorrections, editCorrection(func(c *event.Correction) bool { return len(c.Entries) > 0 && c.Entries[0].Before != nil }, func(c *event.Correction) {
			c.Entries[0].Before.Shortfall += 7
		})},
		{"a balance is another", checkBalances, editBalance(func(b *event.Balance) { b.Balances.Balance++ })},
		{"a balance is as of another time", checkBalances, editBalance(func(b *event.Balance) { b.AsOf-- })},
		{"a settled entry is dropped", checkSettled, one(settled, all, drop)},
		{"a settled entry is there twice", checkSettled, one(settled, all, twice)},
		{"settled entries change places", checkSettled, swapped(settled)},
		{"a settled entry is another", checkSettled, editEntry(settled, isFact, func(e *event.Entry) { e.Shortfall += 3 })},
		{"a settled entry's balance is another", checkSettled, editEntry(settled, isFact, func(e *event.Entry) { e.After.Balance++ })},
		{"a settled entry hides that it is after_final", checkSettled, editEntry(settled, func(e *event.Entry) bool { return e.AfterFinal }, func(e *event.Entry) { e.AfterFinal = false })},
		{"an order's state is another", checkOrderStates, editState(func(s *event.OrderState) { s.UpdatedAt++ })},
		{"a window is another", checkOrderStats, editStats(func(s *event.OrderStats) { s.Placed++ })},
		{"a window isn't final", checkOrderStats, editStats(func(s *event.OrderStats) { s.Final = !s.Final })},
		{"an alert is dropped", checkAlerts, one(names.Output(kafka.Alerts), all, drop)},
		{"an alert tells another value", checkAlerts, editAlert(func(a *event.Alert) { a.Value = "1000000" })},
		{"live orders have no record", checkOrderStates, every(names.Output(kafka.OrderStates), all, drop)},
		{"windows have no record", checkOrderStats, every(names.Output(kafka.OrderStats), all, drop)},
		{"no watermark is published", checkWatermarks, every(names.Output(kafka.Watermarks), all, drop)},
		{"the watermark is another", checkWatermarks, edit(every, names.Output(kafka.Watermarks), (*codec.Decoder).DecodeWatermark, (*codec.Encoder).AppendWatermark,
			any1, func(w *event.Watermark) { w.At++ })},
		{"a dead letter is dropped", checkInputs, one(letters, all, drop)},
		{"a dead letter is there twice", checkInputs, one(letters, all, twice)},
		{"a dead letter's value is another", checkDeadLetters, one(letters, all, changed(func(r *kgo.Record) { r.Value = append(r.Value, 0) }))},
		{"a dead letter's key is another", checkDeadLetters, one(letters, all, changed(func(r *kgo.Record) { r.Key = append(r.Key, 'x') }))},
		{"a dead letter's own header is another", checkDeadLetters, one(letters, all, header("traceparent", "00-2"))},
		{"a dead letter has another code", checkDeadLetters, one(letters, all, header(headerCode, "too_old"))},
		{"a dead letter has another origin", checkInputs, one(letters, all, header(headerOffset, "0"))},
		{"a changelog record is dropped", checkChangelog, one(changelog, all, drop)},
		{"a batch is another", checkChangelog, one(changelog, all, changed(func(r *kgo.Record) { r.Value[len(r.Value)-1] ^= 1 }))},
		{"the chain is broken", checkChangelog, one(changelog, all, changed(func(r *kgo.Record) { r.Value[20] ^= 1 }))},
	}
}

// swapped changes the order of two settled entries of one user.
func swapped(topic string) spoiler {
	var held *kgo.Record
	done := false
	return func(r *kgo.Record) []*kgo.Record {
		var e event.Entry
		if r.Topic != topic || done || new(codec.Decoder).DecodeEntry(r.Value, &e) != nil || e.AfterFinal {
			return []*kgo.Record{r}
		}
		switch {
		case held == nil:
			held = r
			return nil
		case bytes.Equal(held.Key, r.Key):
			done = true
			return []*kgo.Record{r, held}
		}
		return []*kgo.Record{r}
	}
}

func TestEverythingWrongIsNoticed(t *testing.T) {
	p := newPipeline(t)
	stop := p.run(t)
	all := asked(t)
	p.send(t, all[:len(all)/2])
	p.await(t, checkSettled, "items", 100)
	p.send(t, all[len(all)/2:])
	p.await(t, checkSettled, "items", 700)
	stop()
	if failed, said := p.verified(t, nil); len(failed) > 0 {
		t.Fatalf("nothing is wrong yet:\n%s", said)
	}
	for _, s := range append(spoils(p.options.Names), operationSpoils(p.options.Names)...) {
		t.Run(s.name+" ("+s.check+")", func(t *testing.T) {
			spoilt := 0
			failed, said := p.verified(t, func(r *kgo.Record) []*kgo.Record {
				out := s.spoiler(r)
				if len(out) != 1 || out[0] != r {
					spoilt++
				}
				return out
			})
			if spoilt == 0 {
				t.Fatal("there was nothing to spoil")
			}
			if !slices.Contains(failed, s.check) {
				t.Errorf("%s didn't notice; failed: %v\n%s", s.check, failed, said)
			}
		})
	}
}

// await waits until a check has looked at so much.
func (p *pipeline) await(t *testing.T, name, what string, n int64) {
	t.Helper()
	deadline := time.Now().Add(20 * time.Second)
	for {
		client, err := kgo.NewClient(p.options.Client...)
		if err != nil {
			t.Fatal(err)
		}
		v := newVerifier(p.options, client, testPartitions)
		err = v.run(t.Context())
		client.Close()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range v.report.checks[name].counts {
			if c.what == what && c.n >= n {
				return
			}
		}
		if time.Now().After(deadline) {
			t.Fatalf("%s didn't come to %d %s: %+v", name, n, what, v.report.checks[name])
		}
	}
}

func TestWrongSettingsAreNoticed(t *testing.T) {
	p := newPipeline(t)
	p.run(t)
	p.send(t, load())
	if failed, said := p.verified(t, nil); len(failed) > 0 {
		t.Fatal(said)
	}
	for _, c := range []struct {
		name, check string
		change      func(*Options)
	}{
		{"another policy", checkEntries, func(o *Options) { o.Policies = event.Policies{} }},
		{"another skew", checkDeadLetters, func(o *Options) { o.FutureSkew = 1 << 60 }},
		{"a horizon", checkDeadLetters, func(o *Options) { o.Horizon = 1 }},
		{"no settled topic", checkSettled, func(o *Options) { o.Settled = false }},
	} {
		t.Run(c.name, func(t *testing.T) {
			other := *p
			c.change(&other.options)
			if failed, said := other.verified(t, nil); !slices.Contains(failed, c.check) {
				t.Errorf("%s didn't notice:\n%s", c.check, said)
			}
		})
	}
}

func TestProcessorsThatDontRunAreNoticed(t *testing.T) {
	p := newPipeline(t)
	p.send(t, load())
	p.options.Wait = 100 * time.Millisecond
	if failed, said := p.verified(t, nil); !slices.Contains(failed, checkCaughtUp) {
		t.Error(said)
	}
}

func TestReplicasMustHaveTheChangelogsHashes(t *testing.T) {
	p := newPipeline(t)
	p.run(t)
	p.send(t, load())
	p.await(t, checkInputs, "records", 700)
	answer := fmt.Sprintf(`{"items":[{"partition":1,"seq":0,"state_hash":%q}],"next_cursor":null}`, strings.Repeat("0", 64))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("cursor") == "" {
			_, _ = io.WriteString(w, strings.NewReplacer(`"partition":1`, `"partition":0`, "null", `"more"`).Replace(answer))
			return
		}
		_, _ = io.WriteString(w, answer)
	}))
	defer server.Close()
	p.options.Queries = []string{server.URL}
	if failed, said := p.verified(t, nil); len(failed) > 0 {
		t.Errorf("an empty replica is no fault:\n%s", said)
	}
	right := answer
	for _, wrong := range []string{strings.Replace(right, "000", "bad", 1), strings.Replace(right, `"seq":0`, `"seq":1`, 1), "no JSON"} {
		answer = wrong
		if failed, said := p.verified(t, nil); !slices.Equal(failed, []string{checkReplicas}) {
			t.Error(said)
		}
	}
	server.Close()
	if failed, said := p.verified(t, nil); !slices.Equal(failed, []string{checkReplicas}) {
		t.Error(said)
	}
}
