package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/service"
)

// patience bounds every wait of a test.
const patience = time.Minute

// outcome is what a command did.
type outcome struct {
	status         int
	stdout, stderr string
}

// invoke runs the program in this process.
func invoke(t *testing.T, stdin string, args ...string) outcome {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	var stdout, stderr bytes.Buffer
	status := binary.Main(ctx, service.Invocation{
		Args: args, Stdin: strings.NewReader(stdin), Stdout: &stdout, Stderr: io.Writer(&stderr),
	})
	return outcome{status, stdout.String(), stderr.String()}
}

// wants checks the status, and that each text is somewhere in what was said.
func (o outcome) wants(t *testing.T, status int, texts ...string) {
	t.Helper()
	if o.status != status {
		t.Errorf("exit status %d, want %d", o.status, status)
	}
	for _, text := range texts {
		if !strings.Contains(o.stdout+o.stderr, text) {
			t.Errorf("nothing says %q", text)
		}
	}
	if t.Failed() {
		t.Fatalf("stdout:\n%s\nstderr:\n%s", o.stdout, o.stderr)
	}
}

// broker is an empty embedded broker.
func broker(t *testing.T) string {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	return "--bootstrap-servers=" + cluster.ListenAddrs()[0]
}

// installed is a broker with the topics.
func installed(t *testing.T) string {
	t.Helper()
	at := broker(t)
	invoke(t, "", "topics", "apply", at).wants(t, 0)
	return at
}

// produce puts records where their keys belong, produceTo where they say.
func produce(t *testing.T, at string, records ...*kgo.Record) {
	t.Helper()
	produceWith(t, kgo.StickyKeyPartitioner(nil), at, records...)
}

func produceTo(t *testing.T, at string, records ...*kgo.Record) {
	t.Helper()
	produceWith(t, kgo.ManualPartitioner(), at, records...)
}

func produceWith(t *testing.T, partitioner kgo.Partitioner, at string, records ...*kgo.Record) {
	t.Helper()
	client, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(at, "--bootstrap-servers=")), kgo.RecordPartitioner(partitioner))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if err := client.ProduceSync(t.Context(), records...).FirstErr(); err != nil {
		t.Fatal(err)
	}
}

func TestTopicsApply(t *testing.T) {
	at := broker(t)
	invoke(t, "", "topics", "apply", at, "--partitions=2", "--topic-prefix=p.", "--application-id=app").
		wants(t, 0, "created  p.grants\n", "created  app-changelog\n", "topics of 2 partitions: 16 created, 0 as they must be")
	invoke(t, "", "topics", "apply", at, "--partitions=2", "--topic-prefix=p.", "--application-id=app").
		wants(t, 0, "exists   p.grants\n", "16 as they must be")
	invoke(t, "", "topics", "apply", at, "--partitions=3", "--topic-prefix=p.", "--application-id=app").
		wants(t, 3, "p.grants has 2 partitions, not 3", "set partitions=2")
}

func TestNoBroker(t *testing.T) {
	invoke(t, "", "topics", "apply", "--bootstrap-servers=127.0.0.1:1").
		wants(t, 1, "no broker answers at 127.0.0.1:1", "name yours with --bootstrap-servers")
	invoke(t, "", "tail", "entries", broker(t)).
		wants(t, 3, "run `highwater topics apply`")
}

func TestWrongUse(t *testing.T) {
	for _, c := range []struct {
		args string
		want string
	}{
		{"nonsense", "unexpected argument nonsense"},
		{"tail", `expected "<topic> ..."`},
		{"tail entrys", `topic "entrys": there are entries, corrections`},
		{"tail watermarks --user alice", "--user: watermarks has no records of single users"},
		{"tail entries --limit=-1", "--limit: want at least 0, got -1"},
		{"send --trace events.ndjson", "--trace: it is sent instead of a file"},
		{"send /nowhere/events.ndjson", "file: open /nowhere/events.ndjson"},
		{"send --ingest=nowhere", `--ingest: want an address such as http://127.0.0.1:8081, got "nowhere"`},
		{"send --ingest=http://127.0.0.1:1 --partition-check", "--partition-check: with --ingest the service chooses"},
		{"balance alice --at=yesterday", "--at: \"yesterday\" is not an RFC 3339 time"},
		{"explain alice --at=yesterday", "--at: \"yesterday\" is not an RFC 3339 time"},
		{"explain alice --limit=0", "--limit: want at least 1, got 0"},
		{"dead-letters skip grants/x --reason=y", `position "grants/x": want topic/partition/offset`},
		{"dead-letters skip grants/0/0", "missing flags: --reason"},
		{"topics apply --application-id=ä", "application.id: want 1 to 100"},
	} {
		t.Run(c.args, func(t *testing.T) {
			invoke(t, "", strings.Fields(c.args)...).wants(t, 2, c.want)
		})
	}
}

func TestServiceIsAway(t *testing.T) {
	invoke(t, "", "balance", "alice", "--query=http://127.0.0.1:1").
		wants(t, 1, "no query service answers at http://127.0.0.1:1", "name yours with --query")
	invoke(t, "", "explain", "alice", "--query=http://127.0.0.1:1").
		wants(t, 1, "no query service answers at http://127.0.0.1:1", "name yours with --query")
	invoke(t, "{}", "send", "--ingest=http://127.0.0.1:1").
		wants(t, 1, "no ingest service answers at http://127.0.0.1:1")
}

// TestHelp holds every command to a help with an example.
func TestHelp(t *testing.T) {
	for _, command := range []string{
		"topics apply", "send", "tail", "balance", "explain", "dead-letters list", "dead-letters replay", "dead-letters skip", "verify", "dev", "bench",
	} {
		t.Run(command, func(t *testing.T) {
			o := invoke(t, "", append(strings.Fields(command), "--help")...)
			o.wants(t, 0, "Examples:", "highwater "+command, `--log-level="warn"`)
		})
	}
}

func grantLine(user, id string) string {
	return fmt.Sprintf(`{"type":"grant","event_id":%q,"user_id":%q,"occurred_at":"2026-01-01T00:00:00Z","grant_id":%q,"amount":100}`, id, user, "g-"+id)
}

func TestSendAndTail(t *testing.T) {
	at := installed(t)
	input := grantLine("alice", "e1") + "\n\n" + grantLine("bob", "e2") + "\n" +
		`{"type":"subtract","event_id":"e3","user_id":"alice","occurred_at":"2026-01-01T00:00:01Z","amount":7}`
	for _, format := range []string{"avro", "json"} {
		invoke(t, input, "send", at, "--format="+format, "--partition-check").
			wants(t, 0, "recorded 3 of 3 events", "refused 0")
	}
	all := invoke(t, "", "tail", "grants", at, "--from-beginning", "--stop-at-end", "--user=alice")
	all.wants(t, 0)
	if want := strings.Repeat(grantLine("alice", "e1")+"\n", 2); strings.ReplaceAll(all.stdout, ".000000Z", "Z") != want {
		t.Errorf("got %s\nwant %s", all.stdout, want)
	}
	// What tail shows of an input, send takes.
	invoke(t, all.stdout, "send", at).wants(t, 0, "recorded 2 of 2")
	invoke(t, "", "tail", "subtracts", "grants", at, "--from-beginning", "--limit=3").
		wants(t, 0, `{"topic":"grants","record":{"type":"grant"`)
	invoke(t, "", "tail", "subtracts", at, "--from-beginning", "--stop-at-end", "--output=lines").
		wants(t, 0, "2026-01-01 00:00:01  alice  subtract  7 credits  id e3")
}

func TestSendTellsWhatIsRefused(t *testing.T) {
	at := installed(t)
	long := `{"type":"grant","event_id":"` + strings.Repeat("x", codec.MaxEventBytes) + `"}`
	input := strings.Join([]string{grantLine("alice", "e1"), `{"type":"grant"`, long, grantLine("alice", "e/4"), grantLine("alice", "e2")}, "\n")
	invoke(t, input, "send", at).wants(t, 2,
		"line 2: malformed: ", "line 3: malformed: the line is larger than 1048576 bytes", "line 4: invalid: event_id: ",
		"recorded 2 of 5 events", "refused 3", "3 events were refused; mend them and send them again")
}

func TestSendTrace(t *testing.T) {
	at := installed(t)
	invoke(t, "", "send", "--trace", at).wants(t, 0, "refused 0")
	invoke(t, "", "tail", "subtracts", at, "--from-beginning", "--limit=1").wants(t, 0, `"type":"subtract"`)
}

// TestTailShowsEveryTopic has one record of each output topic.
func TestTailShowsEveryTopic(t *testing.T) {
	at := installed(t)
	const user = "alice"
	e := codec.SingleObject()
	now := event.Time(1767225600_000000)
	stamp := event.Stamp{Partition: 1, Seq: 2, Watermark: now, CommittedAt: now}
	ten, _ := event.ParseDecimal("10")
	key := []byte(user)
	produce(t, at,
		&kgo.Record{Topic: "entries", Key: key, Value: e.AppendEntry(nil, &event.Entry{
			EventID: "e1", UserID: user, Asset: "credits", Kind: event.Subtract, OccurredAt: now, EffectiveAt: now, ArrivedAt: now,
			Input:  event.Position{Topic: event.Subtracts, Offset: 3},
			Result: event.Result{Outcome: event.Applied, Amount: 7, Shortfall: 2, After: event.Balances{Balance: 1234}}, Late: true, Stamp: stamp,
		})},
		&kgo.Record{Topic: "corrections", Key: key, Value: e.AppendCorrection(nil, &event.Correction{
			Cause:  event.Cause{EventID: "e1", Kind: event.Subtract, OccurredAt: now, Input: event.Position{Topic: event.Subtracts, Offset: 3}, LateBy: 12_000_000},
			UserID: user, Asset: "credits", Part: 1, Parts: 1, Stamp: stamp,
			Changes: []event.Stretch{{From: now, To: event.NoTime, Balances: event.Balances{Balance: -1200}}},
		})},
		&kgo.Record{Topic: "balances", Key: codec.AppendKey(nil, user, "credits"), Value: e.AppendBalance(nil, &event.Balance{
			UserID: user, Asset: "credits", Balances: event.Balances{Balance: 5}, AsOf: now, NextChangeAt: event.NoTime, Stamp: stamp})},
		&kgo.Record{Topic: "order-states", Key: codec.AppendKey(nil, user, "o1"), Value: e.AppendOrderState(nil, &event.OrderState{
			UserID: user, OrderID: "o1", Currency: "USD", Quantity: ten, Price: ten, Status: event.Active, PlacedAt: now, UpdatedAt: now, Stamp: stamp})},
		&kgo.Record{Topic: "order-states", Key: codec.AppendKey(nil, user, "o2")},
		&kgo.Record{Topic: "order-stats", Key: codec.AppendKey(nil, "USD", "0"), Value: e.AppendOrderStats(nil, &event.OrderStats{
			Currency: "USD", Tally: event.Tally{Placed: 1}, Stamp: stamp})},
		&kgo.Record{Topic: "alerts", Key: key, Value: e.AppendAlert(nil, &event.Alert{
			UserID: user, Asset: "credits", Kind: event.ShortfallAlert, EventID: "e1", Message: "2 were not there", Value: "2", Limit: "0", Stamp: stamp})},
		&kgo.Record{Topic: "watermarks", Key: []byte("1"), Value: e.AppendWatermark(nil, &event.Watermark{At: now, Stamp: stamp})},
		letter("", key, []byte{0xff, 0}, "malformed", 7),
	)
	for _, c := range []struct{ topic, line, json string }{
		{"entries", "2026-01-01 00:00:00  alice  subtract  7 credits  2 short  balance 1,234  late  id e1", `"balance_after":1234`},
		{"corrections", "alice: subtract e1, 12s late, changed balance from 00:00:00 on: -1,200", `"late_by":12000000`},
		{"balances", "alice  5 credits", `"next_change_at":null`},
		{"order-states", "order o1  ACTIVE  10 USD at 10", `"order_id":"o1"`},
		{"order-states", "alice  order o2 is no longer live", `{"user_id":"alice","order_id":"o2","gone":true}`},
		{"order-stats", "USD  1 placed  live 0", `"placed":1`},
		{"alerts", "alice  shortfall  2 were not there  id e1", `"kind":"shortfall"`},
		{"watermarks", "partition 1 is complete up to here", `"at":"2026-01-01T00:00:00.000000Z"`},
		{"dead-letters", "grants/0/7  malformed  no form is known  key alice  value", `"value_base64":"/wA="`},
	} {
		t.Run(c.topic, func(t *testing.T) {
			args := []string{"tail", c.topic, at, "--from-beginning", "--stop-at-end"}
			invoke(t, "", append(args, "--output=lines")...).wants(t, 0, c.line)
			invoke(t, "", append(args, "--output=json")...).wants(t, 0, c.json)
		})
	}
	invoke(t, "", "dead-letters", "list", at, "--output=json").wants(t, 0, `"position":"grants/0/7","code":"malformed"`)
	invoke(t, "", "tail", "balances", "order-states", at, "--user=bob", "--from-beginning", "--stop-at-end").wants(t, 0)
}

// letter is a dead letter of grants/0.
func letter(prefix string, key, value []byte, code string, offset int, headers ...kgo.RecordHeader) *kgo.Record {
	header := func(key, value string) kgo.RecordHeader { return kgo.RecordHeader{Key: key, Value: []byte(value)} }
	return &kgo.Record{Topic: prefix + "dead-letters", Key: key, Value: value, Headers: append(headers,
		header("__streams.errors.topic", prefix+"grants"), header("__streams.errors.partition", "0"), header("__streams.errors.offset", strconv.Itoa(offset)),
		header("__streams.errors.message", "no form is known"), header("__streams.errors.exception", code),
		header("highwater.partition", "0"), header("highwater.seq", strconv.Itoa(offset)), header("highwater.watermark", "0"),
	)}
}

func TestDeadLettersReplay(t *testing.T) {
	at := broker(t)
	where := []string{at, "--topic-prefix=p.", "--application-id=app"}
	with := func(args ...string) []string { return append(args, where...) }
	invoke(t, "", with("topics", "apply")...).wants(t, 0)
	key, own := []byte("alice"), kgo.RecordHeader{Key: "trace", Value: []byte("7")}
	produce(t, at,
		letter("p.", key, []byte(grantLine("alice", "e1")), "wrong_partition", 1, own),
		letter("p.", key, []byte(grantLine("alice", "e1")), "wrong_partition", 2, own),
		letter("p.", key, []byte("x"), "malformed", 3),
	)
	grants := with("tail", "grants", "--from-beginning", "--stop-at-end")
	invoke(t, "", with("dead-letters", "replay", "--code=wrong_partition", "--dry-run")...).
		wants(t, 0, "grants/0/1  wrong_partition", "1 letter would be sent again")
	if o := invoke(t, "", grants...); o.stdout != "" {
		t.Errorf("a dry run sent %s", o.stdout)
	}
	invoke(t, "", with("dead-letters", "replay", "--code=wrong_partition")...).wants(t, 0, "1 letter sent again")
	if o := invoke(t, "", grants...); strings.Count(o.stdout, `"event_id":"e1"`) != 1 {
		t.Errorf("sent %s", o.stdout)
	}
	invoke(t, "", with("dead-letters", "replay", "grants/0/3", "grants/0/9")...).
		wants(t, 2, "1 letter sent again", "there is no dead letter of [grants/0/9]")
	invoke(t, "", grants...).wants(t, 0, `"code":"malformed"`)
	// A letter of hers in a partition where she doesn't live.
	away := letter("p.", key, []byte("y"), "wrong_partition", 4)
	away.Partition = (kafka.PartitionOf("alice", 4) + 1) % 4
	produceTo(t, at, away)
	invoke(t, "", with("dead-letters", "list", "--user=alice", "--output=lines")...).wants(t, 0, "key alice  value y")
	invoke(t, "", with("dead-letters", "replay")...).wants(t, 2, "name positions, or a --code")
	invoke(t, "", with("dead-letters", "replay", "--code=nonsense")...).wants(t, 2, `there is no code "nonsense"`)
}

func TestDeadLettersSkip(t *testing.T) {
	at := installed(t)
	produce(t, at, &kgo.Record{Topic: "grants", Key: []byte("alice"), Value: []byte("x")})
	partition := kafka.PartitionOf("alice", 4)
	position := fmt.Sprintf("grants/%d/0", partition)
	invoke(t, "", "dead-letters", "skip", position, "--reason=a test", at).wants(t, 0, position+" will be skipped")
	invoke(t, "", "dead-letters", "skip", fmt.Sprintf("grants/%d/1", partition), "--reason=a test", at).wants(t, 2, "the partition ends at 1")
	invoke(t, "", "dead-letters", "skip", "grants/4/1", "--reason=a test", at).wants(t, 2, "there are 4 partitions, from 0")
}
