package kafka

import (
	"context"
	"encoding/hex"
	"fmt"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/event"
)

// TopicID is Kafka's own id of a topic: another one under the same name means
// that the topic was deleted and created again.
type TopicID [16]byte

// String is the id in hexadecimal.
func (id TopicID) String() string { return hex.EncodeToString(id[:]) }

// Lineage is what positions rest on: which topics they are about, and how
// users are spread over partitions.
type Lineage struct {
	Partitions int32
	// IDs are those of the topics a shard reads, by event.Topic from Grants on.
	IDs [ReadTopics]TopicID
}

// ReadLineage asks Kafka for the lineage as it is now. Topics that don't agree
// on their number of partitions are a LossError.
func ReadLineage(ctx context.Context, client *kgo.Client, names Names) (Lineage, error) {
	reads := ReadNames(names)
	facts, err := askTopics(ctx, client, append([]string{names.Shards()}, reads[:]...)...)
	if err != nil {
		return Lineage{}, err
	}
	lineage := Lineage{Partitions: facts[names.Shards()].partitions}
	for i, name := range reads {
		f, ok := facts[name]
		if !ok {
			return Lineage{}, &TopicError{Differences: []string{missingTopic(name)}}
		}
		if f.partitions != lineage.Partitions {
			return Lineage{}, &LossError{
				Missing: fmt.Sprintf("topic %s has %d partitions, %s has %d: users no longer live where their events are", name, f.partitions, names.Shards(), lineage.Partitions),
				Action:  moveOn,
			}
		}
		lineage.IDs[i] = f.id
	}
	return lineage, nil
}

const moveOn = "send all events again to topics with the new number of partitions (another topic.prefix and application.id); a number of partitions can't be taken back"

// ReadNames are the names of the topics a shard reads, by event.Topic from
// Grants on.
func ReadNames(names Names) [ReadTopics]string {
	var reads [ReadTopics]string
	for i := range reads {
		reads[i] = names.Input(event.Grants + event.Topic(i))
	}
	return reads
}

// Continues says what breaks the line from before to l: nil where positions of
// before still mean the same records.
func (l *Lineage) Continues(before *Lineage, names Names) error {
	if l.Partitions != before.Partitions {
		return &LossError{
			Missing: fmt.Sprintf("the topics have %d partitions, they had %d when the state was written: users no longer live where their events are", l.Partitions, before.Partitions),
			Action:  moveOn,
		}
	}
	for i, name := range ReadNames(names) {
		if l.IDs[i] != before.IDs[i] {
			return &LossError{
				Missing: fmt.Sprintf("topic %s was deleted and created again (its id was %s and is now %s): events of the old one that were not processed yet are gone", name, before.IDs[i], l.IDs[i]),
				Action:  "restore the old topic, or start anew with another topic.prefix and application.id and send all events again",
			}
		}
	}
	return nil
}
