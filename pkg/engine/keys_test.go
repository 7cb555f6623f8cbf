package engine

import (
	"bytes"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// Short forms of places hold every place that an event can have.
func TestPlacesInRows(t *testing.T) {
	const number = 1<<40 - 2
	for _, at := range []event.Time{0, 1, 1_700_000_000_123_456, event.MaxTime} {
		for kind := event.Grant; !kind.IsDue(); kind++ {
			for _, sequence := range []int64{0, 1, -1, 1<<63 - 1, -1 << 63} {
				for _, from := range []string{"", "bob"} {
					p := event.Place{Time: at, Due: event.AnEvent, Sequence: sequence, Rank: kind.Rank(), ID: "e1", From: from}
					for _, id := range []string{"e1", "other"} {
						key, ok := keyNamed(appendNamed(nil, id, number, p), id)
						if want := appendPlaced(nil, keyEvent, number, p); !ok || !bytes.Equal(key, want) {
							t.Fatalf("%+v named %s is at %x (%t), want %x", p, id, key, ok, want)
						}
					}
					for p.Due = range event.AfterAll + 1 {
						r := pack.NewReader(string(appendPlaceParts(nil, p, 0)))
						if got := readPlaceParts(&r, 0); got != p || r.Close() != nil {
							t.Fatalf("%+v is read as %+v", p, got)
						}
					}
				}
			}
		}
	}
	if _, ok := keyNamed([]byte{1}, "e1"); ok {
		t.Error("a value that is cut short names something")
	}
}
