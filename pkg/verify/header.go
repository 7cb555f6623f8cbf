package verify

import (
	"fmt"
	"strconv"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
)

// The headers that say why a record was put aside, and the stamp of what has
// no value of its own.
const (
	headerTopic     = "__streams.errors.topic"
	headerPartition = "__streams.errors.partition"
	headerOffset    = "__streams.errors.offset"
	headerMessage   = "__streams.errors.message"
	headerCode      = "__streams.errors.exception"
	headerShard     = "highwater.partition"
	headerSeq       = "highwater.seq"
	headerWatermark = "highwater.watermark"
)

// addedHeaders are how many headers a dead letter has more than the record
// that was put aside.
const addedHeaders = 8

// headers are a record's, by key; the last one counts.
type headers map[string]string

func headersOf(r *kgo.Record) headers {
	h := headers{}
	for _, header := range r.Headers {
		h[header.Key] = string(header.Value)
	}
	return h
}

// number reads a header as decimal text.
func (h headers) number(key string) (int64, error) {
	text, ok := h[key]
	if !ok {
		return 0, fmt.Errorf("header %s is missing", key)
	}
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strconv.FormatInt(n, 10) != text {
		return 0, fmt.Errorf("header %s: %q is no decimal number", key, text)
	}
	return n, nil
}

// stamp reads what a value would carry, but for committed_at.
func (h headers) stamp() (event.Stamp, error) {
	partition, err1 := h.number(headerShard)
	seq, err2 := h.number(headerSeq)
	watermark, err3 := h.number(headerWatermark)
	for _, err := range []error{err1, err2, err3} {
		if err != nil {
			return event.Stamp{}, err
		}
	}
	return event.Stamp{
		Partition: int32(partition), Seq: seq, Watermark: event.Time(watermark), CommittedAt: event.NoTime,
	}, nil
}

// orderState reads a record of order-states, tombstones included.
func orderState(d *codec.Decoder, record *kgo.Record) func([]byte, *event.OrderState) error {
	return func(value []byte, s *event.OrderState) error {
		if len(value) > 0 {
			return d.DecodeOrderState(value, s)
		}
		parts, err := codec.ParseKey(record.Key)
		if err != nil {
			return err
		}
		if len(parts) != 2 {
			return fmt.Errorf("the key has %d parts, not user and order", len(parts))
		}
		*s = event.OrderState{UserID: parts[0], OrderID: parts[1], Gone: true}
		s.Stamp, err = headersOf(record).stamp()
		return err
	}
}

// letter reads a record of dead-letters.
func (h *history) letter(record *kgo.Record) (*deadLetter, error) {
	said := headersOf(record)
	stamp, err := said.stamp()
	if err != nil {
		return nil, err
	}
	topic, ok := h.v.Names.ParseInput(said[headerTopic])
	if !ok {
		return nil, fmt.Errorf("header %s: %q is no input topic", headerTopic, said[headerTopic])
	}
	partition, err := said.number(headerPartition)
	if err != nil {
		return nil, err
	}
	offset, err := said.number(headerOffset)
	if err != nil {
		return nil, err
	}
	code, ok := event.ParseCode(said[headerCode])
	if !ok || code == event.NoCode {
		return nil, fmt.Errorf("header %s: %q is no code", headerCode, said[headerCode])
	}
	if said[headerMessage] == "" {
		return nil, fmt.Errorf("header %s is missing", headerMessage)
	}
	return &deadLetter{
		record: record, stamp: stamp, code: code,
		input: event.Position{Topic: topic, Partition: int32(partition), Offset: offset},
	}, nil
}
