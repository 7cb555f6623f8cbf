package kafka

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
)

func fakeClient(t *testing.T, opts ...kgo.Opt) *kgo.Client {
	t.Helper()
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	client, err := kgo.NewClient(append(opts, kgo.SeedBrokers(cluster.ListenAddrs()...))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}

func TestApplyTwice(t *testing.T) {
	client := fakeClient(t)
	topics := Catalogue(Names{Application: "app", Prefix: "p."}, 3, -1)
	for round, want := range []bool{true, false} {
		applied, err := Apply(t.Context(), client, topics)
		if err != nil {
			t.Fatal(err)
		}
		if len(applied) != len(topics) {
			t.Fatalf("%d topics, want %d", len(applied), len(topics))
		}
		for _, a := range applied {
			if a.Created != want {
				t.Errorf("round %d: %s created %v", round, a.Topic, a.Created)
			}
		}
	}
	n, err := PartitionCount(t.Context(), client, Names{Application: "app", Prefix: "p."})
	if err != nil || n != 3 {
		t.Fatalf("%d partitions, %v", n, err)
	}
}

// I4.
func TestApplyRefusesWhatIsWrong(t *testing.T) {
	client := fakeClient(t)
	admin := kadm.NewClient(client)
	value := "CreateTime"
	if _, err := admin.CreateTopic(t.Context(), 2, 1, map[string]*string{"message.timestamp.type": &value}, "grants"); err != nil {
		t.Fatal(err)
	}
	_, err := Apply(t.Context(), client, Catalogue(Names{Application: "app"}, 3, -1))
	wrong, ok := errors.AsType[*TopicError](err)
	if !ok {
		t.Fatal(err)
	}
	text := strings.Join(wrong.Differences, "\n")
	for _, want := range []string{"grants has 2 partitions, not 3", "message.timestamp.type=CreateTime, not LogAppendTime", "partitions=2"} {
		if !strings.Contains(text, want) {
			t.Errorf("%q doesn't say %q", text, want)
		}
	}
	// Nothing was created beside it.
	if _, err := PartitionCount(t.Context(), client, Names{Application: "app"}); !strings.Contains(fmt.Sprint(err), "topics apply") {
		t.Errorf("shards topic: %v", err)
	}
}

func TestNamesTellTopicsApart(t *testing.T) {
	for _, names := range []Names{{Application: "app"}, {Application: "app", Prefix: "p."}} {
		seen := map[string]bool{}
		for _, topic := range Catalogue(names, 1, 1) {
			if seen[topic.Name] {
				t.Errorf("%s twice", topic.Name)
			}
			seen[topic.Name] = true
		}
		for topic := event.Grants; topic <= event.Transfers; topic++ {
			if got, ok := names.ParseInput(names.Input(topic)); !ok || got != topic {
				t.Errorf("%s is read as %v", names.Input(topic), got)
			}
		}
		if _, ok := names.ParseInput(names.Output(Entries)); ok {
			t.Error("entries isn't an input")
		}
	}
}

func TestLineageFindsARecreatedTopic(t *testing.T) {
	client := fakeClient(t)
	names := Names{Application: "app"}
	topics := Catalogue(names, 2, -1)
	if _, err := Apply(t.Context(), client, topics); err != nil {
		t.Fatal(err)
	}
	before, err := ReadLineage(t.Context(), client, names)
	if err != nil {
		t.Fatal(err)
	}
	again, err := ReadLineage(t.Context(), client, names)
	if err != nil {
		t.Fatal(err)
	}
	if err := again.Continues(&before, names); err != nil {
		t.Fatal(err)
	}
	admin := kadm.NewClient(client)
	if _, err := admin.DeleteTopics(t.Context(), "ledger"); err != nil {
		t.Fatal(err)
	}
	if _, err := Apply(t.Context(), client, topics); err != nil {
		t.Fatal(err)
	}
	after, err := ReadLineage(t.Context(), client, names)
	if err != nil {
		t.Fatal(err)
	}
	if err := after.Continues(&before, names); ClassOf(err) != DataLoss || !strings.Contains(err.Error(), "ledger was deleted") {
		t.Fatalf("recreated topic: %v", err)
	}
	if _, err := admin.CreatePartitions(t.Context(), 1, "orders"); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadLineage(t.Context(), client, names); ClassOf(err) != DataLoss || !strings.Contains(err.Error(), "orders has 3 partitions") {
		t.Fatalf("another number of partitions: %v", err)
	}
}

func TestSkipGoesThroughKafka(t *testing.T) {
	names := Names{Application: "app"}
	client := fakeClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.ConsumeTopics(names.Shards()))
	if _, err := Apply(t.Context(), client, Catalogue(names, 2, -1)); err != nil {
		t.Fatal(err)
	}
	want := event.Position{Topic: event.Ledger, Partition: 1, Offset: 77}
	if err := ProduceSkip(t.Context(), client, names, Skip{Position: want, By: "ann", Reason: "not ours"}); err != nil {
		t.Fatal(err)
	}
	var got []event.Position
	for len(got) == 0 && t.Context().Err() == nil {
		client.PollFetches(t.Context()).EachRecord(func(r *kgo.Record) {
			if p, skipped, ok := ParseSkip(r); ok && skipped {
				got = append(got, p)
			}
		})
	}
	if len(got) != 1 || got[0] != want {
		t.Fatalf("got %v, want %v", got, want)
	}
}

func TestPositionsAreStrict(t *testing.T) {
	for _, s := range []string{"", "grants", "grants/1", "grants/1/2/3", "grants/-1/2", "grants/1/-2", "grants/01/2", "nowhere/1/2", "grants/1/+2", "grants/1/99999999999999999999"} {
		if p, err := ParsePosition(s); err == nil {
			t.Errorf("%q is %v", s, p)
		}
	}
	p := event.Position{Topic: event.Orders, Partition: 3, Offset: 1024}
	if got, err := ParsePosition(FormatPosition(p)); err != nil || got != p {
		t.Errorf("%v, %v", got, err)
	}
}

func TestClasses(t *testing.T) {
	for _, c := range []struct {
		err  error
		want Class
	}{
		{kerr.ProducerFenced, Fenced}, {kerr.InvalidProducerEpoch, Fenced}, {fmt.Errorf("commit: %w", kerr.ProducerFenced), Fenced},
		{kerr.OffsetOutOfRange, DataLoss}, {kerr.UnknownTopicID, DataLoss}, {&kgo.ErrDataLoss{Topic: "grants"}, DataLoss},
		{kerr.NotLeaderForPartition, Retry}, {kerr.CoordinatorNotAvailable, Retry}, {kgo.ErrRecordTimeout, Retry},
		{kerr.TopicAuthorizationFailed, Fatal}, {kerr.MessageTooLarge, Fatal}, {errors.New("never seen"), Fatal},
		{&LossError{Missing: "m", Action: "a"}, DataLoss},
	} {
		if got := ClassOf(c.err); got != c.want {
			t.Errorf("%v is %v, want %v", c.err, got, c.want)
		}
	}
}
