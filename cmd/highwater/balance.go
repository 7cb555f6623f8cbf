package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"highwater/pkg/api"
	"highwater/pkg/event"
	"highwater/pkg/plain"
	"highwater/pkg/service"
)

// maxAnswerBytes bounds the answer of the query service.
const maxAnswerBytes = 64 << 20

// question is about one user's asset at one time.
type question struct {
	User   string `arg:"" help:"Whose credits."`
	Asset  string `name:"asset" default:"credits" help:"Which asset."`
	At     string `name:"at" help:"At which time, past, present or future: RFC 3339, such as 2026-01-01T00:00:00Z; none is now."`
	Query  string `name:"query" default:"http://127.0.0.1:8082" help:"Address of the query service."`
	Output string `name:"output" default:"auto" enum:"auto,lines,json" help:"Lines for people, JSON for programs; auto asks whether a terminal listens."`
	JSON   bool   `name:"json" help:"The same as --output=json: the service's answer as it is."`
}

// ask asks the query service, and shows the answer to people or programs.
func (q *question) ask(ctx context.Context, p *service.Process, what string, values url.Values, answer interface{ show(to io.Writer) }) error {
	values.Set("asset", q.Asset)
	if q.At != "" {
		if _, err := event.ParseTime(q.At); err != nil {
			return service.Usagef("--at: %w", err)
		}
		values.Set("at", q.At)
	}
	address, err := endpoint("--query", q.Query, "/v1/users/"+api.Segment(q.User)+"/"+what+"?"+values.Encode())
	if err != nil {
		return err
	}
	body, err := get(ctx, q.Query, address)
	if err != nil {
		return err
	}
	if q.JSON || q.Output == "json" || q.Output == "auto" && !isTerminal(p.Stdout) {
		_, err := fmt.Fprintf(p.Stdout, "%s\n", body)
		return err
	}
	if err := json.Unmarshal(body, answer); err != nil {
		return fmt.Errorf("query: the answer is no JSON that this program knows: %w", err)
	}
	answer.show(p.Stdout)
	return nil
}

type balance struct {
	question
}

// Help shows how it is used.
func (balance) Help() string {
	return examples("An answer at or before the watermark is final: every event up to there is expected to have arrived. "+
		"A future time counts the expiries, activations and hold time-outs that are known. `highwater explain` says how it came about.",
		"highwater balance alice",
		"highwater balance alice --asset tokens --at 2026-01-01T00:00:00Z")
}

// Run asks.
func (b *balance) Run(ctx context.Context, p *service.Process) error {
	var answer balanceAnswer
	return b.ask(ctx, p, "balance", url.Values{}, &answer)
}

// balanceAnswer is what of the service's answer is shown.
type balanceAnswer struct {
	UserID     string      `json:"user_id"`
	Asset      string      `json:"asset"`
	At         string      `json:"at"`
	Balance    *int64      `json:"balance"`
	Held       int64       `json:"held"`
	Debt       int64       `json:"debt"`
	Grants     []grantLeft `json:"grants"`
	MoreGrants int         `json:"more_grants"`
	Holds      []holdLeft  `json:"holds"`
	MoreHolds  int         `json:"more_holds"`
	finality
}

// finality is how sure an answer is.
type finality struct {
	Final     bool   `json:"final"`
	Watermark string `json:"watermark"`
}

// madeBy is how a grant came.
type madeBy struct {
	EventID      string `json:"event_id"`
	Kind         string `json:"kind"`
	Counterparty string `json:"counterparty"`
	Origin       string `json:"origin"`
}

type grantLeft struct {
	GrantID string `json:"grant_id"`
	madeBy
	Amount      int64   `json:"amount"`
	Remaining   int64   `json:"remaining"`
	Held        int64   `json:"held"`
	EffectiveAt string  `json:"effective_at"`
	ExpiresAt   *string `json:"expires_at"`
	State       string  `json:"state"`
}

type holdLeft struct {
	HoldID    string  `json:"hold_id"`
	At        string  `json:"at"`
	Amount    int64   `json:"amount"`
	Captured  int64   `json:"captured"`
	Left      int64   `json:"left"`
	Held      int64   `json:"held"`
	Shortfall int64   `json:"shortfall"`
	ExpiresAt *string `json:"expires_at"`
}

// get asks the query service.
func get(ctx context.Context, service, address string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("query: %w", err)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, unanswered("query", service, "--query", err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return nil, problem("query", answer)
	}
	body, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswerBytes))
	if err != nil {
		return nil, fmt.Errorf("query: read the answer: %w", err)
	}
	return body, nil
}

func (a *balanceAnswer) show(to io.Writer) {
	fmt.Fprintf(to, "%s, %s, at %s\n", plain.Text(a.UserID), a.Asset, a.At)
	if a.Balance == nil {
		fmt.Fprintln(to, "  nothing has happened yet at that time")
		return
	}
	fmt.Fprintf(to, "  balance  %s\n", plain.Number(*a.Balance))
	if a.Held != 0 {
		fmt.Fprintf(to, "  held     %s\n", plain.Number(a.Held))
	}
	if a.Debt != 0 {
		fmt.Fprintf(to, "  owed     %s\n", plain.Number(a.Debt))
	}
	for i := range a.Grants {
		g := &a.Grants[i]
		fmt.Fprintf(to, "  grant    %s: %s left", plain.Text(g.GrantID), plain.Number(g.Remaining))
		if g.Held > 0 {
			fmt.Fprintf(to, ", %s held", plain.Number(g.Held))
		}
		fmt.Fprintf(to, " of %s %s, %s\n", plain.Number(g.Amount), g.madeBy.text(), until(g.State, g.EffectiveAt, g.ExpiresAt))
	}
	if a.MoreGrants > 0 {
		fmt.Fprintf(to, "  grant    %s more\n", plain.Number(int64(a.MoreGrants)))
	}
	showHolds(to, a.Holds, a.MoreHolds)
	a.finality.show(to)
}

func showHolds(to io.Writer, holds []holdLeft, more int) {
	for _, h := range holds {
		fmt.Fprintf(to, "  hold     %s: %s held of %s asked for at %s", plain.Text(h.HoldID), plain.Number(h.Held), plain.Number(h.Amount), clock(h.At))
		if h.Captured > 0 {
			fmt.Fprintf(to, ", %s captured", plain.Number(h.Captured))
		}
		if h.Shortfall > 0 {
			fmt.Fprintf(to, ", %s short", plain.Number(h.Shortfall))
		}
		if h.ExpiresAt != nil {
			fmt.Fprintf(to, ", goes back at %s", clock(*h.ExpiresAt))
		}
		fmt.Fprintln(to)
	}
	if more > 0 {
		fmt.Fprintf(to, "  hold     %s more\n", plain.Number(int64(more)))
	}
}

// text says in words how a grant came.
func (m *madeBy) text() string {
	switch {
	case m.Kind == "received":
		return "received from " + plain.Text(m.Counterparty) + " by transfer " + plain.Text(m.EventID)
	case m.Origin != "":
		return "restored for " + plain.Text(m.Origin) + " by " + plain.Text(m.EventID)
	case m.Kind == "add":
		return "added by " + plain.Text(m.EventID)
	}
	return "granted by " + plain.Text(m.EventID)
}

// until says in words when a grant may be drawn.
func until(state, from string, expires *string) string {
	end := "never expires"
	if expires != nil {
		end = "expires " + clock(*expires)
	}
	switch state {
	case "future":
		return "usable from " + clock(from) + ", " + end
	case "held":
		return "all of it used or held, " + end
	case "revoked":
		return "revoked"
	case "expired":
		return "expired " + clock(*expires)
	}
	return end
}

func (f *finality) show(to io.Writer) {
	if f.Final {
		fmt.Fprintf(to, "  final: the watermark is %s\n", f.Watermark)
	} else {
		fmt.Fprintf(to, "  provisional: the watermark is %s\n", f.Watermark)
	}
}
