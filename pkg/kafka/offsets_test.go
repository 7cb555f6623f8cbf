package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
)

// What an open transaction wrote is below the high watermark, and not below
// the last stable offset until it is committed.
func TestOffsetsWhileATransactionIsOpen(t *testing.T) {
	names := Names{Application: "app"}
	topic := names.Input(event.Grants)
	client := fakeClient(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("t"), kgo.DefaultProduceTopic(topic))
	if _, err := Apply(t.Context(), client, Catalogue(names, 1, -1)); err != nil {
		t.Fatal(err)
	}
	if err := client.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	if err := client.ProduceSync(t.Context(), kgo.StringRecord("open")).FirstErr(); err != nil {
		t.Fatal(err)
	}
	ends := func() (high, stable int64) {
		t.Helper()
		all, err := HighWatermarks(t.Context(), client, 0, topic)
		if err != nil {
			t.Fatal(err)
		}
		readable, err := LastStableOffsets(t.Context(), client, 0, topic)
		if err != nil {
			t.Fatal(err)
		}
		return all[topic], readable[topic]
	}
	if high, stable := ends(); high != 1 || stable != 0 {
		t.Errorf("open: high watermark %d and last stable offset %d, want 1 and 0", high, stable)
	}
	if err := client.EndTransaction(t.Context(), kgo.TryCommit); err != nil {
		t.Fatal(err)
	}
	if high, stable := ends(); high != 2 || stable != 2 {
		t.Errorf("committed: high watermark %d and last stable offset %d, want 2 and 2", high, stable)
	}
}
