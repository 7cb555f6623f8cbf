package trace

import (
	"bytes"
	"reflect"
	"slices"
	"testing"
	"time"

	"highwater/pkg/codec"
	"highwater/pkg/event"
)

func TestEqualOptionsGiveEqualRecords(t *testing.T) { // I1
	o := Defaults()
	o.Assets = []string{"credits", "batch"}
	first := Generate(o)
	if !reflect.DeepEqual(first, Generate(o)) {
		t.Error("the same options gave other records")
	}
	o.Seed++
	if reflect.DeepEqual(first, Generate(o)) {
		t.Error("another seed gave the same records")
	}
}

func TestEveryRowIsThereOnce(t *testing.T) { // I2
	for _, asJSON := range []bool{false, true} {
		o := Defaults()
		o.JSON = asJSON
		var calls, copies, bad int
		var total event.Amount
		for _, r := range Generate(o) {
			e, refusal := decode(&r)
			switch {
			case r.Bad == event.EventConflict || r.Bad == event.FromTheFuture:
				bad++
				if refusal != nil {
					t.Errorf("a record to end as %s can't be read: %v", r.Bad, refusal)
				}
			case r.Bad != event.NoCode:
				bad++
				if refusal == nil || refusal.Code != r.Bad {
					t.Errorf("a record to end as %s ends as %v: %q", r.Bad, refusal, r.Value)
				}
			case refusal != nil: // I3
				t.Errorf("%q can't be read: %v", r.Value, refusal)
			case r.Copy:
				copies++
			case e.Kind == event.Subtract:
				calls++
				total += e.Amount
			}
		}
		if calls != RowCount || total != 18_305_870 {
			t.Errorf("%d calls of %d tokens", calls, total)
		}
		if bad != 88 || copies < 120 || copies > 240 {
			t.Errorf("%d bad records, %d copies", bad, copies)
		}
	}
}

func TestEndMovesEverything(t *testing.T) {
	o := Defaults()
	o.End = event.TimeOf(time.Date(2030, 5, 6, 7, 8, 9, 0, time.UTC))
	newest := event.Time(0)
	for _, r := range Generate(o) {
		if e, refusal := decode(&r); refusal == nil && r.Bad == event.NoCode {
			newest = max(newest, e.OccurredAt)
		}
	}
	if newest != o.End {
		t.Errorf("the last event is at %s", newest)
	}
}

// The share of calls that come behind the watermark of what arrived before.
func TestFivePercentComeLate(t *testing.T) {
	o := Defaults()
	o.Lateness = o.Shuffle // so that only those made late are behind
	var newest event.Time
	late, calls := 0, 0
	records := Generate(o)
	if !slices.IsSortedFunc(records, func(a, b Record) int { return int(a.At - b.At) }) {
		t.Error("the records aren't in the order of arrival")
	}
	for _, r := range records {
		e, refusal := decode(&r)
		if refusal != nil || r.Bad != event.NoCode || r.Copy || e.Kind != event.Subtract {
			continue
		}
		calls++
		if e.OccurredAt <= newest-event.Time(o.Lateness.Microseconds()) {
			late++
		}
		newest = max(newest, e.OccurredAt)
	}
	if share := float64(late) / float64(calls); share < 0.04 || share > 0.06 {
		t.Errorf("%d of %d calls come behind the watermark", late, calls)
	}
}

func TestFewRowsMakeALoadToo(t *testing.T) {
	o := Defaults()
	o.Rows, o.Users = 50, 3
	if n := len(Generate(o)); n < 50 || n > 100 {
		t.Errorf("%d records", n)
	}
}

func decode(r *Record) (event.Event, *event.Refusal) {
	var e event.Event
	refusal := new(codec.Decoder).Decode(r.Topic, r.Key, bytes.Clone(r.Value), r.At, &e)
	return e, refusal
}
