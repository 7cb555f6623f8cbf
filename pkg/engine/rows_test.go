package engine

import (
	"reflect"
	"testing"

	"highwater/pkg/event"
)

// times are those that differences between times must survive.
var times = []event.Time{0, 1, 1_700_000_000_123_456, event.MaxTime - 1, event.MaxTime}

// An event's row holds every clock, also one behind the other.
func TestEventRowTimes(t *testing.T) {
	for _, at := range times {
		for _, arrived := range times {
			for _, processed := range times {
				p := event.Placed{ID: "e", Kind: event.Subtract, Time: at, ArrivedAt: arrived, ProcessedAt: processed, Offset: 7, Amount: 3}.
					With(event.Details{OccurredAt: at, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime})
				var got event.Placed
				var extra event.Event
				if err := decodeEventRow(p.Place(), string(appendEventRow(nil, &p, &extra)), &got, &extra); err != nil {
					t.Fatal(err)
				}
				if got.Time != at || got.ArrivedAt != arrived || got.ProcessedAt != processed || got.Offset != 7 || got.Amount != 3 {
					t.Fatalf("%+v is read as %+v", p, got)
				}
			}
		}
	}
}

// A correction's row holds times on either side of the cause's, and stretches
// that end and that don't.
func TestCorrectionRowTimes(t *testing.T) {
	result := &event.Result{Outcome: event.Applied, Amount: 5, After: event.Balances{Balance: -3, Debt: 3}}
	for _, late := range times {
		for _, watermark := range times {
			for _, from := range times {
				var c event.Correction
				c.Watermark, c.CommittedAt = watermark, 12
				c.Cause.EventID, c.Cause.Kind, c.Cause.OccurredAt, c.Cause.LateBy = "late", event.Grant, late, 99
				c.Part, c.Parts = 2, 3
				c.Changes = []event.Stretch{
					{From: from, To: event.NoTime, Balances: event.Balances{Balance: 1, Held: -2, Debt: 3}},
					{From: from, To: max(from, event.MaxTime-5), Balances: event.Balances{Balance: -1}},
				}
				c.Entries = []event.EntryChange{{EventID: "other", Kind: event.Subtract, EffectiveAt: from, Before: result}}
				var got event.Correction
				if err := decodeCorrection(string(appendCorrection(nil, &c)), &got); err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(got, c) {
					t.Fatalf("%+v is read as %+v", c, got)
				}
			}
		}
	}
}
