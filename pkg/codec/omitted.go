package codec

import (
	"bytes"
	"encoding/json"
	"fmt"

	"highwater/pkg/event"
)

// omitted is what a record's header says is missing from one result.
type omitted struct {
	Slices int32 `json:"slices"`
	Repaid int32 `json:"repaid"`
}

func omittedOf(r *event.Result) omitted {
	if r == nil {
		return omitted{}
	}
	return omitted(r.Omitted)
}

// to notes what a result lacks.
func (o omitted) to(r *event.Result) error {
	switch {
	case o.Slices < 0 || o.Repaid < 0:
		return fmt.Errorf("%d slices and %d repayments are omitted", o.Slices, o.Repaid)
	case r != nil:
		r.Omitted = event.Omitted(o)
	case o != omitted{}:
		return fmt.Errorf("%d slices and %d repayments are omitted from nothing", o.Slices, o.Repaid)
	}
	return nil
}

// omittedChange is what a header says is missing from one changed entry.
type omittedChange struct {
	Before omitted `json:"before"`
	After  omitted `json:"after"`
}

// PublishedEntry is an entry as its record has it, and what that lacks as the
// value of a header; nil where it lacks nothing:
//
//	{"slices":97000,"repaid":0}
func PublishedEntry(e *event.Entry) (published *event.Entry, header []byte) {
	r := e.Result.Published()
	if r == &e.Result {
		return e, nil
	}
	cut := *e
	cut.Result = *r
	return &cut, mustJSON(omittedOf(r))
}

// PublishedCorrection is a correction as its record has it, and what that
// lacks as the value of a header; nil where it lacks nothing. It has an item
// for each changed entry:
//
//	[{"before":{"slices":97000,"repaid":0},"after":{"slices":0,"repaid":0}}]
func PublishedCorrection(c *event.Correction) (published *event.Correction, header []byte) {
	published = c
	for i := range c.Entries {
		x := c.Entries[i]
		for _, r := range []**event.Result{&x.Before, &x.After} {
			if *r != nil {
				*r = (*r).Published()
			}
		}
		if x == c.Entries[i] {
			continue
		}
		if published == c {
			cut := *c
			cut.Entries = append([]event.EntryChange(nil), c.Entries...)
			published = &cut
		}
		published.Entries[i] = x
	}
	if published == c {
		return c, nil
	}
	said := make([]omittedChange, len(published.Entries))
	for i := range published.Entries {
		said[i] = omittedChange{omittedOf(published.Entries[i].Before), omittedOf(published.Entries[i].After)}
	}
	return published, mustJSON(said)
}

// NoteOmitted takes what the header of an entry's record says into the entry.
func NoteOmitted(header []byte, e *event.Entry) error {
	var said omitted
	if err := readOmitted(header, &said); err != nil {
		return err
	}
	return said.to(&e.Result)
}

// NoteOmittedChanges takes what the header of a correction's record says into
// the correction.
func NoteOmittedChanges(header []byte, c *event.Correction) error {
	var said []omittedChange
	if err := readOmitted(header, &said); err != nil {
		return err
	}
	if len(said) != len(c.Entries) {
		return fmt.Errorf("what is omitted from %d entries is said of %d", len(c.Entries), len(said))
	}
	for i := range said {
		x := &c.Entries[i]
		if err := said[i].Before.to(x.Before); err != nil {
			return err
		}
		if err := said[i].After.to(x.After); err != nil {
			return err
		}
	}
	return nil
}

// readOmitted reads a header as it is written, byte for byte.
func readOmitted[T any](header []byte, to *T) error {
	if err := json.Unmarshal(header, to); err != nil {
		return fmt.Errorf("what is omitted: %w", err)
	}
	if !bytes.Equal(mustJSON(*to), header) {
		return fmt.Errorf("what is omitted isn't said as it should be: %q", header)
	}
	return nil
}

func mustJSON(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("codec: numbers can't be written: %v", err))
	}
	return b
}
