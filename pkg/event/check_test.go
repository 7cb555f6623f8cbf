package event

import (
	"strings"
	"testing"
)

// aGrant is an event that Check passes.
func aGrant() Event {
	var e Event
	e.Clear()
	e.ID, e.User, e.Kind, e.Ref = "e1", "alice", Grant, "g1"
	e.OccurredAt, e.Amount = 1_000, 100
	e.FillDefaults()
	return e
}

// of is a valid event of another kind.
func of(k Kind, change func(*Event)) Event {
	e := aGrant()
	e.Kind, e.Ref = k, ""
	change(&e)
	return e
}

func decimal(t *testing.T, s string) Decimal {
	t.Helper()
	d, err := ParseDecimal(s)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestCheckPasses(t *testing.T) {
	most := decimal(t, "999999999999999999.999999999999999999")
	for name, e := range map[string]Event{
		"grant": of(Grant, func(e *Event) { e.Ref = "g" }),
		"grant with everything": of(Grant, func(e *Event) {
			e.Ref, e.Amount, e.Priority = strings.Repeat("g", MaxIDBytes), MaxAmount, MaxPriority
			e.EffectiveAt, e.ExpiresAt = 0, MaxTime
			e.Sequence, e.Asset, e.Source = -1<<63, "0.a_b-c", strings.Repeat("s", MaxSourceBytes)
			e.Metadata = []Pair{{"", strings.Repeat("v", MaxMetadataBytes)}}
		}),
		"user with a slash":     of(Subtract, func(e *Event) { e.User = "a/b c\u00a0ü" }),
		"revoke":                of(Revoke, func(e *Event) { e.Ref = "alice/e1/0" + strings.Repeat("x", 290) }),
		"subtract":              of(Subtract, func(*Event) {}),
		"add":                   of(Add, func(e *Event) { e.ExpiresAt = e.OccurredAt + 1 }),
		"spend":                 of(Spend, func(*Event) {}),
		"refund":                of(Refund, func(e *Event) { e.Ref = "s1" }),
		"refund of all":         of(Refund, func(e *Event) { e.Ref, e.Amount = "s1", NoAmount }),
		"hold":                  of(Hold, func(e *Event) { e.ExpiresAt = e.OccurredAt + 1 }),
		"capture":               of(Capture, func(e *Event) { e.Ref, e.Amount = "h1", NoAmount }),
		"release":               of(Release, func(e *Event) { e.Ref, e.Amount = "h1", NoAmount }),
		"transfer":              of(Transfer, func(e *Event) { e.To = "bob" }),
		"place":                 of(PlaceOrder, func(e *Event) { e.Ref, e.Currency, e.Quantity, e.Price = "o1", "€/USD", Decimal{1}, most }),
		"pause":                 of(Pause, func(e *Event) { e.Ref = "o1" }),
		"cancel_all":            of(CancelAll, func(*Event) {}),
		"at the start of time":  of(Subtract, func(e *Event) { e.OccurredAt = 0 }),
		"at the end of time":    of(Subtract, func(e *Event) { e.OccurredAt = MaxTime }),
		"usable from the start": of(Grant, func(e *Event) { e.Ref, e.EffectiveAt, e.ExpiresAt = "g", 0, 1 }),
	} {
		if r := e.Check(); r != nil {
			t.Errorf("%s: %v", name, r)
		}
	}
}

// I1: Check finds every broken rule and names the field.
func TestCheckRefuses(t *testing.T) {
	bound := quantityBound
	place := func(change func(*Event)) Event {
		return of(PlaceOrder, func(e *Event) {
			e.Ref, e.Currency, e.Quantity, e.Price = "o1", "EUR", Decimal{1}, Decimal{1}
			change(e)
		})
	}
	grant := func(change func(*Event)) Event {
		e := aGrant()
		change(&e)
		return e
	}
	pairs := func(n int) (all []Pair) {
		for range n {
			all = append(all, Pair{})
		}
		return all
	}
	for _, c := range []struct {
		name, field string
		e           Event
	}{
		{"no user", "user_id", grant(func(e *Event) { e.User = "" })},
		{"long user", "user_id", grant(func(e *Event) { e.User = strings.Repeat("u", 129) })},
		{"control in user", "user_id", grant(func(e *Event) { e.User = "a\x1f" })},
		{"DEL in user", "user_id", grant(func(e *Event) { e.User = "a\x7f" })},
		{"C1 in user", "user_id", grant(func(e *Event) { e.User = "a\u0085" })},
		{"last C1 in user", "user_id", grant(func(e *Event) { e.User = "a\u009f" })},
		{"bad UTF-8 in user", "user_id", grant(func(e *Event) { e.User = "a\xff" })},
		{"surrogate in user", "user_id", grant(func(e *Event) { e.User = "a\xed\xa0\x80" })},
		{"no id", "event_id", grant(func(e *Event) { e.ID = "" })},
		{"slash in id", "event_id", grant(func(e *Event) { e.ID = "a/b" })},
		{"slash after a rune in id", "event_id", grant(func(e *Event) { e.ID = "ü/b" })},
		{"before time", "occurred_at", grant(func(e *Event) { e.OccurredAt = -1 })},
		{"after time", "occurred_at", grant(func(e *Event) { e.OccurredAt = MaxTime + 1 })},
		{"asset's case", "asset", grant(func(e *Event) { e.Asset = "Gold" })},
		{"asset's start", "asset", grant(func(e *Event) { e.Asset = ".gold" })},
		{"asset's length", "asset", grant(func(e *Event) { e.Asset = strings.Repeat("a", 65) })},
		{"no asset", "asset", grant(func(e *Event) { e.Asset = "" })},
		{"long source", "source", grant(func(e *Event) { e.Source = strings.Repeat("s", 129) })},
		{"bad UTF-8 in source", "source", grant(func(e *Event) { e.Source = "\xc0" })},
		{"many pairs", "metadata", grant(func(e *Event) { e.Metadata = pairs(17) })},
		{"large metadata", "metadata", grant(func(e *Event) { e.Metadata = []Pair{{"k", strings.Repeat("v", 1024)}} })},
		{"bad UTF-8 in metadata", "metadata", grant(func(e *Event) { e.Metadata = []Pair{{"k", "\xff"}} })},
		{"no kind", "operation", grant(func(e *Event) { e.Kind = NoKind })},
		{"received", "operation", grant(func(e *Event) { e.Kind = Received })},
		{"due item", "operation", grant(func(e *Event) { e.Kind = Expired })},
		{"no grant", "grant_id", grant(func(e *Event) { e.Ref = "" })},
		{"slash in grant", "grant_id", grant(func(e *Event) { e.Ref = "a/b" })},
		{"zero", "amount", grant(func(e *Event) { e.Amount = 0 })},
		{"no amount", "amount", grant(func(e *Event) { e.Amount = NoAmount })},
		{"too much", "amount", grant(func(e *Event) { e.Amount = MaxAmount + 1 })},
		{"far too much", "amount", grant(func(e *Event) { e.Amount = 1<<63 - 1 })},
		{"effective before time", "effective_at", grant(func(e *Event) { e.EffectiveAt = -2 })},
		{"effective after time", "effective_at", grant(func(e *Event) { e.EffectiveAt = MaxTime + 1 })},
		{"negative priority", "priority", grant(func(e *Event) { e.Priority = -1 })},
		{"high priority", "priority", grant(func(e *Event) { e.Priority = 1001 })},
		{"expires at occurred_at", "expires_at", grant(func(e *Event) { e.ExpiresAt = e.OccurredAt })},
		{"expires at effective_at", "expires_at", grant(func(e *Event) { e.EffectiveAt, e.ExpiresAt = 5_000, 5_000 })},
		{"expires after time", "expires_at", grant(func(e *Event) { e.ExpiresAt = MaxTime + 1 })},
		{"expires before time", "expires_at", grant(func(e *Event) { e.ExpiresAt = -2 })},
		{"long revoke", "grant_id", of(Revoke, func(e *Event) { e.Ref = strings.Repeat("g", 301) })},
		{"add expires at once", "expires_at", of(Add, func(e *Event) { e.ExpiresAt = e.OccurredAt })},
		{"hold expires at once", "expires_at", of(Hold, func(e *Event) { e.ExpiresAt = e.OccurredAt })},
		{"hold of nothing", "amount", of(Hold, func(e *Event) { e.Amount = 0 })},
		{"subtract nothing", "amount", of(Subtract, func(e *Event) { e.Amount = 0 })},
		{"spend without amount", "amount", of(Spend, func(e *Event) { e.Amount = NoAmount })},
		{"refund of nothing known", "spend_id", of(Refund, func(*Event) {})},
		{"refund of itself", "spend_id", of(Refund, func(e *Event) { e.Ref = e.ID })},
		{"refund of zero", "amount", of(Refund, func(e *Event) { e.Ref, e.Amount = "s", 0 })},
		{"capture of itself", "hold_id", of(Capture, func(e *Event) { e.Ref = e.ID })},
		{"release with a slash", "hold_id", of(Release, func(e *Event) { e.Ref = "a/b" })},
		{"transfer to nobody", "to_user_id", of(Transfer, func(*Event) {})},
		{"transfer to oneself", "to_user_id", of(Transfer, func(e *Event) { e.To = e.User })},
		{"transfer of nothing", "amount", of(Transfer, func(e *Event) { e.To, e.Amount = "bob", 0 })},
		{"place without id", "order_id", place(func(e *Event) { e.Ref = "" })},
		{"place without currency", "currency", place(func(e *Event) { e.Currency = "" })},
		{"place of nothing", "amount", place(func(e *Event) { e.Quantity = Decimal{} })},
		{"place of less", "amount", place(func(e *Event) { e.Quantity = Decimal{1}.Neg() })},
		{"place of too much", "amount", place(func(e *Event) { e.Quantity = bound })},
		{"place for nothing", "price", place(func(e *Event) { e.Price = Decimal{} })},
		{"place for too much", "price", place(func(e *Event) { e.Price = Decimal{0, 0, 0, 1 << 62} })},
		{"pause without id", "order_id", of(Pause, func(*Event) {})},
		{"cancel with a slash", "order_id", of(Cancel, func(e *Event) { e.Ref = "/" })},
	} {
		r := c.e.Check()
		if r == nil {
			t.Errorf("%s: passes", c.name)
			continue
		}
		if r.Code != Invalid || r.Field != c.field || r.Message == "" {
			t.Errorf("%s: %v; want invalid, naming %s", c.name, r, c.field)
		}
		if !strings.HasPrefix(r.Error(), "invalid: "+c.field+": ") {
			t.Errorf("%s: reads %q", c.name, r.Error())
		}
		if len(r.Error()) > 300 {
			t.Errorf("%s: a message of %d bytes", c.name, len(r.Error()))
		}
	}
}

// I3: SameContent is reflexive, symmetric, and blind to source and metadata.
func TestSameContent(t *testing.T) {
	changes := map[string]func(*Event){
		"id": func(e *Event) { e.ID = "x" }, "user": func(e *Event) { e.User = "x" },
		"time": func(e *Event) { e.OccurredAt++ }, "sequence": func(e *Event) { e.Sequence++ },
		"asset": func(e *Event) { e.Asset = "x" }, "kind": func(e *Event) { e.Kind = Revoke },
		"ref": func(e *Event) { e.Ref = "x" }, "to": func(e *Event) { e.To = "x" },
		"amount": func(e *Event) { e.Amount++ }, "effective_at": func(e *Event) { e.EffectiveAt++ },
		"expires_at": func(e *Event) { e.ExpiresAt++ }, "priority": func(e *Event) { e.Priority++ },
		"currency": func(e *Event) { e.Currency = "x" }, "quantity": func(e *Event) { e.Quantity[0]++ },
		"price": func(e *Event) { e.Price[0]++ },
	}
	for name, change := range changes {
		a, b := aGrant(), aGrant()
		change(&b)
		if a.SameContent(&b) || b.SameContent(&a) {
			t.Errorf("another %s is the same content", name)
		}
		if !b.SameContent(&b) {
			t.Errorf("an event with another %s isn't its own content", name)
		}
	}
	a, b := aGrant(), aGrant()
	b.Source, b.Metadata = "elsewhere", []Pair{{"k", "v"}}
	if !a.SameContent(&b) || !b.SameContent(&a) {
		t.Error("source and metadata count")
	}
	b.OccurredAt, b.TimeGiven = b.OccurredAt+1, false
	if !a.SameContent(&b) || !b.SameContent(&a) {
		t.Error("a time that was filled in is compared")
	}
}

func TestFillDefaults(t *testing.T) {
	e := aGrant()
	e.Asset, e.EffectiveAt = "", e.OccurredAt
	e.FillDefaults()
	if e.Asset != DefaultAsset || e.EffectiveAt != NoTime {
		t.Errorf("asset %q, effective_at %v", e.Asset, e.EffectiveAt)
	}
	if e.UsableFrom() != e.OccurredAt || e.EffectiveTime() != e.OccurredAt {
		t.Error("a grant without effective_at isn't usable from occurred_at")
	}
	e.EffectiveAt = e.OccurredAt + 5
	if e.UsableFrom() != e.OccurredAt+5 || e.EffectiveTime() != e.OccurredAt {
		t.Error("a future grant is known from occurred_at, usable from effective_at")
	}
	e.EffectiveAt = e.OccurredAt - 5
	if e.UsableFrom() != e.OccurredAt-5 || e.EffectiveTime() != e.OccurredAt-5 {
		t.Error("a backdated grant stands at its effective_at")
	}
}
