package containers

import (
	"os"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestKafka shows that the image starts with our settings and takes transactions: StartKafka returns only then.
func TestKafka(t *testing.T) {
	needDocker(t)
	kafka, err := StartKafka(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := kafka.Stop(); err != nil {
			t.Error(err)
		}
	})

	client, err := kgo.NewClient(kgo.SeedBrokers(kafka.Bootstrap))
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	metadata, err := kmsg.NewPtrMetadataRequest().RequestWith(t.Context(), client)
	if err != nil {
		t.Fatal(err)
	}
	if len(metadata.Brokers) != 1 || metadata.Brokers[0].NodeID != 1 {
		t.Errorf("want the one broker 1, got %+v", metadata.Brokers)
	}
}

// needDocker skips the test where no Docker daemon answers, or fails it where HIGHWATER_REQUIRE_DOCKER=1.
func needDocker(t *testing.T) {
	t.Helper()
	switch err := Available(t.Context()); {
	case err == nil:
	case os.Getenv("HIGHWATER_REQUIRE_DOCKER") == "1":
		t.Fatalf("HIGHWATER_REQUIRE_DOCKER=1: %v", err)
	default:
		t.Skip(err)
	}
}
