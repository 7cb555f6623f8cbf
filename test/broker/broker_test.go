package broker

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/deploy/kafka/ready"
)

func TestChooseTakesTheFirstThatIsThere(t *testing.T) {
	absent := source{missing: func() string { return "nothing here" }}
	good := source{missing: func() string { return "" }, start: func() (string, error) { return "good:1", nil }}
	broken := source{missing: func() string { return "" }, start: func() (string, error) { return "", errors.New("broken") }}

	if server, err := choose([]source{absent, good, broken}); server != "good:1" || err != nil {
		t.Errorf("an absent source must be passed over: got %q, %v", server, err)
	}
	if _, err := choose([]source{absent, broken, good}); err == nil || errors.Is(err, errNone) {
		t.Errorf("a broken source must not be passed over: got %v", err)
	}
	if _, err := choose([]source{absent, absent}); !errors.Is(err, errNone) || !strings.Contains(err.Error(), "nothing here") {
		t.Errorf("with no source the error must say what was missing: got %v", err)
	}
}

func TestEnvironmentNamesTheCluster(t *testing.T) {
	t.Setenv("KAFKA_BOOTSTRAP_SERVERS", "")
	if environment().missing() == "" {
		t.Error("an empty KAFKA_BOOTSTRAP_SERVERS must count as missing")
	}
	t.Setenv("KAFKA_BOOTSTRAP_SERVERS", "somewhere:9092")
	if lack := environment().missing(); lack != "" {
		t.Errorf("a set KAFKA_BOOTSTRAP_SERVERS must be taken: %s", lack)
	}
}

func TestParseBootstrap(t *testing.T) {
	if got, err := parseBootstrap("bootstrap.servers=127.0.0.1:20034\n"); got != "127.0.0.1:20034" || err != nil {
		t.Errorf("got %q, %v", got, err)
	}
	for _, line := range []string{"", "bootstrap.servers=", "127.0.0.1:1", "bootstrap.servers=a:1\nmore\n"} {
		if got, err := parseBootstrap(line); err == nil {
			t.Errorf("%q must be refused, got %q", line, got)
		}
	}
}

func TestPrefixIsLegalAndUnique(t *testing.T) {
	t.Run("späte Ereignisse/and a very long name that goes on and on and on", func(t *testing.T) {
		one, two := Prefix(t), Prefix(t)
		if one == two {
			t.Errorf("%q twice", one)
		}
		if legal := regexp.MustCompile(`^[a-zA-Z0-9-]{1,60}$`); !legal.MatchString(one) {
			t.Errorf("%q must fit %v", one, legal)
		}
	})
}

// TestKilledBrokerKeepsWhatWasCommitted is what every crash test relies on: Kill is a crash, Restart brings the same
// address and data back, and transactions go on.
func TestKilledBrokerKeepsWhatWasCommitted(t *testing.T) {
	b := Own(t)
	topic := Prefix(t) + "t"
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()

	client, err := kgo.NewClient(
		kgo.SeedBrokers(b.Bootstrap()),
		kgo.TransactionalID(topic),
		kgo.DefaultProduceTopic(topic),
		kgo.RequiredAcks(kgo.AllISRAcks()),
		kgo.MetadataMinAge(100*time.Millisecond),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	if _, err := kadm.NewClient(client).CreateTopic(ctx, 1, 1, nil, topic); err != nil {
		t.Fatal(err)
	}

	commit(ctx, t, client, "before")
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	gone, stop := context.WithTimeout(ctx, time.Second)
	defer stop()
	if err := ready.Await(gone, b.Bootstrap()); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("the killed broker still answers: %v", err)
	}
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	commit(ctx, t, client, "after")
	if got := strings.Join(read(ctx, t, b.Bootstrap(), topic, 2), " "); got != "before after" {
		t.Errorf("read %q", got)
	}
	if err := b.Stop(); err != nil {
		t.Error(err)
	}
}

func TestStartIsOneBroker(t *testing.T) {
	first := Start(t)
	t.Run("again", func(t *testing.T) {
		if second := Start(t); second != first { // I1
			t.Errorf("%s, then %s", first, second)
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	if err := ready.Await(ctx, strings.Split(first, ",")...); err != nil {
		t.Error(err)
	}
}

func commit(ctx context.Context, t *testing.T, client *kgo.Client, value string) {
	t.Helper()
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(ctx, kgo.StringRecord(value)).FirstErr(); err != nil {
		t.Fatalf("produce %q: %v", value, err)
	}
	if err := client.EndTransaction(ctx, kgo.TryCommit); err != nil {
		t.Fatalf("commit %q: %v", value, err)
	}
}

func read(ctx context.Context, t *testing.T, server, topic string, n int) []string {
	t.Helper()
	client, err := kgo.NewClient(
		kgo.SeedBrokers(server),
		kgo.ConsumeTopics(topic),
		kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	var values []string
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			t.Fatalf("read %s after %q: %v", topic, values, err)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, string(r.Value)) })
	}
	return values
}
