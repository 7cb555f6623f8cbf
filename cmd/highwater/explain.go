package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"highwater/pkg/event"
	"highwater/pkg/plain"
	"highwater/pkg/service"
)

type explain struct {
	question
	Grant string `name:"grant" help:"Only this grant, with more of what happened to it."`
	Limit int    `name:"limit" default:"100" min:"1" max:"1000" help:"How many grants, or with --grant how many of its uses, and how many corrections are shown."`
}

// Help shows how it is used.
func (explain) Help() string {
	return examples("Every grant with what drew it, what is held and owed, and the late events that changed what had been said: "+
		"why a balance is what it is. The sums at the top account for every credit that ever came.",
		"highwater explain alice",
		"highwater explain alice --at 2026-01-01T00:00:00Z",
		"highwater explain alice --grant welcome --json")
}

// Run asks.
func (x *explain) Run(ctx context.Context, p *service.Process) error {
	values := url.Values{"limit": {strconv.Itoa(x.Limit)}}
	if x.Grant != "" {
		values.Set("grant_id", x.Grant)
	}
	var answer explainAnswer
	return x.ask(ctx, p, "explain", values, &answer)
}

// explainAnswer is what of the service's answer is shown.
type explainAnswer struct {
	UserID  string `json:"user_id"`
	Asset   string `json:"asset"`
	At      string `json:"at"`
	Balance *int64 `json:"balance"`
	Debt    int64  `json:"debt"`
	Sums    struct {
		Credited, Available, Held, Consumed, Expired, Revoked, Sent json.Number
	} `json:"sums"`
	Short struct {
		Events, Amount int64
	} `json:"short"`
	Grants struct {
		Items      []explainedGrant `json:"items"`
		NextCursor *string          `json:"next_cursor"`
	} `json:"grants"`
	GrantCount  int        `json:"grant_count"`
	Holds       []holdLeft `json:"holds"`
	MoreHolds   int        `json:"more_holds"`
	Debts       []owed     `json:"debts"`
	MoreDebts   int        `json:"more_debts"`
	Corrections struct {
		Items      []corrected `json:"items"`
		NextCursor *string     `json:"next_cursor"`
	} `json:"corrections"`
	finality
}

type explainedGrant struct {
	GrantID string `json:"grant_id"`
	State   string `json:"state"`
	At      string `json:"at"`
	madeBy
	Amount      int64   `json:"amount"`
	EffectiveAt string  `json:"effective_at"`
	ExpiresAt   *string `json:"expires_at"`
	Available   int64   `json:"available"`
	Held        int64   `json:"held"`
	Uses        []use   `json:"uses"`
	MoreUses    int     `json:"more_uses"`
}

type use struct {
	EventID      string  `json:"event_id"`
	Kind         string  `json:"kind"`
	At           string  `json:"at"`
	Amount       int64   `json:"amount"`
	From         *string `json:"from"`
	To           string  `json:"to"`
	Of           string  `json:"of"`
	Repays       string  `json:"repays"`
	RestoredAs   string  `json:"restored_as"`
	Counterparty string  `json:"counterparty"`
}

type owed struct {
	EventID   string `json:"event_id"`
	Kind      string `json:"kind"`
	At        string `json:"at"`
	Shortfall int64  `json:"shortfall"`
	Owed      int64  `json:"owed"`
}

type corrected struct {
	Cause struct {
		EventID    string `json:"event_id"`
		Kind       string `json:"kind"`
		OccurredAt string `json:"occurred_at"`
		LateBy     int64  `json:"late_by"`
	} `json:"cause"`
	CommittedAt string `json:"committed_at"`
	Change      *struct {
		Balance, Held, Debt int64
	} `json:"change"`
	ChangedEntries int64 `json:"changed_entries"`
}

func (a *explainAnswer) show(to io.Writer) {
	fmt.Fprintf(to, "%s, %s, at %s\n", plain.Text(a.UserID), a.Asset, clock(a.At))
	if a.Balance == nil {
		fmt.Fprintln(to, "  nothing has happened yet at that time")
		return
	}
	s := &a.Sums
	fmt.Fprintf(to, "  balance   %s = %s available - %s owed\n", plain.Number(*a.Balance), wide(s.Available), plain.Number(a.Debt))
	fmt.Fprintf(to, "  credited  %s = %s available + %s held + %s used + %s expired + %s revoked + %s sent\n",
		wide(s.Credited), wide(s.Available), wide(s.Held), wide(s.Consumed), wide(s.Expired), wide(s.Revoked), wide(s.Sent))
	if n := a.Short.Events; n > 0 {
		fmt.Fprintf(to, "  missed    %s, by %s that wanted more than there was\n", plain.Number(a.Short.Amount), plain.Count(n, "event", "events"))
	}
	for i := range a.Grants.Items {
		fmt.Fprintln(to)
		a.Grants.Items[i].show(to)
	}
	if more := a.GrantCount - len(a.Grants.Items); more > 0 && a.Grants.NextCursor != nil {
		fmt.Fprintf(to, "\n  %s more; --limit shows more of them\n", plain.Count(int64(more), "grant", "grants"))
	}
	showHolds(to, a.Holds, a.MoreHolds)
	for _, d := range a.Debts {
		fmt.Fprintf(to, "  owed      %s of the %s that %s %s missed at %s\n", plain.Number(d.Owed), plain.Number(d.Shortfall), d.Kind, plain.Text(d.EventID), clock(d.At))
	}
	if a.MoreDebts > 0 {
		fmt.Fprintf(to, "  owed      by %s more\n", plain.Count(int64(a.MoreDebts), "event", "events"))
	}
	for i := range a.Corrections.Items {
		a.Corrections.Items[i].show(to)
	}
	if a.Corrections.NextCursor != nil {
		fmt.Fprintln(to, "  corrected earlier, too; --limit shows more of it")
	}
	a.finality.show(to)
}

func (g *explainedGrant) show(to io.Writer) {
	fmt.Fprintf(to, "  %s: %s %s at %s, %s\n", plain.Text(g.GrantID), plain.Number(g.Amount), g.madeBy.text(), clock(g.At), until(g.State, g.EffectiveAt, g.ExpiresAt))
	for i := range g.Uses {
		u := &g.Uses[i]
		fmt.Fprintf(to, "    %s  %8s  %s\n", clock(u.At), u.change(), u.text())
	}
	if g.MoreUses > 0 {
		fmt.Fprintf(to, "    %s more; --grant shows them\n", plain.Count(int64(g.MoreUses), "use", "uses"))
	}
	fmt.Fprintf(to, "    leaves %s", plain.Number(g.Available))
	if g.Held > 0 {
		fmt.Fprintf(to, ", %s held", plain.Number(g.Held))
	}
	fmt.Fprintln(to)
}

// change is what a use changes of what is left; bare where it changes nothing.
func (u *use) change() string {
	switch {
	case u.From != nil && *u.From == "available":
		return plain.Change(-u.Amount)
	case u.To == "available":
		return plain.Change(u.Amount)
	}
	return plain.Number(u.Amount)
}

// text says in words what happened.
func (u *use) text() string {
	by := u.Kind + " " + plain.Text(u.EventID)
	if u.Kind == "hold_expired" {
		by = "the time-out of hold " + plain.Text(u.Of)
	}
	switch {
	case u.Repays != "":
		return "repaid what " + plain.Text(u.Repays) + " had missed"
	case u.From == nil:
		return "was gone when it came: " + u.To
	case u.To == "held":
		return "set aside by " + by
	case u.To == "sent":
		return "sent to " + plain.Text(u.Counterparty) + " by " + by
	case u.Kind == "capture":
		return "captured by " + by + " from hold " + plain.Text(u.Of)
	case u.To == "available":
		return "given back by " + by + u.about()
	case u.To == "restored":
		return "given back by " + by + u.about() + ", as grant " + plain.Text(u.RestoredAs)
	case u.Kind == "expired":
		return "expired"
	case u.Kind == "revoke":
		return "revoked by " + by
	case u.To == "expired", u.To == "revoked":
		return "given back by " + by + u.about() + ", but " + u.To
	}
	return by
}

// about is what a giving back is about, where its own id doesn't say.
func (u *use) about() string {
	if u.Kind == "hold_expired" || u.Of == "" {
		return ""
	}
	return " of " + plain.Text(u.Of)
}

func (c *corrected) show(to io.Writer) {
	fmt.Fprintf(to, "  corrected by %s %s of %s, %s late, at %s: ", c.Cause.Kind, plain.Text(c.Cause.EventID), clock(c.Cause.OccurredAt), plain.Span(c.Cause.LateBy), clock(c.CommittedAt))
	switch {
	case c.Change == nil:
		fmt.Fprint(to, "before anything was said about this time")
	case *c.Change == struct{ Balance, Held, Debt int64 }{}:
		fmt.Fprint(to, "nothing at this time")
	default:
		fmt.Fprintf(to, "balance %s", plain.Change(c.Change.Balance))
		if c.Change.Held != 0 {
			fmt.Fprintf(to, ", held %s", plain.Change(c.Change.Held))
		}
		if c.Change.Debt != 0 {
			fmt.Fprintf(to, ", owed %s", plain.Change(c.Change.Debt))
		}
	}
	if c.ChangedEntries > 0 {
		fmt.Fprintf(to, "; changed %s", plain.Count(c.ChangedEntries, "entry", "entries"))
	}
	fmt.Fprintln(to)
}

// clock is a time of an answer for people.
func clock(at string) string {
	t, err := event.ParseTime(at)
	if err != nil {
		return plain.Text(at)
	}
	return plain.Time(t)
}

// wide is a sum that may have more than 64 bits.
func wide(n json.Number) string {
	if small, err := n.Int64(); err == nil {
		return plain.Number(small)
	}
	return n.String()
}
