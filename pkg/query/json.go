package query

import (
	"encoding/json"
	"strconv"

	"highwater/pkg/event"
	"highwater/pkg/kafka"
)

// instant is a time in an answer; null for none.
type instant event.Time

// MarshalJSON writes RFC 3339 in UTC with six digits.
func (t instant) MarshalJSON() ([]byte, error) {
	return t.append(nil), nil
}

func (t instant) append(b []byte) []byte {
	if event.Time(t) == event.NoTime {
		return append(b, "null"...)
	}
	return append(event.Time(t).AppendRFC3339(append(b, '"')), '"')
}

// position is a position in an answer; null for none.
type position event.Position

// MarshalJSON writes topic/partition/offset.
func (p position) MarshalJSON() ([]byte, error) {
	return p.append(nil), nil
}

func (p position) append(b []byte) []byte {
	if p.Topic == event.NoTopic {
		return append(b, "null"...)
	}
	return append(append(append(b, '"'), kafka.FormatPosition(event.Position(p))...), '"')
}

// nullText is a text in an answer; null for none.
type nullText string

// MarshalJSON writes the text or null.
func (t nullText) MarshalJSON() ([]byte, error) {
	return t.append(nil), nil
}

func (t nullText) append(b []byte) []byte {
	if t == "" {
		return append(b, "null"...)
	}
	return appendText(b, string(t))
}

// appendText writes a text as encoding/json does.
func appendText(b []byte, s string) []byte {
	for i := range len(s) {
		switch c := s[i]; {
		case c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&':
			text, err := json.Marshal(s)
			if err != nil {
				panic("query: a text can't be written: " + err.Error())
			}
			return append(b, text...)
		}
	}
	return append(append(append(b, '"'), s...), '"')
}

// appendInt writes a number behind its name.
func appendInt(b []byte, name string, n int64) []byte {
	return strconv.AppendInt(append(b, name...), n, 10)
}

// appendOptional writes a number, or null, behind its name.
func appendOptional(b []byte, name string, n *int64) []byte {
	if n == nil {
		return append(append(b, name...), "null"...)
	}
	return appendInt(b, name, *n)
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
