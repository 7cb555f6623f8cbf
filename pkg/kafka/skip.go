package kafka

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
)

const (
	skipPrefix = "skip/"
	// MaxSkips bounds how many records of one partition may be skipped.
	MaxSkips = 100_000
)

// Skip is a person's word that one input record is to be put aside unread, as
// a dead letter with the code quarantined: the way on where a record stops its
// partition. It is a record of the shards topic, in the partition of the
// record to skip, and takes effect when that shard is next taken over.
//
//	key    skip/<topic>/<partition>/<offset>, the topic without topic.prefix
//	value  {"by": who, "reason": why}; none takes the word back
type Skip struct {
	Position event.Position `json:"-"`
	// By and Reason are for people.
	By     string `json:"by"`
	Reason string `json:"reason"`
}

// ProduceSkip records a skip. The client must use a manual partitioner.
func ProduceSkip(ctx context.Context, client *kgo.Client, names Names, s Skip) error {
	value, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("skip %s: %w", FormatPosition(s.Position), err)
	}
	record := &kgo.Record{
		Topic: names.Shards(), Partition: s.Position.Partition,
		Key: []byte(skipPrefix + FormatPosition(s.Position)), Value: value,
	}
	if err := client.ProduceSync(ctx, record).FirstErr(); err != nil {
		return fmt.Errorf("skip %s: %w", FormatPosition(s.Position), err)
	}
	return nil
}

// ParseSkip reads a record of the shards topic. Where it isn't a skip, ok is
// false; where it takes one back, skipped is.
func ParseSkip(record *kgo.Record) (position event.Position, skipped, ok bool) {
	text, ok := strings.CutPrefix(string(record.Key), skipPrefix)
	if !ok {
		return event.Position{}, false, false
	}
	position, err := ParsePosition(text)
	if err != nil || position.Partition != record.Partition {
		return event.Position{}, false, false
	}
	return position, record.Value != nil, true
}

// FormatPosition is topic/partition/offset, the topic without any prefix.
func FormatPosition(p event.Position) string {
	return p.Topic.String() + "/" + strconv.Itoa(int(p.Partition)) + "/" + strconv.FormatInt(p.Offset, 10)
}

// ParsePosition reads what [FormatPosition] writes.
func ParsePosition(s string) (event.Position, error) {
	wrong := fmt.Errorf("position %q: want topic/partition/offset, such as grants/3/1024", s)
	parts := strings.Split(s, "/")
	if len(parts) != 3 {
		return event.Position{}, wrong
	}
	topic, ok := event.ParseTopic(parts[0])
	partition, partitionErr := strconv.ParseInt(parts[1], 10, 32)
	offset, offsetErr := strconv.ParseInt(parts[2], 10, 64)
	p := event.Position{Topic: topic, Partition: int32(partition), Offset: offset}
	if !ok || partitionErr != nil || offsetErr != nil || partition < 0 || offset < 0 || FormatPosition(p) != s {
		return event.Position{}, wrong
	}
	return p, nil
}
