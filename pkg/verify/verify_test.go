package verify

import (
	"bytes"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/trace"
)

func TestARunningSystemIsVerified(t *testing.T) {
	p := newPipeline(t)
	p.run(t)
	all := asked(t)
	for n := range 3 {
		p.send(t, all[n*len(all)/3:(n+1)*len(all)/3])
		var b bytes.Buffer
		ok, err := Run(t.Context(), p.options, &b)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			t.Fatalf("after %d of 3 parts:\n%s", n+1, b.String())
		}
		t.Logf("after %d of 3 parts:\n%s", n+1, b.String())
	}
}

func TestALongAccountIsReplayedNowAndThen(t *testing.T) {
	p := newPipeline(t)
	p.run(t)
	o := trace.Defaults()
	o.Rows, o.Users, o.Shuffle = 1500, 1, 10*time.Minute
	o.End = event.TimeOf(time.Now().Add(-time.Minute))
	p.send(t, trace.Generate(o))
	p.await(t, checkSettled, "items", 1500)
	client, err := kgo.NewClient(p.options.Client...)
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	v := newVerifier(p.options, client, testPartitions)
	if err := v.run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if !v.report.ok() {
		var b bytes.Buffer
		_ = v.report.print(&b)
		t.Error(b.String())
	}
	for _, c := range v.report.checks[checkTimelines].counts {
		if c.what == "comparisons" && (c.n < 100 || c.n > 1000) {
			t.Errorf("%d comparisons of 1,500 events", c.n)
		}
	}
	// What is wrong between two replays shows in the next.
	failed, said := p.verified(t, edit(one, p.options.Names.Output(kafka.Corrections),
		(*codec.Decoder).DecodeCorrection, (*codec.Encoder).AppendCorrection,
		func(c *event.Correction) bool { return len(c.Changes) > 0 }, func(c *event.Correction) { c.Changes[0].Balance-- }))
	if !slices.Contains(failed, checkTimelines) {
		t.Error(said)
	}
}

func TestATopicThatForgetsIsNoticed(t *testing.T) {
	p := newPipeline(t)
	p.run(t)
	policy := "delete"
	alter := []kadm.AlterConfig{{Op: kadm.SetConfig, Name: "cleanup.policy", Value: &policy}}
	if _, err := kadm.NewClient(p.client).AlterTopicConfigs(t.Context(), alter, p.options.Names.Output(kafka.Balances)); err != nil {
		t.Fatal(err)
	}
	if failed, said := p.verified(t, nil); !slices.Contains(failed, checkTopics) {
		t.Error(said)
	}
}

func TestLongAccountsOfOperationsAreVerified(t *testing.T) {
	p := newPipeline(t)
	p.run(t)
	p.send(t, operations(t, 2500, 2, "batch"))
	failed, said := p.verified(t, nil)
	if len(failed) > 0 {
		t.Error(said)
	}
}

func TestARegistryThatIsAwayEndsTheRun(t *testing.T) {
	p := newPipeline(t)
	p.run(t)
	user := []byte("alice")
	p.send(t, []trace.Record{{Topic: event.Subtracts, Key: user, Value: []byte{0, 0, 0, 0, 7, 1, 2, 3}}})
	if failed, said := p.verified(t, nil); len(failed) > 0 {
		t.Error(said)
	}
	away := errors.New("away")
	p.options.SchemaByID = func(uint32) (string, error) { return "", away }
	if _, err := Run(t.Context(), p.options, &bytes.Buffer{}); !errors.Is(err, away) {
		t.Errorf("the run ended with %v", err)
	}
}
