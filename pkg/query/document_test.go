package query

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/oracle/gen"
)

// document is the part of an OpenAPI document that answers are held against.
type document struct {
	Paths map[string]map[string]struct {
		Responses map[string]struct {
			Content map[string]struct {
				Schema  map[string]any
				Example any
			}
		}
	}
	Components struct{ Schemas map[string]map[string]any }
}

// check says where a value isn't what a schema says.
func (d *document) check(at string, schema map[string]any, value any) error {
	if ref, ok := schema["$ref"].(string); ok {
		return d.check(at, d.Components.Schemas[strings.TrimPrefix(ref, "#/components/schemas/")], value)
	}
	if oneOf, ok := schema["oneOf"].([]any); ok {
		var err error
		for _, s := range oneOf {
			if err = d.check(at, s.(map[string]any), value); err == nil {
				return nil
			}
		}
		return err
	}
	types, _ := schema["type"].([]any)
	if t, ok := schema["type"].(string); ok {
		types = []any{t}
	}
	if !slices.Contains(types, any(typeOf(value))) {
		return fmt.Errorf("%s: %v is no %v", at, value, types)
	}
	if enum, ok := schema["enum"].([]any); ok && !slices.Contains(enum, value) {
		return fmt.Errorf("%s: %v is none of %v", at, value, enum)
	}
	switch v := value.(type) {
	case []any:
		for i, item := range v {
			if err := d.check(fmt.Sprintf("%s[%d]", at, i), schema["items"].(map[string]any), item); err != nil {
				return err
			}
		}
	case map[string]any:
		properties, _ := schema["properties"].(map[string]any)
		for name, member := range v {
			s, ok := properties[name].(map[string]any)
			if !ok {
				return fmt.Errorf("%s: nothing says what %s is", at, name)
			}
			if err := d.check(at+"."+name, s, member); err != nil {
				return err
			}
		}
		required, _ := schema["required"].([]any)
		for _, name := range required {
			if _, ok := v[name.(string)]; !ok {
				return fmt.Errorf("%s: %s is missing", at, name)
			}
		}
	}
	return nil
}

func typeOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "null"
	case string:
		return "string"
	case bool:
		return "boolean"
	case float64:
		if v != float64(int64(v)) {
			return "number"
		}
		return "integer"
	case []any:
		return "array"
	}
	return "object"
}

// Every answer is what the document says.
func TestAnswersAreAsDocumented(t *testing.T) {
	w := newWorld(t, 1, Config{})
	var d document
	if err := json.Unmarshal(w.ask("/openapi.json").Body.Bytes(), &d); err != nil {
		t.Fatal(err)
	}
	w.alice()
	w.dora()
	gems := subtract("alice", "d1", 5)
	gems.Asset = "gems"
	w.send(gems, command(event.PlaceOrder, "alice", "o1", "order1"), command(event.PlaceOrder, "alice", "o2", "order2"),
		command(event.Pause, "alice", "o3", "order9"), command(event.CancelAll, "alice", "o4", ""))
	more := grant("alice", "d2", "g9", 7)
	more.Asset = "gems"
	w.tick(1)
	early := command(event.PlaceOrder, "alice", "o0", "order2")
	early.OccurredAt = w.now - 20*second
	w.send(more, early, command(event.PlaceOrder, "alice", "o5", "order3"))
	w.tick(100)
	shown := 0
	for path, methods := range d.Paths {
		if c := methods["get"].Responses["200"].Content["application/json"]; c.Example != nil {
			shown++
			if err := d.check("example", c.Schema, c.Example); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	if shown < 2 {
		t.Errorf("%d answers have examples", shown)
	}
	answered := map[string]bool{}
	for path, targets := range map[string][]string{
		"/v1/users/{user_id}/balance":            {"/v1/users/alice/balance", "/v1/users/dora/balance", "/v1/users/erin/balance", "/v1/users/alice/balance?asset=none", "/v1/users/alice/balance?known_at=0", "/v1/users/alice/balance?asset=gems"},
		"/v1/users/{user_id}/timeline":           {"/v1/users/alice/timeline", "/v1/users/alice/timeline?limit=1", "/v1/users/alice/timeline?asset=gems"},
		"/v1/users/{user_id}/grants":             {"/v1/users/alice/grants", "/v1/users/alice/grants?at=" + at(1) + "&limit=1", "/v1/users/alice/grants?asset=gems"},
		"/v1/users/{user_id}/entries":            {"/v1/users/alice/entries", "/v1/users/alice/entries?limit=1"},
		"/v1/users/{user_id}/entries/{event_id}": {"/v1/users/alice/entries/e3", "/v1/users/alice/entries/o4", "/v1/users/alice/entries/expired%2Fg1"},
		"/v1/users/{user_id}/holds":              {"/v1/users/dora/holds", "/v1/users/dora/holds?limit=1"},
		"/v1/users/{user_id}/explain": {
			"/v1/users/dora/explain", "/v1/users/dora/explain?limit=1", "/v1/users/dora/explain?grant_id=dg1&limit=1",
			"/v1/users/dora/explain?at=0", "/v1/users/dora/explain?asset=gems", "/v1/users/alice/explain?asset=gems", "/v1/users/erin/explain",
		},
		"/v1/users/{user_id}/corrections":       {"/v1/users/alice/corrections", "/v1/users/alice/corrections?order=desc&limit=1"},
		"/v1/users/{user_id}/orders":            {"/v1/users/alice/orders"},
		"/v1/users/{user_id}/orders/{order_id}": {"/v1/users/alice/orders/order1", "/v1/users/alice/orders/order3", "/v1/users/alice/orders/order2?limit=1"},
		"/v1/orders":                            {"/v1/orders"},
		"/v1/analytics/orders":                  {"/v1/analytics/orders"},
		"/v1/partitions":                        {"/v1/partitions"},
	} {
		for _, target := range targets {
			schema := d.Paths[path]["get"].Responses["200"].Content["application/json"].Schema
			if schema == nil {
				t.Fatalf("%s isn't described", path)
			}
			answer := w.get(target)
			if items, ok := answer["items"].([]any); ok && len(items) == 0 {
				t.Errorf("%s has nothing to hold against the document", target)
			}
			if err := d.check("answer", schema, any(answer)); err != nil {
				t.Errorf("%s: %v", target, err)
			}
		}
		answered[path] = true
	}
	for path := range d.Paths {
		if !answered[path] {
			t.Errorf("%s isn't held against the document", path)
		}
	}
}

// I5, on random histories.
func TestPagesCoverListsOnce(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 1))
		scenario := gen.Random(seed, gen.Options{Transactions: 30})
		w := newWorld(t, 1, Config{})
		w.play(scenario, r)
		for _, user := range gen.Users {
			if w.ask("/v1/users/"+user+"/entries").Code != 200 {
				continue
			}
			for _, list := range []string{"entries", "entries?order=desc", "entries?asset=credits", "corrections", "corrections?order=desc", "timeline", "orders", "orders/o1", "grants?at=20000000", "grants", "holds?at=60000000", "holds"} {
				w.covers(t, seed, "/v1/users/"+user+"/"+list, r)
			}
		}
		w.covers(t, seed, "/v1/orders", r)
		w.covers(t, seed, "/v1/orders?order_id=o1", r)
		w.covers(t, seed, "/v1/analytics/orders", r)
	}
}

// play runs a scenario's events through the only partition.
func (w *world) play(scenario gen.Scenario, r *rand.Rand) {
	w.tb.Helper()
	for i := range scenario.Transactions {
		tx := &scenario.Transactions[i]
		var events []event.Event
		for _, a := range tx.Arrivals {
			if e := a.Event; a.Refusal == nil && a.Remittance == nil {
				e.FillDefaults()
				if e.Kind.IsOrder() {
					e.Amount = event.NoAmount
				}
				events = append(events, e)
			}
		}
		w.now = max(w.now, start) + event.Time(r.IntN(20))*second
		w.homes[0].process(w.tb, tx.Now, 0, events)
		if r.IntN(3) == 0 {
			w.deliver()
		}
	}
}

func (w *world) covers(t *testing.T, seed uint64, target string, r *rand.Rand) {
	t.Helper()
	if strings.Contains(target, "/orders/") {
		w.historyCovers(t, seed, target)
		return
	}
	whole := w.pages(target, 1000)
	if paged := w.pages(target, 1+r.IntN(4)); text(paged) != text(whole) {
		t.Fatalf("seed %d: %s: by pages %s\nat once %s", seed, target, text(paged), text(whole))
	}
}

// historyCovers pages an order's history, which is a list within an answer.
func (w *world) historyCovers(t *testing.T, seed uint64, target string) {
	t.Helper()
	if w.ask(target).Code != 200 {
		return
	}
	whole := w.get(target)["history"].(map[string]any)["items"].([]any)
	var paged []any
	for next := ""; ; {
		history := w.get(target + "?limit=2" + next)["history"].(map[string]any)
		paged = append(paged, history["items"].([]any)...)
		cursor, more := history["next_cursor"].(string)
		if !more {
			break
		}
		next = "&cursor=" + cursor
	}
	if text(paged) != text(whole) {
		t.Fatalf("seed %d: %s: by pages %s\nat once %s", seed, target, text(paged), text(whole))
	}
}
