package query

import (
	"encoding/json"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// instant is a time in an answer; null for none.
type instant event.Time

// MarshalJSON writes RFC 3339 in UTC with six digits.
func (t instant) MarshalJSON() ([]byte, error) {
	if event.Time(t) == event.NoTime {
		return []byte("null"), nil
	}
	return append(event.Time(t).AppendRFC3339([]byte{'"'}), '"'), nil
}

// position is a position in an answer; null for none.
type position event.Position

// MarshalJSON writes topic/partition/offset.
func (p position) MarshalJSON() ([]byte, error) {
	if p.Topic == event.NoTopic {
		return []byte("null"), nil
	}
	return append(append([]byte{'"'}, kafka.FormatPosition(event.Position(p))...), '"'), nil
}

// nullText is a text in an answer; null for none.
type nullText string

// MarshalJSON writes the text or null.
func (t nullText) MarshalJSON() ([]byte, error) {
	if t == "" {
		return []byte("null"), nil
	}
	return json.Marshal(string(t))
}

// balances are the three numbers, or nulls.
type balances struct {
	Balance *int64 `json:"balance"`
	Held    *int64 `json:"held"`
	Debt    *int64 `json:"debt"`
}

func balancesOf(b event.Balances) balances { return balances{&b.Balance, &b.Held, &b.Debt} }

// positions are the newest records that a partition has processed, of each
// topic that it has processed any of.
func (v *view) positions() []position {
	all := []position{}
	for topic := event.Grants; topic <= event.Transfers; topic++ {
		if next := v.meta.Next(topic); next > 0 {
			all = append(all, position{Topic: topic, Partition: v.meta.Shard, Offset: next - 1})
		}
	}
	return all
}
