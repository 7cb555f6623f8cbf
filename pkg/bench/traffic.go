package bench

import (
	"context"
	"fmt"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
)

const (
	// readWhole is up to how many events outputs are read of all partitions; of
	// more, those of the first one stand for all.
	readWhole = 5_000_000
	// floorUpTo is how many events a floor moves at most: it is the same pace
	// all the way, and takes as much disk again as what it is compared with.
	floorUpTo = 5_000_000
)

// readTraffic says what the stretch wrote to Kafka for an event, and what all
// there is takes up.
func (i *installation) readTraffic(ctx context.Context, s *stretch) (*Traffic, error) {
	stored, err := i.stored(ctx)
	if err != nil {
		return nil, err
	}
	all, partitions := s.taken(), i.Partitions
	if all > readWhole {
		partitions = 1
	}
	events, changelog := int64(0), int64(0)
	for _, t := range s.counted {
		if t.partition < partitions {
			events += t.events
			changelog += t.bytes
		}
	}
	traffic := &Traffic{Partitions: partitions, Outputs: []Topic{}}
	for _, output := range kafka.Outputs() {
		topic := Topic{Topic: output.String(), Stored: over(float64(stored[i.names.Output(output)]), float64(all))}
		var records, keys, bytes int64
		err := readAll(ctx, i.Client, i.names.Output(output), partitions, s.millis(), func(r *kgo.Record) error {
			if s.has(r) {
				records++
				keys += int64(len(r.Key))
				bytes += recordSize(r)
				if len(topic.sample) < sampleBytes {
					topic.sample = append(topic.sample, r.Value...)
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		topic.Records, topic.Bytes = over(float64(records), float64(events)), over(float64(bytes), float64(events))
		topic.keyBytes = over(float64(keys), float64(records))
		traffic.Outputs = append(traffic.Outputs, topic)
		traffic.Bytes += topic.Bytes
		traffic.Stored += topic.Stored
	}
	traffic.Changelog = Topic{
		Topic: "changelog", Records: over(float64(len(s.counted)), float64(s.events)),
		Bytes: over(float64(changelog), float64(events)), Stored: over(float64(stored[i.names.Changelog()]), float64(all)),
	}
	traffic.Bytes += traffic.Changelog.Bytes
	traffic.Stored += traffic.Changelog.Stored
	return traffic, nil
}

// stored is how many bytes each topic's logs have, one replica of each.
func (i *installation) stored(ctx context.Context) (map[string]int64, error) {
	dirs, err := kadm.NewClient(i.client).DescribeAllLogDirs(ctx, nil)
	if err != nil {
		return nil, fmt.Errorf("ask for the sizes of logs: %w", err)
	}
	largest := make(map[string]map[int32]int64)
	dirs.Each(func(d kadm.DescribedLogDir) {
		d.Topics.Each(func(p kadm.DescribedLogDirPartition) {
			if largest[p.Topic] == nil {
				largest[p.Topic] = make(map[int32]int64)
			}
			largest[p.Topic][p.Partition] = max(largest[p.Topic][p.Partition], p.Size)
		})
	})
	sizes := make(map[string]int64, len(largest))
	for topic, partitions := range largest {
		for _, size := range partitions {
			sizes[topic] += size
		}
	}
	return sizes, nil
}

// kafkaVersion is what the brokers' requests tell of their version.
func kafkaVersion(ctx context.Context, client *kgo.Client) string {
	versions, err := kadm.NewClient(client).ApiVersions(ctx)
	if err != nil {
		return ""
	}
	for _, v := range versions {
		return v.VersionGuess()
	}
	return ""
}

// plan is what a floor must do to move what this installation moved.
func (i *installation) plan(s *stretch, t *Traffic, rows []byte) *FloorPlan {
	names := i.floor
	p := &FloorPlan{
		Inputs: i.names, Names: names, Partitions: i.Partitions, MaxBacklog: floorUpTo / int64(i.Partitions), Echo: i.isLive(),
		Events:         max(1, int(s.events)/len(s.counted)),
		ChangelogBytes: max(0, t.Changelog.Bytes-t.Changelog.Records*kafka.ChangelogHeaderBytes), ChangelogSample: rows,
	}
	for n, output := range kafka.Outputs() {
		topic := t.Outputs[n]
		if topic.Records == 0 {
			continue
		}
		p.Outputs = append(p.Outputs, FloorOutput{
			Topic: names.Output(output), Records: topic.Records,
			KeyBytes: int(topic.keyBytes + 0.5), ValueBytes: int(topic.Bytes/topic.Records - topic.keyBytes + 0.5), Sample: topic.sample,
		})
	}
	return p
}
