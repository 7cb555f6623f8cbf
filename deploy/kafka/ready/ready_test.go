package ready

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// cluster is an embedded broker whose finalized features are what the test says.
func cluster(t *testing.T, features func(*kmsg.ApiVersionsResponse)) string {
	t.Helper()
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	client, err := kgo.NewClient(kgo.SeedBrokers(c.ListenAddrs()...))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	genuine, err := kmsg.NewPtrApiVersionsRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	c.ControlKey(kmsg.ApiVersions.Int16(), func(req kmsg.Request) (kmsg.Response, error, bool) {
		c.KeepControl()
		answer := *genuine
		answer.Version = req.GetVersion()
		features(&answer)
		return &answer, nil, true
	})
	return c.ListenAddrs()[0]
}

func level(l int16) func(*kmsg.ApiVersionsResponse) {
	return func(answer *kmsg.ApiVersionsResponse) {
		feature := kmsg.NewApiVersionsResponseFinalizedFeature()
		feature.Name, feature.MaxVersionLevel = versionName, l
		answer.FinalizedFeatures = []kmsg.ApiVersionsResponseFinalizedFeature{feature}
		answer.FinalizedFeaturesEpoch = 1
	}
}

func TestAwaitChecksTheTransactionVersion(t *testing.T) { // I1
	for l, ok := range map[int16]bool{0: false, 1: false, 2: true, 3: true} {
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		err := Await(ctx, cluster(t, level(l)))
		if ok && err != nil {
			t.Errorf("level %d must be taken: %v", l, err)
		}
		if !ok && !errors.Is(err, ErrTransactionVersion) {
			t.Errorf("level %d must be refused: %v", l, err)
		}
	}
}

func TestAwaitWaitsForTheFirstMetadata(t *testing.T) {
	var asked atomic.Int32
	server := cluster(t, func(answer *kmsg.ApiVersionsResponse) {
		if asked.Add(1) > 5 {
			level(2)(answer)
			return
		}
		answer.FinalizedFeatures, answer.FinalizedFeaturesEpoch = nil, -1
	})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := Await(ctx, server); err != nil {
		t.Error(err)
	}
	if asked.Load() <= 5 {
		t.Errorf("ready after %d answers, the sixth is the first with features", asked.Load())
	}
}

func TestAwaitSaysWhatIsMissing(t *testing.T) {
	server := cluster(t, func(answer *kmsg.ApiVersionsResponse) { answer.FinalizedFeaturesEpoch = -1 })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	err := Await(ctx, server)
	if !errors.Is(err, context.DeadlineExceeded) || !strings.Contains(err.Error(), "no finalized features") {
		t.Errorf("got %v", err)
	}
}
