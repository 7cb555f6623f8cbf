package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"unicode/utf8"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/event"
	"highwater/pkg/kafka"
	"highwater/pkg/plain"
)

// view writes records for people or programs.
type view struct {
	to      *bufio.Writer
	names   kafka.Names
	decoder *codec.Decoder
	asJSON  bool
	// several topics are mixed: each line says which one it is of.
	several bool
	buffer  []byte
}

// show writes one record.
func (v *view) show(s stream, record *kgo.Record) error {
	v.buffer = v.buffer[:0]
	line, err := v.render(s, record)
	if err != nil {
		return fmt.Errorf("%s/%d/%d: %w", record.Topic, record.Partition, record.Offset, err)
	}
	name := s.output.String()
	if s.isInput() {
		name = s.input.String()
	}
	switch {
	case v.asJSON && v.several:
		fmt.Fprintf(v.to, `{"topic":%q,"record":%s}`+"\n", name, v.buffer)
	case v.asJSON:
		fmt.Fprintf(v.to, "%s\n", v.buffer)
	case v.several:
		fmt.Fprintf(v.to, "%-12s  %s\n", name, line)
	default:
		fmt.Fprintln(v.to, line)
	}
	return nil
}

// render makes the JSON, in the buffer, or the line.
func (v *view) render(s stream, record *kgo.Record) (line string, err error) {
	switch {
	case s.isInput():
		return v.input(s.input, record), nil
	case s.output == kafka.DeadLetters:
		return v.deadLetter(record)
	case s.output == kafka.OrderStates && record.Value == nil:
		return v.tombstone(record)
	}
	return v.output(s.output, record.Value)
}

// output renders a record of an output topic.
func (v *view) output(o kafka.Output, value []byte) (line string, err error) {
	switch o {
	case kafka.Entries, kafka.Settled:
		return show(v, value, v.decoder.DecodeEntry, codec.AppendEntryJSON, plain.Entry)
	case kafka.Corrections:
		return show(v, value, v.decoder.DecodeCorrection, codec.AppendCorrectionJSON, plain.Correction)
	case kafka.Balances:
		return show(v, value, v.decoder.DecodeBalance, codec.AppendBalanceJSON, plain.Balance)
	case kafka.OrderStates:
		return show(v, value, v.decoder.DecodeOrderState, codec.AppendOrderStateJSON, plain.OrderState)
	case kafka.OrderStats:
		return show(v, value, v.decoder.DecodeOrderStats, codec.AppendOrderStatsJSON, plain.OrderStats)
	case kafka.Watermarks:
		return show(v, value, v.decoder.DecodeWatermark, codec.AppendWatermarkJSON, plain.Watermark)
	case kafka.Alerts:
		return show(v, value, v.decoder.DecodeAlert, codec.AppendAlertJSON, plain.Alert)
	}
	return "", fmt.Errorf("no form is known for records of %s", o)
}

// show decodes a value and renders it in the one form or the other.
func show[R any](v *view, value []byte, decode func([]byte, *R) error, asJSON func([]byte, *R) []byte, asLine func(*R) string) (string, error) {
	var r R
	if err := decode(value, &r); err != nil {
		return "", err
	}
	if v.asJSON {
		v.buffer = asJSON(v.buffer, &r)
		return "", nil
	}
	return asLine(&r), nil
}

// opaque is what can't be read as an event, and why.
type opaque struct {
	Position    string `json:"position"`
	Code        string `json:"code"`
	Field       string `json:"field,omitempty"`
	Message     string `json:"message"`
	Key         string `json:"key"`
	Value       string `json:"value,omitempty"`
	ValueBase64 []byte `json:"value_base64,omitempty"`
}

// setValue keeps text readable.
func (o *opaque) setValue(value []byte) {
	if utf8.Valid(value) {
		o.Value = string(value)
		return
	}
	o.ValueBase64 = value
}

func (v *view) input(topic event.Topic, record *kgo.Record) string {
	position := kafka.FormatPosition(event.Position{Topic: topic, Partition: record.Partition, Offset: record.Offset})
	var e event.Event
	refusal := v.decoder.Decode(topic, record.Key, record.Value, event.TimeOf(record.Timestamp), &e)
	switch {
	case refusal != nil && v.asJSON:
		o := opaque{Position: position, Code: refusal.Code.String(), Field: refusal.Field, Message: refusal.Message, Key: string(record.Key)}
		o.setValue(record.Value)
		v.marshal(o)
		return ""
	case refusal != nil:
		return position + "  " + describe(refusal)
	case v.asJSON:
		v.buffer = codec.AppendEventJSON(v.buffer, &e)
		return ""
	}
	return position + "  " + plain.Event(&e)
}

func (v *view) deadLetter(record *kgo.Record) (string, error) {
	d := readDeadLetter(record, v.names)
	if v.asJSON {
		v.marshal(d)
		return "", nil
	}
	return d.line(), nil
}

// tombstone is an order that is no longer live.
func (v *view) tombstone(record *kgo.Record) (string, error) {
	parts, err := codec.ParseKey(record.Key)
	if err != nil || len(parts) != 2 {
		return "", fmt.Errorf("key %q is no [user, order]: %w", record.Key, err)
	}
	if v.asJSON {
		v.marshal(struct {
			User  string `json:"user_id"`
			Order string `json:"order_id"`
			Gone  bool   `json:"gone"`
		}{parts[0], parts[1], true})
		return "", nil
	}
	return plain.OrderState(&event.OrderState{UserID: parts[0], OrderID: parts[1], Gone: true}), nil
}

func (v *view) marshal(value any) {
	text, err := json.Marshal(value)
	if err != nil {
		panic(fmt.Sprintf("highwater: a struct of strings has no JSON: %v", err))
	}
	v.buffer = append(v.buffer, text...)
}
