package broker

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"highwater/deploy/kafka/ready"
)

// readyWithin bounds the wait for a broker that was named, not started.
const readyWithin = 30 * time.Second

// maxPrefixName keeps the readable part of a prefix far below Kafka's 249 bytes of a topic's name.
const maxPrefixName = 40

var shared struct {
	once   sync.Once
	server string
	err    error
}

// Start returns the bootstrap servers (host:port, separated by commas) of the broker that all tests of this process
// share. It skips the test where there is none, or fails it where one is required.
func Start(tb testing.TB) string {
	tb.Helper()
	shared.once.Do(func() {
		shared.server, shared.err = choose([]source{environment(), docker(), java()})
	})
	verdict(tb, shared.err)
	return shared.server
}

// Prefix returns a prefix for topics, groups and transactional ids that no other test uses, in this run or another:
// the test's name as far as Kafka's names allow, and a random part.
func Prefix(tb testing.TB) string {
	tb.Helper()
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		default:
			return '-'
		}
	}, tb.Name())
	var salt [4]byte
	_, _ = rand.Read(salt[:]) // never fails: crypto/rand ends the process instead
	return fmt.Sprintf("%s-%s-", name[:min(len(name), maxPrefixName)], hex.EncodeToString(salt[:]))
}

// environment is the cluster that the caller named. It must be usable, or the test fails.
func environment() source {
	servers := os.Getenv("KAFKA_BOOTSTRAP_SERVERS")
	return source{
		missing: func() string {
			if servers == "" {
				return "KAFKA_BOOTSTRAP_SERVERS is not set"
			}
			return ""
		},
		start: func() (string, error) {
			ctx, cancel := context.WithTimeout(context.Background(), readyWithin)
			defer cancel()
			if err := ready.Await(ctx, strings.Split(servers, ",")...); err != nil {
				return "", fmt.Errorf("the cluster of KAFKA_BOOTSTRAP_SERVERS: %w", err)
			}
			return servers, nil
		},
	}
}
