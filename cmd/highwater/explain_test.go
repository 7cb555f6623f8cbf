package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// answering is a query service that gives one answer and keeps the question.
func answering(t *testing.T, answer string) (address string, asked *string) {
	t.Helper()
	asked = new(string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = r.URL.String()
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return "--query=" + server.URL, asked
}

const explained = `{"user_id":"dora","asset":"credits","at":"2026-01-05T00:00:00.000000Z","balance":48,"held":25,"debt":0,
"sums":{"credited":18446744073709551616,"available":48,"held":25,"consumed":40,"expired":25,"revoked":0,"sent":12},"short":{"events":2,"amount":1500},"grant_count":4,
"grants":{"items":[
 {"grant_id":"g1","state":"expired","at":"2026-01-01T00:00:00.000000Z","event_id":"e1","kind":"grant","counterparty":null,"origin":null,"amount":100,
  "effective_at":"2026-01-01T00:00:00.000000Z","expires_at":"2026-01-03T00:00:00.000000Z","available":0,"held":25,"uses":[
   {"event_id":"s1","kind":"spend","at":"2026-01-02T00:00:00.000000Z","amount":30,"from":"available","to":"consumed","of":null,"repays":null,"restored_as":null,"counterparty":null},
   {"event_id":"h1","kind":"hold","at":"2026-01-02T00:00:01.000000Z","amount":40,"from":"available","to":"held","of":null,"repays":null,"restored_as":null,"counterparty":null},
   {"event_id":"c1","kind":"capture","at":"2026-01-02T00:00:02.000000Z","amount":15,"from":"held","to":"consumed","of":"h1","repays":null,"restored_as":null,"counterparty":null},
   {"event_id":"expired/g1","kind":"expired","at":"2026-01-03T00:00:00.000000Z","amount":25,"from":"available","to":"expired","of":null,"repays":null,"restored_as":null,"counterparty":null},
   {"event_id":"r1","kind":"refund","at":"2026-01-04T00:00:00.000000Z","amount":10,"from":"consumed","to":"restored","of":"s1","repays":null,"restored_as":"r1/0","counterparty":null}],"more_uses":2},
 {"grant_id":"r1/0","state":"usable","at":"2026-01-04T00:00:00.000000Z","event_id":"r1","kind":"refund","counterparty":null,"origin":"g1","amount":10,
  "effective_at":"2026-01-04T00:00:00.000000Z","expires_at":null,"available":4,"held":0,"uses":[
   {"event_id":"t1","kind":"transfer","at":"2026-01-04T00:00:01.000000Z","amount":5,"from":"available","to":"sent","of":null,"repays":null,"restored_as":null,"counterparty":"erin"},
   {"event_id":"r1","kind":"refund","at":"2026-01-04T00:00:00.000000Z","amount":1,"from":"available","to":"consumed","of":"s1","repays":"u9","restored_as":null,"counterparty":null}],"more_uses":0},
 {"grant_id":"bob/t7/0","state":"revoked","at":"2026-01-04T00:00:00.000000Z","event_id":"t7","kind":"received","counterparty":"bob","origin":null,"amount":7,
  "effective_at":"2026-01-04T00:00:00.000000Z","expires_at":null,"available":0,"held":0,"uses":[
   {"event_id":"t7","kind":"received","at":"2026-01-04T00:00:01.000000Z","amount":7,"from":null,"to":"revoked","of":null,"repays":null,"restored_as":null,"counterparty":null}],"more_uses":0}],"next_cursor":"x"},
"holds":[{"hold_id":"h1","at":"2026-01-02T00:00:01.000000Z","amount":40,"captured":15,"left":25,"held":20,"shortfall":5,"expires_at":"2026-01-10T00:00:00.000000Z","slices":[],"more_slices":0}],"more_holds":0,
"debts":[{"event_id":"u9","kind":"subtract","at":"2026-01-04T00:00:00.000000Z","shortfall":15,"owed":9}],"more_debts":0,
"corrections":{"items":[
 {"cause":{"event_id":"u1","kind":"subtract","occurred_at":"2026-01-02T00:00:00.000000Z","input":"subtracts/0/1","late_by":172800000000},"committed_at":"2026-01-04T00:00:07.000000Z","after_final":true,"change":{"balance":-5,"held":0,"debt":9},"changed_entries":2},
 {"cause":{"event_id":"u0","kind":"subtract","occurred_at":"2026-01-01T00:00:00.000000Z","input":"subtracts/0/0","late_by":1000000},"committed_at":"2026-01-01T00:00:07.000000Z","after_final":false,"change":null,"changed_entries":0}],"next_cursor":null},
"final":true,"watermark":"2026-01-06T00:00:00.000000Z","position":null,"positions":[]}`

func TestExplainTellsAPerson(t *testing.T) {
	service, asked := answering(t, explained)
	o := invoke(t, "", "explain", "dora", service, "--output=lines", "--at=2026-01-05T00:00:00Z", "--limit=3")
	o.wants(t, 0)
	want := `dora, credits, at 2026-01-05 00:00:00
  balance   48 = 48 available - 0 owed
  credited  18446744073709551616 = 48 available + 25 held + 40 used + 25 expired + 0 revoked + 12 sent
  missed    1,500, by 2 events that wanted more than there was

  g1: 100 granted by e1 at 2026-01-01 00:00:00, expired 2026-01-03 00:00:00
    2026-01-02 00:00:00       -30  spend s1
    2026-01-02 00:00:01       -40  set aside by hold h1
    2026-01-02 00:00:02        15  captured by capture c1 from hold h1
    2026-01-03 00:00:00       -25  expired
    2026-01-04 00:00:00        10  given back by refund r1 of s1, as grant r1/0
    2 uses more; --grant shows them
    leaves 0, 25 held

  r1/0: 10 restored for g1 by r1 at 2026-01-04 00:00:00, never expires
    2026-01-04 00:00:01        -5  sent to erin by transfer t1
    2026-01-04 00:00:00        -1  repaid what u9 had missed
    leaves 4

  bob/t7/0: 7 received from bob by transfer t7 at 2026-01-04 00:00:00, revoked
    2026-01-04 00:00:01         7  was gone when it came: revoked
    leaves 0

  1 grant more; --limit shows more of them
  hold     h1: 20 held of 40 asked for at 2026-01-02 00:00:01, 15 captured, 5 short, goes back at 2026-01-10 00:00:00
  owed      9 of the 15 that subtract u9 missed at 2026-01-04 00:00:00
  corrected by subtract u1 of 2026-01-02 00:00:00, 2d0h late, at 2026-01-04 00:00:07: balance -5, owed +9; changed 2 entries
  corrected by subtract u0 of 2026-01-01 00:00:00, 1s late, at 2026-01-01 00:00:07: before anything was said about this time
  final: the watermark is 2026-01-06T00:00:00.000000Z
`
	if o.stdout != want {
		t.Errorf("got\n%s\nwant\n%s", o.stdout, want)
	}
	if *asked != "/v1/users/dora/explain?asset=credits&at=2026-01-05T00%3A00%3A00Z&limit=3" {
		t.Errorf("asked %s", *asked)
	}
	if o := invoke(t, "", "explain", "dora", service, "--json", "--output=lines", "--grant=r1/0"); o.stdout != explained+"\n" || !strings.Contains(*asked, "grant_id=r1%2F0") {
		t.Errorf("asked %s, got %s", *asked, o.stdout)
	}
}

func TestBalanceTellsAPerson(t *testing.T) {
	service, _ := answering(t, `{"user_id":"dora","asset":"credits","at":"2026-01-05T00:00:00.000000Z","balance":48,"held":25,"debt":2,
"grants":[{"grant_id":"g2","remaining":48,"held":0,"effective_at":"2026-01-01T00:00:00.000000Z","expires_at":null,"priority":0,"state":"usable","amount":50,"event_id":"e2","kind":"add","counterparty":null,"origin":null},
{"grant_id":"g1","remaining":0,"held":25,"effective_at":"2026-01-01T00:00:00.000000Z","expires_at":"2026-01-03T00:00:00.000000Z","priority":0,"state":"held","amount":100,"event_id":"e1","kind":"grant","counterparty":null,"origin":null}],
"more_grants":3,"holds":[{"hold_id":"h1","at":"2026-01-02T00:00:01.000000Z","amount":40,"captured":0,"left":40,"held":40,"shortfall":0,"expires_at":null,"slices":[],"more_slices":0}],"more_holds":0,"final":false,"watermark":"2026-01-04T00:00:00.000000Z"}`)
	o := invoke(t, "", "balance", "dora", service, "--output=lines")
	want := `dora, credits, at 2026-01-05T00:00:00.000000Z
  balance  48
  held     25
  owed     2
  grant    g2: 48 left of 50 added by e2, never expires
  grant    g1: 0 left, 25 held of 100 granted by e1, all of it used or held, expires 2026-01-03 00:00:00
  grant    3 more
  hold     h1: 40 held of 40 asked for at 2026-01-02 00:00:01
  provisional: the watermark is 2026-01-04T00:00:00.000000Z
`
	if o.status != 0 || o.stdout != want {
		t.Errorf("got\n%s%s\nwant\n%s", o.stdout, o.stderr, want)
	}
}

// Ids in paths are escaped, also those that would be a way up.
func TestQuestionsAboutUsersOfAnyID(t *testing.T) {
	service, asked := answering(t, explained)
	for user, segment := range map[string]string{".": "%2E", "..": "%2E%2E", "a/b": "a%2Fb", "...": "..."} {
		for _, what := range []string{"balance", "explain"} {
			invoke(t, "", what, user, service, "--json").wants(t, 0)
			if !strings.HasPrefix(*asked, "/v1/users/"+segment+"/"+what+"?") {
				t.Errorf("%s of %s asked %s", what, user, *asked)
			}
		}
	}
}
