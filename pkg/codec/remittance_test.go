package codec_test

import (
	"reflect"
	"testing"

	"highwater/pkg/codec"
	"highwater/pkg/event"
)

// What travels between shards comes out as it went in, and nothing shorter,
// longer or otherwise versioned is taken for it.
func TestRemittance(t *testing.T) {
	want := event.Remittance{
		From: "al/ice", To: "bob", EventID: "t1", Asset: "gold", OccurredAt: 7, Sequence: -3, ArrivedAt: 9,
		Input: event.Position{Topic: event.Ledger, Partition: 5, Offset: 11},
		Grants: []event.RemittedGrant{
			{Amount: 1 << 53, ExpiresAt: event.NoTime, Priority: 1000},
			{Amount: 1, ExpiresAt: event.MaxTime},
		},
	}
	row := codec.AppendRemittance(nil, &want)
	var got event.Remittance
	if err := codec.DecodeRemittance(row, &got); err != nil || !reflect.DeepEqual(got, want) {
		t.Fatalf("%+v went in, %+v came out: %v", want, got, err)
	}
	for n := range row {
		if codec.DecodeRemittance(row[:n], &got) == nil {
			t.Errorf("%d of %d bytes are taken for a remittance", n, len(row))
		}
	}
	if codec.DecodeRemittance(append([]byte{2}, row[1:]...), &got) == nil {
		t.Error("another version is taken for this one")
	}
	if codec.DecodeRemittance(append(row, 0), &got) == nil {
		t.Error("a longer row is taken for a remittance")
	}
}
