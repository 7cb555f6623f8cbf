package kafka

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"
)

const (
	// visibleWithin bounds the wait for new topics to show on every broker.
	visibleWithin = 15 * time.Second
	visibleEvery  = 50 * time.Millisecond
)

// TopicError says that topics are missing or not as they must be. Kafka can't
// be asked to mend it: a person does, or names other topics.
type TopicError struct {
	// Differences has one line for each thing that is wrong.
	Differences []string
}

// Error lists the differences.
func (e *TopicError) Error() string {
	return "topics are not as Highwater needs them: " + strings.Join(e.Differences, "; ")
}

// PersonMustDecide says that no restart cures it.
func (e *TopicError) PersonMustDecide() (missing, action string) {
	return e.Error(), "run `highwater topics apply` where topics are missing; mend the others as each line says"
}

// Applied is what Apply did with one topic.
type Applied struct {
	Topic   string
	Created bool
}

// Apply creates the topics that are missing and verifies those that exist; it
// may be run any number of times. Nothing is created where an existing topic
// is wrong.
func Apply(ctx context.Context, client *kgo.Client, topics []Topic) ([]Applied, error) {
	differences, missing, err := compare(ctx, client, topics)
	if err != nil {
		return nil, err
	}
	if len(differences) > 0 {
		return nil, &TopicError{Differences: differences}
	}
	admin := kadm.NewClient(client)
	applied := make([]Applied, 0, len(topics))
	for _, t := range topics {
		create := slices.Contains(missing, t.Name)
		if create {
			if err := createTopic(ctx, admin, t); err != nil {
				return applied, err
			}
		}
		applied = append(applied, Applied{Topic: t.Name, Created: create})
	}
	return applied, verifyCreated(ctx, client, topics)
}

// verifyCreated verifies what was just created: somebody else may have created
// a topic meanwhile, and wrongly. Brokers learn of a new topic one by one.
func verifyCreated(ctx context.Context, client *kgo.Client, topics []Topic) error {
	ctx, cancel := context.WithTimeout(ctx, visibleWithin)
	defer cancel()
	again := time.NewTicker(visibleEvery)
	defer again.Stop()
	for {
		differences, missing, err := compare(ctx, client, topics)
		switch {
		case err == nil && len(differences) > 0:
			return &TopicError{Differences: differences}
		case err == nil && len(missing) == 0:
			return nil
		case err == nil:
			err = fmt.Errorf("topics %v were created but don't show", missing)
		case ClassOf(err) != Retry:
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("verify topics: %w", err)
		case <-again.C:
		}
	}
}

// Verify checks that every topic is there and as it must be.
func Verify(ctx context.Context, client *kgo.Client, topics []Topic) error {
	differences, missing, err := compare(ctx, client, topics)
	if err != nil {
		return err
	}
	for _, name := range missing {
		differences = append(differences, missingTopic(name))
	}
	if len(differences) > 0 {
		return &TopicError{Differences: differences}
	}
	return nil
}

// PartitionCount is how many partitions the installation has: that of its
// shards topic.
func PartitionCount(ctx context.Context, client *kgo.Client, names Names) (int32, error) {
	facts, err := askTopics(ctx, client, names.Shards())
	if err != nil {
		return 0, err
	}
	shards, ok := facts[names.Shards()]
	if !ok {
		return 0, &TopicError{Differences: []string{missingTopic(names.Shards())}}
	}
	return shards.partitions, nil
}

func missingTopic(name string) string {
	return name + " doesn't exist: run `highwater topics apply`"
}

func createTopic(ctx context.Context, admin *kadm.Client, t Topic) error {
	configs := make(map[string]*string, len(t.Pinned)+len(t.Initial))
	for name, value := range t.Initial {
		configs[name] = &value
	}
	for name, value := range t.Pinned {
		configs[name] = &value
	}
	answer, err := admin.CreateTopic(ctx, t.Partitions, t.ReplicationFactor, configs, t.Name)
	if err == nil {
		err = answer.Err
	}
	if err != nil && !errors.Is(err, kerr.TopicAlreadyExists) {
		if answer.ErrMessage != "" {
			return fmt.Errorf("create topic %s: %w: %s", t.Name, err, answer.ErrMessage)
		}
		return fmt.Errorf("create topic %s: %w", t.Name, err)
	}
	return nil
}

// compare says what is wrong with the topics that exist, and which don't.
func compare(ctx context.Context, client *kgo.Client, topics []Topic) (differences, missing []string, err error) {
	names := make([]string, len(topics))
	for i, t := range topics {
		names[i] = t.Name
	}
	facts, err := askTopics(ctx, client, names...)
	if err != nil {
		return nil, nil, err
	}
	var existing []string
	for _, t := range topics {
		f, ok := facts[t.Name]
		if !ok {
			missing = append(missing, t.Name)
			continue
		}
		existing = append(existing, t.Name)
		if f.partitions != t.Partitions {
			differences = append(differences, fmt.Sprintf(
				"%s has %d partitions, not %d: all topics need the same number, and it can't change once there are events (users would move); set partitions=%d, or use other topics (topic.prefix)",
				t.Name, f.partitions, t.Partitions, f.partitions))
		}
	}
	if len(existing) == 0 {
		return differences, missing, nil
	}
	wrong, err := compareConfigs(ctx, kadm.NewClient(client), topics, existing)
	return append(differences, wrong...), missing, err
}

func compareConfigs(ctx context.Context, admin *kadm.Client, topics []Topic, existing []string) ([]string, error) {
	resources, err := admin.DescribeTopicConfigs(ctx, existing...)
	if err != nil {
		return nil, fmt.Errorf("describe the topics' settings: %w", err)
	}
	var differences []string
	for _, t := range topics {
		if !slices.Contains(existing, t.Name) {
			continue
		}
		resource, err := resources.On(t.Name, nil)
		if err == nil {
			err = resource.Err
		}
		if err != nil {
			return nil, fmt.Errorf("describe the settings of topic %s: %w", t.Name, err)
		}
		has := make(map[string]string, len(resource.Configs))
		for _, config := range resource.Configs {
			has[config.Key] = config.MaybeValue()
		}
		for _, name := range slices.Sorted(maps.Keys(t.Pinned)) {
			if want := t.Pinned[name]; has[name] != want {
				differences = append(differences, fmt.Sprintf(
					"%s has %s=%s, not %s: kafka-configs.sh --alter --entity-type topics --entity-name %s --add-config %s=%s",
					t.Name, name, has[name], want, t.Name, name, want))
			}
		}
	}
	return differences, nil
}
