package query

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"highwater/pkg/event"
	"highwater/pkg/oracle/gen"
)

func op(kind event.Kind, user, id, ref string, amount event.Amount) event.Event {
	return event.Event{Kind: kind, User: user, ID: id, Ref: ref, Amount: amount}
}

// dora has two grants and an open hold, has spent, got something back of what
// had expired, and sent something to erin; then a late subtract comes.
func (w *world) dora() {
	w.tb.Helper()
	begin := w.now
	dg1 := op(event.Grant, "dora", "d1", "dg1", 100)
	dg1.ExpiresAt = begin + 20*second
	w.send(dg1, op(event.Grant, "dora", "d2", "dg2", 50))
	w.tick(10)
	hold := op(event.Hold, "dora", "h1", "", 40)
	hold.ExpiresAt, hold.Sequence = begin+1000*second, 1
	w.send(op(event.Spend, "dora", "s1", "", 30), hold)
	w.tick(1)
	w.send(op(event.Capture, "dora", "c1", "h1", 15))
	w.tick(20) // dg1 has expired with 30
	w.send(op(event.Refund, "dora", "r1", "s1", 10))
	transfer := op(event.Transfer, "dora", "t1", "", 12)
	transfer.To = "erin"
	w.tick(1)
	w.send(transfer)
	w.deliver()
	w.tick(1)
	late := op(event.Subtract, "dora", "u1", "", 5)
	late.OccurredAt = begin + 5*second
	w.send(late)
}

// brief is an explanation in a few lines.
func brief(x map[string]any) string {
	var b strings.Builder
	s := x["sums"].(map[string]any)
	fmt.Fprintf(&b, "balance %v held %v debt %v of %v: %v available %v held %v consumed %v expired %v revoked %v sent\n",
		x["balance"], x["held"], x["debt"], s["credited"], s["available"], s["held"], s["consumed"], s["expired"], s["revoked"], s["sent"])
	if short := x["short"].(map[string]any); short["events"] != 0.0 {
		fmt.Fprintf(&b, "%v short of %v\n", short["events"], short["amount"])
	}
	for _, g := range x["grants"].(map[string]any)["items"].([]any) {
		g := g.(map[string]any)
		fmt.Fprintf(&b, "%v %v %v by %v %v", g["grant_id"], g["state"], g["amount"], g["kind"], g["event_id"])
		if g["origin"] != nil {
			fmt.Fprintf(&b, " for %v", g["origin"])
		}
		if g["counterparty"] != nil {
			fmt.Fprintf(&b, " from %v", g["counterparty"])
		}
		b.WriteString("\n")
		for _, u := range g["uses"].([]any) {
			u := u.(map[string]any)
			fmt.Fprintf(&b, "  %v %v %v: %v to %v", u["kind"], u["event_id"], u["amount"], u["from"], u["to"])
			for _, name := range []string{"of", "repays", "restored_as", "counterparty"} {
				if u[name] != nil {
					fmt.Fprintf(&b, " %s %v", name, u[name])
				}
			}
			b.WriteString("\n")
		}
	}
	for _, d := range x["debts"].([]any) {
		d := d.(map[string]any)
		fmt.Fprintf(&b, "owes %v of %v for %v %v\n", d["owed"], d["shortfall"], d["kind"], d["event_id"])
	}
	for _, c := range x["corrections"].(map[string]any)["items"].([]any) {
		c := c.(map[string]any)
		fmt.Fprintf(&b, "corrected by %v, %s us late, by %s, %v entries\n", c["cause"].(map[string]any)["event_id"], text(c["cause"].(map[string]any)["late_by"]), text(c["change"]), c["changed_entries"])
	}
	return b.String()
}

// By hand: dg1 has 100 until 20. At 5 u1 takes 5 of it, at 10 s1 30 and h1 40,
// at 11 c1 uses 15 of the 40 held; at 20 the 25 left expire. r1 gives back 10
// of s1 at 31: dg1 is gone, so r1/0 lives for the 10 s that dg1 had when s1
// came. t1 sends 12 at 32: 10 of r1/0, which expires first, and 2 of dg2.
func TestExplain(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.dora()
	want := `balance 48 held 25 debt 0 of 150: 48 available 25 held 40 consumed 25 expired 0 revoked 12 sent
dg1 expired 100 by grant d1
  subtract u1 5: available to consumed
  spend s1 30: available to consumed
  hold h1 40: available to held
  capture c1 15: held to consumed of h1
  expired expired/dg1 25: available to expired
  refund r1 10: consumed to restored of s1 restored_as r1/0
dg2 usable 50 by grant d2
  transfer t1 2: available to sent counterparty erin
r1/0 usable 10 by refund r1 for dg1
  transfer t1 10: available to sent counterparty erin
corrected by u1, 27000000 us late, by {"balance":0,"debt":0,"held":0}, 1 entries
`
	if got := brief(w.get("/v1/users/dora/explain")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	want = `balance 10 held 0 debt 0 of 12: 10 available 0 held 0 consumed 2 expired 0 revoked 0 sent
dora/t1/0 expired 10 by received t1 from dora
  expired expired/dora/t1/0 10: available to expired
dora/t1/1 usable 2 by received t1 from dora
`
	want = strings.Replace(strings.Replace(want, "balance 10", "balance 2", 1), ": 10 available 0 held 0 consumed 2 expired", ": 2 available 0 held 0 consumed 10 expired", 1)
	if got := brief(w.get("/v1/users/erin/explain?at=" + at(41))); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	// Before it expired, u1 changed what there was by 5.
	if got := brief(w.get("/v1/users/dora/explain?at=" + at(15))); !strings.Contains(got, `by {"balance":-5,"debt":0,"held":0}, 1 entries`) || !strings.HasPrefix(got, "balance 75 held 25 debt 0 of 150") {
		t.Error(got)
	}
	// Nothing had been said of the time of the time-out, to come, when u1 came.
	if got := brief(w.get("/v1/users/dora/explain?at=" + at(1000))); !strings.Contains(got, "by null, 1 entries") || !strings.Contains(got, "hold_expired/h1 25: held to restored of h1 restored_as hold_expired/h1/0") {
		t.Error(got)
	}
	if got := brief(w.get("/v1/users/dora/explain?at=" + at(2))); strings.Contains(got, "corrected") {
		t.Error(got)
	}
}

func TestExplainDebts(t *testing.T) {
	w := newWorld(t, 1, Config{})
	gems := func(e event.Event) event.Event { e.Asset = "gems"; return e }
	w.send(gems(op(event.Grant, "ann", "e1", "g1", 10)))
	w.tick(1)
	w.send(gems(op(event.Subtract, "ann", "e2", "", 25)))
	w.tick(1)
	w.send(gems(op(event.Add, "ann", "e3", "", 6)))
	want := `balance -9 held 0 debt 9 of 16: 0 available 0 held 16 consumed 0 expired 0 revoked 0 sent
1 short of 15
g1 usable 10 by grant e1
  subtract e2 10: available to consumed
e3 usable 6 by add e3
  add e3 6: available to consumed repays e2
owes 9 of 15 for subtract e2
`
	if got := brief(w.get("/v1/users/ann/explain?asset=gems")); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestBalanceShowsGrantsAndHolds(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.dora()
	show := func(b map[string]any) string {
		var out []string
		for _, g := range b["grants"].([]any) {
			g := g.(map[string]any)
			out = append(out, fmt.Sprint(g["grant_id"], " ", g["state"], " ", g["remaining"], "+", g["held"], " of ", g["amount"], " ", g["kind"], " ", g["event_id"], " ", g["counterparty"], " ", g["origin"]))
		}
		for _, h := range b["holds"].([]any) {
			h := h.(map[string]any)
			out = append(out, fmt.Sprint(h["hold_id"], " ", h["captured"], "+", h["left"], " of ", h["amount"], " held ", h["held"], " short ", h["shortfall"], " ", text(h["slices"])))
		}
		return strings.Join(out, "\n")
	}
	for when, want := range map[string]string{
		at(31): "r1/0 usable 10+0 of 10 refund r1 <nil> dg1\ndg2 usable 50+0 of 50 grant d2 <nil> <nil>\ndg1 held 0+25 of 100 grant d1 <nil> <nil>\n" +
			`h1 15+25 of 40 held 25 short 0 [{"amount":25,"expires_at":"` + at(20) + `","grant_id":"dg1"}]`,
		at(10): "dg1 usable 25+40 of 100 grant d1 <nil> <nil>\ndg2 usable 50+0 of 50 grant d2 <nil> <nil>\n" +
			`h1 0+40 of 40 held 40 short 0 [{"amount":40,"expires_at":"` + at(20) + `","grant_id":"dg1"}]`,
		// The time-out to come: h1 took its credits when dg1 had 10 s to go.
		at(1000): "hold_expired/h1/0 usable 25+0 of 25 hold_expired hold_expired/h1 <nil> dg1\ndg2 usable 48+0 of 50 grant d2 <nil> <nil>",
		at(1010): "dg2 usable 48+0 of 50 grant d2 <nil> <nil>",
	} {
		if got := show(w.get("/v1/users/dora/balance?at=" + when)); got != want {
			t.Errorf("at %s:\n%s\nwant\n%s", when, got, want)
		}
	}
	// As known before c1 and u1: dg1 has 30 more.
	if got := show(w.get("/v1/users/dora/balance?at=" + at(15) + "&known_at=" + at(10))); !strings.HasPrefix(got, "dg1 usable 30+40 of 100") || !strings.Contains(got, "h1 0+40 of 40") {
		t.Error(got)
	}
	if got := show(w.get("/v1/users/erin/balance?at=" + at(33))); got != "dora/t1/0 usable 10+0 of 10 received t1 dora <nil>\ndora/t1/1 usable 2+0 of 2 received t1 dora <nil>" {
		t.Error(got)
	}
}

func TestEntriesOfSection5(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.dora()
	entry := func(user, id string) string {
		e := w.get("/v1/users/" + user + "/entries/" + id)
		return fmt.Sprint(e["kind"], " ", e["outcome"], " ", e["code"], " ", e["revision"], " ", e["counterparty"], " ", e["amount"], " ", e["balance_after"])
	}
	pending := op(event.Capture, "dora", "c2", "h2", 3)
	w.send(pending)
	if got := entry("dora", "c2"); got != "capture pending <nil> 0 <nil> 3 <nil>" {
		t.Error(got)
	}
	hold := op(event.Hold, "dora", "h2", "", 4)
	hold.OccurredAt = w.now - second
	hold.ExpiresAt = w.now + 5*second
	w.send(hold)
	if got := entry("dora", "c2"); got != "capture accepted <nil> 1 <nil> 3 44" {
		t.Error(got)
	}
	for id, want := range map[string]string{
		"t1": "received applied <nil> 0 dora 12 12", "received%2Fdora%2Ft1": "received applied <nil> 0 dora 12 12",
	} {
		if got := entry("erin", id); got != want {
			t.Errorf("%s: %s", id, got)
		}
	}
	// erin's own event of that id comes first.
	w.send(op(event.Subtract, "erin", "t1", "", 1))
	if got := entry("erin", "t1"); !strings.HasPrefix(got, "subtract") {
		t.Error(got)
	}
	if got := entry("erin", "received%2Fdora%2Ft1"); !strings.HasPrefix(got, "received") {
		t.Error(got)
	}
	w.tick(2000)
	for id, want := range map[string]string{
		"hold_expired%2Fh1": "hold_expired applied <nil> 0 <nil> 25", "hold_expired%2Fh2": "hold_expired applied <nil> 0 <nil> 1",
		"expired%2Fhold_expired%2Fh1%2F0": "expired applied <nil> 0 <nil> 25",
	} {
		if got := entry("dora", id); !strings.HasPrefix(got, want) {
			t.Errorf("%s: %s, want %s", id, got, want)
		}
	}
	if got := entry("erin", "expired%2Fdora%2Ft1%2F0"); !strings.HasPrefix(got, "expired applied <nil> 0 <nil> 9") {
		t.Error(got)
	}
	for _, id := range []string{"received%2Fdora%2Ft9", "received%2Fdora", "received%2F", "hold_expired%2Fs1", "expired%2Fr1%2F1"} {
		if answer := w.ask("/v1/users/dora/entries/" + id); answer.Code != http.StatusNotFound {
			t.Errorf("%s: %d %s", id, answer.Code, answer.Body)
		}
	}
}

// I5 for the lists within an explanation, and its sums on every page.
func TestExplanationsArePaged(t *testing.T) {
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 2))
		w := newWorld(t, 1, Config{})
		w.play(gen.Random(seed, gen.Options{Transactions: 40}), r)
		for _, user := range gen.Users {
			if w.ask("/v1/users/"+user+"/entries").Code != 200 {
				continue
			}
			target := "/v1/users/" + user + "/explain?at=" + fmt.Sprint(r.IntN(400)*second)
			whole := w.get(target + "&limit=1000")
			for _, list := range []string{"grants", "corrections"} {
				want := whole[list].(map[string]any)["items"].([]any)
				if got := w.within(target, list, 1+r.IntN(3)); text(got) != text(want) {
					t.Fatalf("seed %d: %s: %s by pages\n%s\nat once\n%s", seed, target, list, text(got), text(want))
				}
			}
			for _, g := range whole["grants"].(map[string]any)["items"].([]any) {
				g := g.(map[string]any)
				var uses []any
				for _, page := range w.within(target+"&grant_id="+strings.ReplaceAll(g["grant_id"].(string), "/", "%2F"), "grants", 1+r.IntN(2)) {
					uses = append(uses, page.(map[string]any)["uses"].([]any)...)
				}
				if len(uses)+len(g["uses"].([]any)) > 0 && text(uses) != text(g["uses"]) {
					t.Fatalf("seed %d: %s: uses of %s by pages\n%s\nat once\n%s", seed, target, g["grant_id"], text(uses), text(g["uses"]))
				}
			}
		}
	}
}

// within collects a list within an answer page by page; the rest must stay.
func (w *world) within(target, list string, limit int) []any {
	w.tb.Helper()
	next, sums, items := "", "", []any{}
	for {
		answer := w.get(fmt.Sprintf("%s&limit=%d%s", target, limit, next))
		if sums == "" {
			sums = text(answer["sums"])
		} else if text(answer["sums"]) != sums {
			w.tb.Fatalf("%s: a page has other sums: %s, %s", target, text(answer["sums"]), sums)
		}
		page := answer[list].(map[string]any)
		items = append(items, page["items"].([]any)...)
		cursor, more := page["next_cursor"].(string)
		if !more {
			return items
		}
		next = "&cursor=" + cursor
	}
}

func TestExplainRefuses(t *testing.T) {
	w := newWorld(t, 1, Config{})
	w.dora()
	cursor := w.get("/v1/users/dora/explain?limit=1")["grants"].(map[string]any)["next_cursor"].(string)
	for target, want := range map[string]int{
		"/v1/users/nobody/explain":                                 404,
		"/v1/users/dora/explain?grant_id=g9":                       404,
		"/v1/users/dora/explain?grant_id=":                         400,
		"/v1/users/dora/explain?at=yesterday":                      400,
		"/v1/users/dora/explain?known_at=0":                        400,
		"/v1/users/dora/explain?cursor=x":                          400,
		"/v1/users/dora/explain?grant_id=dg1&cursor=" + cursor:     400,
		"/v1/users/dora/holds?cursor=" + cursor:                    400,
		"/v1/users/dora/explain?asset=none":                        200,
		"/v1/users/dora/explain?at=0":                              200,
		"/v1/users/dora/explain?at=" + at(3) + "&cursor=" + cursor: 200,
	} {
		if answer := w.ask(target); answer.Code != want {
			t.Errorf("%s: %d %s", target, answer.Code, answer.Body)
		}
	}
}
