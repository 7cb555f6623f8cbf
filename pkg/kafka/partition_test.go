package kafka

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"pgregory.net/rapid"
)

// I1, against the values that Kafka's own tests pin for the Java client.
func TestMurmur2AsInJava(t *testing.T) {
	for key, want := range map[string]int32{
		"21":                         -973932308,
		"foobar":                     -790332482,
		"a-little-bit-long-string":   -985981536,
		"a-little-bit-longer-string": -1486304829,
		"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
		"abc": 479470107,
	} {
		if got := int32(murmur2(key)); got != want {
			t.Errorf("murmur2(%q) = %d, want %d", key, got, want)
		}
	}
}

// I1, against the client library's own partitioner.
func TestPartitionOfAgreesWithTheClient(t *testing.T) {
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("grants")
	rapid.Check(t, func(t *rapid.T) {
		key := rapid.SliceOfN(rapid.Byte(), 1, 200).Draw(t, "key")
		n := rapid.IntRange(1, 1000).Draw(t, "n")
		want := partitioner.Partition(&kgo.Record{Key: key}, n)
		if got := PartitionOf(key, int32(n)); int(got) != want {
			t.Fatalf("PartitionOf(%q, %d) = %d, want %d", key, n, got, want)
		}
		if PartitionOf(key, int32(n)) != PartitionOf(string(key), int32(n)) {
			t.Fatal("a string and its bytes differ")
		}
	})
}
