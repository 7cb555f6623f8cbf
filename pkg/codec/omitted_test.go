package codec

import (
	"strings"
	"testing"

	"highwater/pkg/event"
)

// long is a result that no record holds.
func long(slices int) *event.Result {
	r := &event.Result{Outcome: event.Applied, Slices: make([]event.Slice, slices)}
	for i := range r.Slices {
		r.Slices[i] = event.Slice{GrantID: strings.Repeat("g", 300), Amount: event.MaxAmount, ExpiresAt: event.MaxTime}
	}
	return r
}

// The largest records that are published fit into what a producer takes, and
// say what they lack.
func TestLargeRecordsAreCut(t *testing.T) {
	const producerBytes = 8 << 20
	enc, dec := SingleObject(), new(Decoder)
	e := &event.Entry{Kind: event.Subtract, Result: *long(100_000)}
	published, header := PublishedEntry(e)
	value := enc.AppendEntry(nil, published)
	var got event.Entry
	if err := dec.DecodeEntry(value, &got); err != nil {
		t.Fatal(err)
	}
	if err := NoteOmitted(header, &got); err != nil {
		t.Fatal(err)
	}
	kept := len(got.Slices)
	if len(value) > producerBytes || kept == 0 || got.Omitted != (event.Omitted{Slices: int32(100_000 - kept)}) || len(e.Slices) != 100_000 {
		t.Errorf("%d bytes with %d slices, and %s", len(value), kept, header)
	}

	c := &event.Correction{Cause: event.Cause{Kind: event.Subtract}, Entries: []event.EntryChange{{Kind: event.Subtract, Before: long(50_000), After: long(60_000)}, {Kind: event.Expired, After: long(1)}}}
	cut, header := PublishedCorrection(c)
	value = enc.AppendCorrection(nil, cut)
	var back event.Correction
	if err := dec.DecodeCorrection(value, &back); err != nil {
		t.Fatal(err)
	}
	if err := NoteOmittedChanges(header, &back); err != nil {
		t.Fatal(err)
	}
	first := &back.Entries[0]
	if len(value) > producerBytes || first.Before.Omitted.Slices != int32(50_000-kept) || first.After.Omitted.Slices != int32(60_000-kept) {
		t.Errorf("%d bytes, and %s", len(value), header)
	}
	if len(c.Entries[0].Before.Slices) != 50_000 || back.Entries[1].After.Omitted != (event.Omitted{}) {
		t.Error("what was not to be cut is")
	}
}

func TestSmallRecordsSayNothing(t *testing.T) {
	e := &event.Entry{Result: *long(2)}
	if p, header := PublishedEntry(e); p != e || header != nil {
		t.Errorf("an entry has the header %q", header)
	}
	c := &event.Correction{Entries: []event.EntryChange{{After: long(2)}}}
	if p, header := PublishedCorrection(c); p != c || header != nil {
		t.Errorf("a correction has the header %q", header)
	}
}

// A header is taken as it is written, and in no other form.
func TestWrongHeadersOfOmittedParts(t *testing.T) {
	for _, header := range []string{
		"", "3", `{}`, `{"slices":1}`, `{"slices":-1,"repaid":0}`, `{"slices":1,"repaid":0} `, `{"repaid":0,"slices":1}`, `{"slices":1.0,"repaid":0}`, `{"slices":1,"repaid":0,"x":1}`,
	} {
		if err := NoteOmitted([]byte(header), new(event.Entry)); err == nil {
			t.Errorf("an entry takes %q", header)
		}
	}
	const none, some = `{"slices":0,"repaid":0}`, `{"slices":1,"repaid":2}`
	for header, ok := range map[string]bool{
		`[{"before":` + none + `,"after":` + some + `}]`: true, `[{"before":` + some + `,"after":` + none + `}]`: false, `[]`: false, some: false,
		`[{"before":` + none + `,"after":` + some + `},{"before":` + none + `,"after":` + none + `}]`: false,
	} {
		c := &event.Correction{Entries: []event.EntryChange{{After: new(event.Result)}}}
		if err := NoteOmittedChanges([]byte(header), c); (err == nil) != ok {
			t.Errorf("a correction takes %q: %v", header, err)
		}
	}
}
