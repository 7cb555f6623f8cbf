package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
	"highwater/pkg/plain"
)

// Headers of a dead letter. They come after those of whoever sent the record,
// in this order.
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

var deadLetterHeaders = []string{
	headerTopic, headerPartition, headerOffset, headerMessage, headerCode, headerShard, headerSeq, headerWatermark,
}

// deadLetter is a dead letter as its headers tell of it.
type deadLetter struct {
	opaque
	Partition string `json:"partition"`
	Seq       string `json:"seq"`
	Watermark string `json:"watermark"`
	// topic is where it was, with topic.prefix.
	topic string
}

func readDeadLetter(record *kgo.Record, names kafka.Names) deadLetter {
	header := func(key string) string {
		for _, h := range slices.Backward(record.Headers) {
			if h.Key == key {
				return string(h.Value)
			}
		}
		return ""
	}
	d := deadLetter{Partition: header(headerShard), Seq: header(headerSeq), Watermark: header(headerWatermark), topic: header(headerTopic)}
	bare := d.topic
	if t, ok := names.ParseInput(d.topic); ok {
		bare = t.String()
	}
	d.Position = strings.Join([]string{bare, header(headerPartition), header(headerOffset)}, "/")
	d.Code, d.Message, d.Key = header(headerCode), header(headerMessage), string(record.Key)
	d.setValue(record.Value)
	return d
}

// shownBytes is how much of a dead letter's value a line shows.
const shownBytes = 60

func (d *deadLetter) line() string {
	value := d.Value
	if d.ValueBase64 != nil {
		value = string(d.ValueBase64)
	}
	if len(value) > shownBytes {
		value = value[:shownBytes] + "..."
	}
	return fmt.Sprintf("%s  %s  %s  key %s  value %s", d.Position, d.Code, plain.Text(d.Message), plain.Text(d.Key), plain.Text(value))
}

// original is the record as it was sent.
func (d *deadLetter) original(record *kgo.Record) (*kgo.Record, error) {
	own := len(record.Headers) - len(deadLetterHeaders)
	if own == 1 && record.Value == nil && record.Headers[0].Key == kafka.HeaderOmitted {
		return nil, fmt.Errorf("dead letter of %s has nothing to send: the record has %s bytes, too many for a letter; send what it says in smaller events, and name the others by their positions",
			d.Position, record.Headers[0].Value)
	}
	for i, name := range deadLetterHeaders {
		if own < 0 || record.Headers[own+i].Key != name {
			return nil, fmt.Errorf("dead letter %s/%d/%d lacks the header %s: something else wrote it", record.Topic, record.Partition, record.Offset, name)
		}
	}
	return &kgo.Record{Topic: d.topic, Key: record.Key, Value: record.Value, Headers: record.Headers[:own]}, nil
}
