package ingest

import (
	"encoding/json"
	"net/http"
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"highwater/pkg/event"
)

// codeRow is a row of the table for people.
type codeRow struct {
	status        int
	entry, letter bool
}

func codeRows(t *testing.T) map[string]codeRow {
	t.Helper()
	text, err := os.ReadFile("../../docs/codes.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]codeRow{}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z_]+)` \\| ([0-9]*) ?\\| ([a-z, ]*)\\| ([a-z]*) ?\\| .+ \\| .+ \\|$").FindAllStringSubmatch(string(text), -1) {
		status, _ := strconv.Atoi(m[2])
		rows[m[1]] = codeRow{status, strings.TrimSpace(m[3]) != "", m[4] == "yes"}
	}
	return rows
}

// everyCode lists the codes that an event may have.
func everyCode() []event.Code {
	var all []event.Code
	for c := event.Malformed; c <= event.UnknownSchema; c++ {
		all = append(all, c)
	}
	return all
}

// Every code is in the table, and is answered with the status that it says.
func TestCodes(t *testing.T) {
	f, s := decidedFixture(t, nil)
	rows := codeRows(t)
	for _, code := range everyCode() {
		t.Run(code.String(), func(t *testing.T) {
			row, ok := rows[code.String()]
			if !ok {
				t.Fatal("docs/codes.md has no row")
			}
			if row.status != answers[code].status {
				t.Errorf("docs/codes.md says %d, it is answered with %d", row.status, answers[code].status)
			}
			if row.entry {
				p := f.refusal(f.send("POST", spends, spend("entry-"+code.String(), code.String())), row.status)
				if p.Code != code.String() || p.Entry == nil || p.Detail != answers[code].detail {
					t.Errorf("%+v", p)
				}
			}
			if row.letter {
				p := f.refusal(f.send("POST", spends, spend("letter-"+code.String(), "letter:"+code.String())), row.status)
				if p.Code != code.String() || p.Entry != nil || !strings.Contains(p.Detail, "the stand-in says") {
					t.Errorf("%+v", p)
				}
			}
		})
	}
	if len(rows) != len(everyCode()) || len(answers) != len(rows) {
		t.Errorf("%d rows, %d answers, %d codes", len(rows), len(answers), len(everyCode()))
	}
	// Those that the door says.
	p := f.refusal(f.send("POST", spends, `{`), rows["malformed"].status)
	q := f.refusal(f.send("POST", spends, `{}`), rows["invalid"].status)
	if p.Code != "malformed" || q.Code != "invalid" {
		t.Errorf("%+v, %+v", p, q)
	}
	s.mu.Lock()
	s.live["o"] = []string{"alice", "bob"}
	s.mu.Unlock()
	p = f.refusal(f.send("POST", "/v1/orders/o/cancel", ""), rows["ambiguous_order"].status)
	q = f.refusal(f.send("POST", "/v1/orders/p/cancel", ""), rows["unknown_order"].status)
	if p.Code != "ambiguous_order" || q.Code != "unknown_order" {
		t.Errorf("%+v, %+v", p, q)
	}
}

// The statuses and codes that the contract names.
func TestContractCodes(t *testing.T) {
	for status, codes := range map[int]string{
		http.StatusPaymentRequired: "insufficient_funds",
		http.StatusNotFound:        "unknown_reference unknown_order",
		http.StatusConflict: "not_a_spend before_reference exceeds_held exceeds_refundable already_refunded hold_resolved hold_expired amount_overflow " +
			"grant_exists event_conflict not_active not_paused duplicate_order ambiguous_order",
		http.StatusUnprocessableEntity: "invalid",
		http.StatusTooManyRequests:     "risk_limited",
	} {
		for name := range strings.FieldsSeq(codes) {
			code, ok := event.ParseCode(name)
			if !ok || answers[code].status != status {
				t.Errorf("%s: %d, want %d", name, answers[code].status, status)
			}
		}
	}
}

// The document names, for each decided operation, its statuses and their codes.
func TestDocumentedCodes(t *testing.T) {
	f := newFixture(t, nil)
	var document struct {
		Paths map[string]map[string]struct {
			Responses map[string]struct{ Description string }
		}
	}
	if err := json.Unmarshal([]byte(f.send("GET", "/openapi.json", "").body), &document); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]map[string]string{
		user + "/spends":                   {"402": "insufficient_funds", "409": "event_conflict, amount_overflow, quarantined", "429": "risk_limited"},
		user + "/holds/{hold_id}/capture":  {"404": "unknown_reference", "409": "event_conflict, not_a_spend, before_reference, hold_resolved, hold_expired, exceeds_held, quarantined"},
		user + "/refunds":                  {"404": "unknown_reference", "409": "event_conflict, not_a_spend, before_reference, already_refunded, exceeds_refundable, quarantined"},
		user + "/orders":                   {"409": "event_conflict, duplicate_order, quarantined", "429": "risk_limited"},
		user + "/orders/{order_id}/resume": {"404": "unknown_order", "409": "event_conflict, not_paused, quarantined"},
		"/v1/orders/{order_id}/cancel":     {"404": "unknown_order", "409": "event_conflict, quarantined, ambiguous_order"},
		user + "/holds/{hold_id}/release":  {"400": "malformed", "422": "invalid, from_the_future, too_old", "500": "wrong_partition", "200": "", "202": ""},
	} {
		responses := document.Paths[path]["post"].Responses
		for status, codes := range want {
			if got, ok := responses[status]; !ok || codes != "" && !strings.HasSuffix(got.Description, ": "+codes) {
				t.Errorf("%s: %s is %q, want %q", path, status, got.Description, codes)
			}
		}
	}
	for _, k := range sendable {
		if exampleBodies[k] == nil {
			t.Errorf("%s has no example", k)
		}
	}
	docs := f.send("GET", "/docs", "").body
	for _, says := range []string{"Payment Required: insufficient_funds", "<code>Prefer</code>"} {
		if !strings.Contains(docs, says) {
			t.Errorf("/docs doesn't say %q", says)
		}
	}
}
