package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"highwater/pkg/event"
	"highwater/pkg/plain"
	"highwater/pkg/service"
)

// maxAnswerBytes bounds the answer of the query service.
const maxAnswerBytes = 64 << 20

type balance struct {
	User   string `arg:"" help:"Whose balance."`
	Asset  string `name:"asset" default:"credits" help:"Which asset."`
	At     string `name:"at" help:"At which time, past, present or future: RFC 3339, such as 2026-01-01T00:00:00Z; none is now."`
	Query  string `name:"query" default:"http://127.0.0.1:8082" help:"Address of the query service."`
	Output string `name:"output" default:"auto" enum:"auto,lines,json" help:"Lines for people, JSON for programs; auto asks whether a terminal listens."`
}

// Help shows how it is used.
func (balance) Help() string {
	return examples("An answer at or before the watermark is final: every event up to there is expected to have arrived. "+
		"A future time counts the expiries and activations that are known.",
		"highwater balance alice",
		"highwater balance alice --asset tokens --at 2026-01-01T00:00:00Z")
}

// balanceAnswer is what of the service's answer is shown.
type balanceAnswer struct {
	UserID    string `json:"user_id"`
	Asset     string `json:"asset"`
	At        string `json:"at"`
	Balance   *int64 `json:"balance"`
	Held      int64  `json:"held"`
	Debt      int64  `json:"debt"`
	Final     bool   `json:"final"`
	Watermark string `json:"watermark"`
	Grants    []struct {
		GrantID   string  `json:"grant_id"`
		Remaining int64   `json:"remaining"`
		ExpiresAt *string `json:"expires_at"`
		State     string  `json:"state"`
	} `json:"grants"`
}

// Run asks.
func (b *balance) Run(ctx context.Context, p *service.Process) error {
	if b.At != "" {
		if _, err := event.ParseTime(b.At); err != nil {
			return service.Usagef("--at: %w", err)
		}
	}
	query := url.Values{"asset": {b.Asset}}
	if b.At != "" {
		query.Set("at", b.At)
	}
	address, err := endpoint("--query", b.Query, "/v1/users/"+url.PathEscape(b.User)+"/balance?"+query.Encode())
	if err != nil {
		return err
	}
	body, err := get(ctx, b.Query, address)
	if err != nil {
		return err
	}
	if b.Output == "json" || b.Output == "auto" && !isTerminal(p.Stdout) {
		_, err := fmt.Fprintf(p.Stdout, "%s\n", body)
		return err
	}
	var answer balanceAnswer
	if err := json.Unmarshal(body, &answer); err != nil {
		return fmt.Errorf("query: the answer is no JSON: %w", err)
	}
	answer.show(p.Stdout)
	return nil
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
	for _, g := range a.Grants {
		until := "never expires"
		if g.ExpiresAt != nil {
			until = "expires " + *g.ExpiresAt
		}
		if g.State == "future" {
			until = "not active yet, " + until
		}
		fmt.Fprintf(to, "  grant    %s: %s left, %s\n", plain.Text(g.GrantID), plain.Number(g.Remaining), until)
	}
	if a.Final {
		fmt.Fprintf(to, "  final: the watermark is %s\n", a.Watermark)
	} else {
		fmt.Fprintf(to, "  provisional: the watermark is %s\n", a.Watermark)
	}
}
