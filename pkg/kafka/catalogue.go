package kafka

import (
	"strconv"

	"highwater/pkg/event"
)

// Sizes of one record batch, in bytes, as the topics allow them and as the
// clients make them.
const (
	// MaxInputBytes bounds a batch that a producer sends to an input topic.
	MaxInputBytes = 12 << 20
	// MaxOutputBytes bounds a batch on every other topic. A dead letter is an
	// input record with headers added, so this must exceed MaxInputBytes.
	MaxOutputBytes = 16 << 20
)

// Topic is one topic as it must be.
type Topic struct {
	Name              string
	Partitions        int32
	ReplicationFactor int16
	// Pinned are the settings that correctness rests on: a topic that exists
	// and has another value is refused.
	Pinned map[string]string
	// Initial are settings given at creation that its owner may change.
	Initial map[string]string
}

// Catalogue lists the topics of one installation. A replication factor of -1
// leaves the choice to the brokers.
func Catalogue(names Names, partitions int32, replicationFactor int16) []Topic {
	topic := func(name string, pinned, initial map[string]string) Topic {
		return Topic{Name: name, Partitions: partitions, ReplicationFactor: replicationFactor, Pinned: pinned, Initial: initial}
	}
	var all []Topic
	for _, t := range event.Inputs {
		all = append(all, topic(names.Input(t), map[string]string{
			// A wild event time can't touch retention, and arrival times are
			// Kafka's own.
			"message.timestamp.type": "LogAppendTime",
			"cleanup.policy":         "delete",
			"max.message.bytes":      strconv.Itoa(MaxInputBytes),
		}, map[string]string{
			// Events are the truth; nothing else can prove the answers.
			"retention.ms": "-1", "retention.bytes": "-1",
		}))
	}
	for _, o := range Outputs() {
		policy := "delete"
		if o.IsCompacted() {
			policy = "compact"
		}
		initial := map[string]string{}
		if !o.IsCompacted() {
			initial["retention.ms"], initial["retention.bytes"] = "-1", "-1"
		}
		all = append(all, topic(names.Output(o), map[string]string{
			"cleanup.policy":    policy,
			"max.message.bytes": strconv.Itoa(MaxOutputBytes),
		}, initial))
	}
	return append(all, internalTopics(names, topic)...)
}

func internalTopics(names Names, topic func(name string, pinned, initial map[string]string) Topic) []Topic {
	// Whoever starts with an empty disk reads these from their beginning.
	kept := map[string]string{
		"cleanup.policy":    "delete",
		"retention.ms":      "-1",
		"retention.bytes":   "-1",
		"max.message.bytes": strconv.Itoa(MaxOutputBytes),
	}
	return []Topic{
		// Ownership, and what a person told a shard to skip.
		topic(names.Shards(), map[string]string{"cleanup.policy": "compact"}, nil),
		topic(names.Changelog(), kept, nil),
		topic(names.Input(event.Transfers), kept, nil),
	}
}
