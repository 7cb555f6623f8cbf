package kafka

import (
	"strconv"
	"strings"

	"highwater/pkg/event"
)

// Names are the names of one installation's topics, groups and transactional
// ids.
type Names struct {
	// Application is application.id: the prefix of everything internal.
	Application string
	// Prefix is topic.prefix: it goes before every input and output topic.
	Prefix string
}

// Output is one of the output topics.
type Output uint8

// The output topics.
const (
	Entries Output = iota
	Corrections
	Balances
	Settled
	OrderStates
	OrderStats
	Alerts
	Watermarks
	DeadLetters
	outputs
)

// OutputCount is how many output topics there are.
const OutputCount = int(outputs)

var outputNames = [outputs]string{
	"entries", "corrections", "balances", "settled", "order-states", "order-stats", "alerts", "watermarks", "dead-letters",
}

// String is the topic's name without any prefix.
func (o Output) String() string { return outputNames[o] }

// IsCompacted reports whether Kafka keeps only the newest record of each key.
func (o Output) IsCompacted() bool {
	switch o {
	case Balances, OrderStates, OrderStats, Watermarks:
		return true
	}
	return false
}

// Outputs lists the output topics.
func Outputs() []Output {
	all := make([]Output, outputs)
	for i := range all {
		all[i] = Output(i)
	}
	return all
}

// Input is the name of a topic that shards read; the internal one that
// carries transfers included.
func (n Names) Input(t event.Topic) string {
	if t == event.Transfers {
		return n.Application + "-transfers"
	}
	return n.Prefix + t.String()
}

// ParseInput finds the topic that has this name.
func (n Names) ParseInput(name string) (event.Topic, bool) {
	if name == n.Input(event.Transfers) {
		return event.Transfers, true
	}
	bare, ok := strings.CutPrefix(name, n.Prefix)
	if !ok {
		return event.NoTopic, false
	}
	t, ok := event.ParseTopic(bare)
	return t, ok && t != event.Transfers
}

// Output is the name of an output topic.
func (n Names) Output(o Output) string { return n.Prefix + o.String() }

// Shards is the topic whose partitions stand for the shards.
func (n Names) Shards() string { return n.Application + "-shards" }

// Changelog is the topic that carries every change of every shard's state.
func (n Names) Changelog() string { return n.Application + "-changelog" }

// TransactionalID is that of one shard.
func (n Names) TransactionalID(shard int32) string {
	return n.Application + "-" + strconv.Itoa(int(shard))
}

// ProcessorGroup is the group whose members share the shards.
func (n Names) ProcessorGroup() string { return n.Application + "-processors" }

// PositionGroup is the group whose offsets show how far the inputs were
// processed. Nobody reads them to go on from there: the changelog alone says
// what was processed.
func (n Names) PositionGroup() string { return n.Application }
