package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// post sends JSON to the write API, and gives the status and the answer.
func (r *running) post(path, body string) (int, map[string]any) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), http.MethodPost, "http://"+r.address("write API")+path, strings.NewReader(body))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Content-Type", "application/json")
	request.Header.Set("Prefer", "wait=30") // the usual two seconds may not do on a busy machine
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	var value map[string]any
	if err := json.Unmarshal(text, &value); err != nil {
		r.t.Fatalf("%s: %d %s", path, answer.StatusCode, text)
	}
	return answer.StatusCode, value
}

// TestDevDecides asks, through everything, and is answered with what was
// decided.
func TestDevDecides(t *testing.T) {
	r := startDev(t)
	for i, c := range []struct {
		path, body string
		status     int
		shows      string // JSON that the answer includes
	}{
		{"/v1/users/ann/spends", `{"event_id":"s1","amount":10}`, 402, `{"code":"insufficient_funds","entry":{"event_id":"s1","outcome":"rejected"}}`},
		{"/v1/users/ann/grants", `{"event_id":"g1","grant_id":"g","amount":100}`, 202, `{"status":"recorded"}`},
		// What was decided stays, and is told again.
		{"/v1/users/ann/spends", `{"event_id":"s1","amount":10}`, 402, `{"entry":{"event_id":"s1","balance_after":0}}`},
		{"/v1/users/ann/spends", `{"event_id":"s2","amount":10}`, 200, `{"event_id":"s2","outcome":"accepted","balance_after":90}`},
		{"/v1/users/ann/spends", `{"event_id":"s2","amount":10}`, 200, `{"event_id":"s2","outcome":"accepted","balance_after":90}`},
		{"/v1/users/ann/spends", `{"event_id":"s2","amount":11}`, 409, `{"code":"event_conflict","event_id":"s2"}`},
		{"/v1/users/ann/spends", `{"event_id":"s3","amount":1,"occurred_at":"2999-01-01T00:00:00Z"}`, 422, `{"code":"from_the_future","event_id":"s3"}`},
		{"/v1/users/ann/holds", `{"event_id":"h1","amount":50}`, 200, `{"held_after":50}`},
		{"/v1/users/ann/holds/h1/capture", `{"amount":51}`, 409, `{"code":"exceeds_held"}`},
		{"/v1/users/ann/holds/h1/capture", `{"amount":20}`, 200, `{"held_after":30}`},
		{"/v1/users/ann/holds/h1/release", ``, 200, `{"held_after":0,"balance_after":70}`},
		{"/v1/users/ann/holds/h1/release", ``, 409, `{"code":"hold_resolved"}`},
		{"/v1/users/ann/refunds", `{"spend_id":"s1"}`, 409, `{"code":"not_a_spend"}`},
		{"/v1/users/ann/refunds", `{"spend_id":"s2","amount":11}`, 409, `{"code":"exceeds_refundable"}`},
		{"/v1/users/ann/refunds", `{"spend_id":"s2"}`, 200, `{"amount":10,"balance_after":80}`},
		{"/v1/users/ann/refunds", `{"spend_id":"s2"}`, 409, `{"code":"already_refunded"}`},
		{"/v1/users/ann/transfers", `{"to_user_id":"ben","amount":30}`, 200, `{"counterparty":"ben","balance_after":50}`},
		{"/v1/users/ann/orders", `{"order_id":"o1","currency":"EUR","amount":"1","price":"2"}`, 200, `{"outcome":"applied","order":{"order_id":"o1","state":"ACTIVE"}}`},
		{"/v1/users/ann/orders", `{"order_id":"o1","currency":"EUR","amount":"1","price":"2"}`, 409, `{"code":"duplicate_order","entry":{"order":{"state":"ACTIVE"}}}`},
		// An order placed a moment ago is found at once.
		{"/v1/orders/o1/pause", ``, 200, `{"user_id":"ann","order":{"state":"PAUSED"}}`},
		{"/v1/users/ben/orders", `{"order_id":"o1","currency":"EUR","amount":"1","price":"2"}`, 200, `{"user_id":"ben"}`},
		{"/v1/orders/o1/pause", ``, 409, `{"code":"ambiguous_order"}`},
		{"/v1/users/ann/orders/cancel-all", ``, 200, `{"order":{"cancelled":1}}`},
		{"/v1/orders/o1/cancel", `{"event_id":"x1"}`, 200, `{"user_id":"ben","order":{"state":"CANCELLED"}}`},
		{"/v1/orders/o1/cancel", `{"event_id":"x1"}`, 200, `{"user_id":"ben","order":{"state":"CANCELLED"}}`},
		{"/v1/orders/o1/cancel", `{"event_id":"x2"}`, 404, `{"code":"unknown_order"}`},
		{"/v1/users/ben/orders/o1/cancel", `{"event_id":"x3"}`, 404, `{"code":"unknown_order","entry":{"outcome":"ignored"}}`},
	} {
		status, got := r.post(c.path, c.body)
		var shows any
		if err := json.Unmarshal([]byte(c.shows), &shows); err != nil {
			t.Fatal(err)
		}
		if status != c.status || !includes(got, shows) {
			t.Errorf("%d: %s %s: %d %v, want %d %s", i, c.path, c.body, status, got, c.status, c.shows)
		}
	}

	// A capture that comes before its hold waits for it; so does who sends it
	// again.
	at := time.Now().UnixMicro()
	var answers [2]map[string]any
	var asking sync.WaitGroup
	for i := range answers {
		asking.Go(func() {
			_, answers[i] = r.post("/v1/users/ann/holds/h2/capture", fmt.Sprintf(`{"event_id":"c2","occurred_at":%d,"amount":5}`, at+1))
		})
	}
	waiting := time.NewTicker(10 * time.Millisecond)
	defer waiting.Stop()
	for outcome := any(nil); outcome != "pending"; outcome = r.entry("ann", "c2")["outcome"] {
		<-waiting.C
	}
	if status, got := r.post("/v1/users/ann/holds", fmt.Sprintf(`{"event_id":"h2","occurred_at":%d,"amount":5}`, at)); status != http.StatusOK {
		t.Errorf("%d %v", status, got)
	}
	asking.Wait()
	for i, got := range answers {
		if !includes(got, map[string]any{"event_id": "c2", "outcome": "accepted", "revision": 1.0}) {
			t.Errorf("%d: %v", i, got)
		}
	}
	r.end()
}

// entry is what the read API has of an event, or its problem.
func (r *running) entry(user, id string) map[string]any {
	r.t.Helper()
	answer, err := http.Get("http://" + r.address("read API") + "/v1/users/" + user + "/entries/" + id)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	var value map[string]any
	if err := json.NewDecoder(answer.Body).Decode(&value); err != nil {
		r.t.Fatal(err)
	}
	return value
}
