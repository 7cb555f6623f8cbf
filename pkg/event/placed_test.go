package event

import (
	"testing"
	"unsafe"
)

// What most events don't have takes no memory of them, and reads as not given.
func TestPlacedWithoutDetails(t *testing.T) {
	if size := unsafe.Sizeof(Placed{}); size > 80 {
		t.Errorf("an event takes %d bytes", size)
	}
	p := Placed{ID: "e", Kind: Subtract, Time: 7}
	for _, q := range []Placed{p, p.With(p.Details()), p.With(Details{Ref: "r"}).With(p.Details())} {
		if q.details != nil || q.Details() != (Details{OccurredAt: 7, EffectiveAt: NoTime, ExpiresAt: NoTime}) {
			t.Errorf("nothing was given: %+v", q.Details())
		}
		if q.From() != "" || q.Ref() != "" || q.To() != "" || q.OccurredAt() != 7 || q.EffectiveAt() != NoTime || q.ExpiresAt() != NoTime ||
			q.UsableFrom() != 7 || q.Priority() != 0 || q.Terms() != nil || q.Incoming() != nil || q.Bytes() != 1 {
			t.Errorf("nothing was given: %+v", q)
		}
	}
}

// Each detail is read as it was given, also alone, and copies share them all.
func TestPlacedDetails(t *testing.T) {
	p := Placed{ID: "e", Kind: Grant, Time: 7}
	terms, incoming := &Terms{Currency: "EUR"}, &Incoming{Partition: 3}
	for _, change := range []func(*Details){
		func(d *Details) { d.From = "bob" },
		func(d *Details) { d.Ref = "g1" },
		func(d *Details) { d.To = "carol" },
		func(d *Details) { d.OccurredAt = 9 },
		func(d *Details) { d.EffectiveAt = 0 },
		func(d *Details) { d.ExpiresAt = 0 },
		func(d *Details) { d.Priority = 5 },
		func(d *Details) { d.Terms = terms },
		func(d *Details) { d.Incoming = incoming },
	} {
		d := p.Details()
		change(&d)
		q := p.With(d)
		r := q
		read := Details{
			From: r.From(), Ref: r.Ref(), To: r.To(), OccurredAt: r.OccurredAt(), EffectiveAt: r.EffectiveAt(), ExpiresAt: r.ExpiresAt(),
			Priority: r.Priority(), Terms: r.Terms(), Incoming: r.Incoming(),
		}
		if read != d || r.Details() != d || r.details != q.details || p.details != nil || r.Bytes() < 100 {
			t.Errorf("%+v is read as %+v", d, read)
		}
		if r.Place().From != d.From || r.GrantID() != d.Ref {
			t.Errorf("%+v stands at %+v and makes %q", d, r.Place(), r.GrantID())
		}
	}
}
