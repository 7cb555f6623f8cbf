package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// topicFacts are what Kafka says about a topic that exists.
type topicFacts struct {
	id         TopicID
	partitions int32
}

// askTopics asks for topics by name; those that don't exist are left out. It
// asks the brokers each time: kadm answers from a cache, in which a deleted
// topic lives on.
func askTopics(ctx context.Context, client *kgo.Client, names ...string) (map[string]topicFacts, error) {
	req := kmsg.NewPtrMetadataRequest()
	for _, name := range names {
		t := kmsg.NewMetadataRequestTopic()
		t.Topic = kmsg.StringPtr(name)
		req.Topics = append(req.Topics, t)
	}
	answer, err := req.RequestWith(ctx, client)
	if err != nil {
		return nil, fmt.Errorf("list topics: %w", err)
	}
	facts := make(map[string]topicFacts, len(names))
	for _, t := range answer.Topics {
		err := kerr.ErrorForCode(t.ErrorCode)
		switch {
		case errors.Is(err, kerr.UnknownTopicOrPartition) || t.Topic == nil:
		case err != nil:
			return nil, fmt.Errorf("list topic %s: %w", *t.Topic, err)
		default:
			facts[*t.Topic] = topicFacts{id: TopicID(t.TopicID), partitions: int32(len(t.Partitions))}
		}
	}
	return facts, nil
}
