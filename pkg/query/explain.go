package query

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"math/big"
	"net/http"

	"highwater/pkg/api"
	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// explainAnswer is how a balance came about.
type explainAnswer struct {
	UserID string  `json:"user_id"`
	Asset  string  `json:"asset"`
	At     instant `json:"at"`
	balances
	Sums        sums                   `json:"sums"`
	Short       missed                 `json:"short"`
	GrantCount  int                    `json:"grant_count"`
	Grants      part[explainedGrant]   `json:"grants"`
	Holds       []holdItem             `json:"holds"`
	MoreHolds   int                    `json:"more_holds"`
	Debts       []debtItem             `json:"debts"`
	MoreDebts   int                    `json:"more_debts"`
	Corrections part[correctionTaught] `json:"corrections"`
	Final       bool                   `json:"final"`
	Watermark   instant                `json:"watermark"`
	Position    position               `json:"position"`
	Positions   []position             `json:"positions"`
}

// part is a list within an answer.
type part[T any] struct {
	Items      []T     `json:"items"`
	NextCursor *string `json:"next_cursor"`

	bytes int
}

// full reports whether no item has place any more (I4).
func (l *part[T]) full(limit int) bool {
	return len(l.Items) >= limit || l.bytes >= maxPageBytes
}

func (l *part[T]) next(c cursor) {
	text := c.String()
	l.NextCursor = &text
}

// sums are where everything that was ever credited is.
type sums struct {
	Credited  *big.Int `json:"credited"`
	Available *big.Int `json:"available"`
	Held      *big.Int `json:"held"`
	Consumed  *big.Int `json:"consumed"`
	Expired   *big.Int `json:"expired"`
	Revoked   *big.Int `json:"revoked"`
	Sent      *big.Int `json:"sent"`
}

// missed is what events ran short of.
type missed struct {
	Events int   `json:"events"`
	Amount int64 `json:"amount"`
}

// explainedGrant is a grant and what happened to it.
type explainedGrant struct {
	GrantID string  `json:"grant_id"`
	State   string  `json:"state"`
	At      instant `json:"at"`
	madeBy
	Amount      event.Amount `json:"amount"`
	EffectiveAt instant      `json:"effective_at"`
	ExpiresAt   instant      `json:"expires_at"`
	Priority    int32        `json:"priority"`
	Available   event.Amount `json:"available"`
	Held        event.Amount `json:"held"`
	Consumed    event.Amount `json:"consumed"`
	Expired     event.Amount `json:"expired"`
	Revoked     event.Amount `json:"revoked"`
	Sent        event.Amount `json:"sent"`
	Restored    event.Amount `json:"restored"`
	Uses        []useItem    `json:"uses"`
	MoreUses    int          `json:"more_uses"`
}

// useItem is one thing that happened to a part of a grant.
type useItem struct {
	EventID      string       `json:"event_id"`
	Kind         string       `json:"kind"`
	At           instant      `json:"at"`
	Amount       event.Amount `json:"amount"`
	From         nullText     `json:"from"`
	To           string       `json:"to"`
	Of           nullText     `json:"of"`
	Repays       nullText     `json:"repays"`
	RestoredAs   nullText     `json:"restored_as"`
	Counterparty nullText     `json:"counterparty"`
}

// debtItem is what an event still owes.
type debtItem struct {
	EventID   string       `json:"event_id"`
	Kind      string       `json:"kind"`
	At        instant      `json:"at"`
	Shortfall int64        `json:"shortfall"`
	Owed      event.Amount `json:"owed"`
}

// correctionTaught is what a correction changed at the time that is explained.
type correctionTaught struct {
	Cause          causeItem `json:"cause"`
	CommittedAt    instant   `json:"committed_at"`
	AfterFinal     bool      `json:"after_final"`
	Change         *change   `json:"change"`
	ChangedEntries int       `json:"changed_entries"`
}

type causeItem struct {
	EventID    string   `json:"event_id"`
	Kind       string   `json:"kind"`
	OccurredAt instant  `json:"occurred_at"`
	Input      position `json:"input"`
	LateBy     int64    `json:"late_by"`
}

type change struct {
	Balance int64 `json:"balance"`
	Held    int64 `json:"held"`
	Debt    int64 `json:"debt"`
}

const (
	// maxUses is how many uses of one grant are shown among others.
	maxUses = 100
	// maxDebts is how many debts are shown.
	maxDebts = 100
	// maxCorrectionRows is how many corrections a page reads.
	maxCorrectionRows = 10_000
	// Which of the lists of an explanation a cursor continues.
	explainGrants, explainUses, explainCorrections = "explain grants", "explain uses", "explain corrections"
)

func (s *Service) explain(ctx context.Context, p *api.Params) (answer, error) {
	user, asset, limit := p.User("user_id"), p.Asset(), p.Limit()
	at := p.Time("at", s.now())
	grantID := ""
	if p.Given("grant_id") {
		grantID = p.Text("grant_id")
		p.Refuse(event.CheckGrantRef("grant_id", grantID))
	}
	c, resumed := readCursor(p, explainGrants, explainUses, explainCorrections)
	if resumed {
		at = c.At // every page is about the time of the first
		if ofGrant := c.List == explainUses; c.List != explainCorrections && (ofGrant != (grantID != "") || ofGrant && c.Name != grantID) {
			p.Refuse(&event.Refusal{Code: event.Invalid, Field: "cursor", Message: "came with another grant_id; give it the one that it came with"})
		}
	}
	partition, err := s.ofUser(ctx, p, user)
	if err != nil {
		return answer{}, err
	}
	x := explainAnswer{
		UserID: user, Asset: asset, At: instant(at),
		Grants: part[explainedGrant]{Items: []explainedGrant{}}, Corrections: part[correctionTaught]{Items: []correctionTaught{}},
		Holds: []holdItem{}, Debts: []debtItem{},
	}
	err = s.lookAt(ctx, partition, func(v view) error {
		x.Positions, x.Watermark, x.Final = v.positions(), instant(v.Watermark()), at <= v.Watermark()
		a, ok := v.Account(user, asset)
		if !ok {
			if err := unknownUser(v, user); err != nil {
				return err
			}
		}
		w := engine.Wanted{GrantID: grantID, Limit: limit, MaxUses: maxUses}
		if resumed && c.List != explainCorrections {
			w.Behind = engine.GrantPlace{Place: event.Place(c.Place), Number: int(c.Number)}
		}
		return x.fill(v, &a, w, c)
	})
	if err != nil {
		return answer{}, err
	}
	body, err := json.Marshal(&x)
	return answer{body: body}, err
}

// fill explains an asset; c is where the page of corrections begins, if it is
// theirs.
func (x *explainAnswer) fill(v view, a *engine.Account, w engine.Wanted, c cursor) error {
	at := event.Time(x.At)
	e := v.Explain(a, at, w)
	if err := v.Err(); err != nil {
		return err
	}
	b := e.State.Balances()
	if !e.Sums.Conserved(b) {
		return fmt.Errorf("explain %q, asset %q at %s: what was credited isn't what there is: %v, %v", x.UserID, x.Asset, at, e.Sums, b)
	}
	if e.Entered {
		x.balances = balancesOf(b)
		x.Position = position(e.Newest)
	}
	in := e.Sums.In
	x.Sums = sums{e.Sums.Credited, in[engine.InAvailable], in[engine.InHeld], in[engine.InConsumed], in[engine.InExpired], in[engine.InRevoked], in[engine.InSent]}
	x.GrantCount, x.Short = e.GrantCount, missed{e.Short, e.Missed}
	if w.GrantID != "" && len(e.Grants) == 0 {
		return api.Problemf(http.StatusNotFound, "unknown_grant", "grant_id", "this asset has no grant of this id up to %s", at)
	}
	x.fillGrants(e, w)
	x.Holds, x.MoreHolds = firstHolds(v, a, &e.Standing)
	for _, d := range e.Debts[:min(len(e.Debts), maxDebts)] {
		x.Debts = append(x.Debts, debtItem{d.EventID, d.Kind.String(), instant(d.At), d.Shortfall, d.Owed})
	}
	x.MoreDebts = len(e.Debts) - len(x.Debts)
	x.fillCorrections(v, a, e, w.Limit, c)
	return nil
}

func (x *explainAnswer) fillGrants(e *engine.Explanation, w engine.Wanted) {
	for i, g := range e.Grants {
		item := explainedGrantOf(g, event.Time(x.At))
		const grantBytes, useBytes = 700, 300
		x.Grants.bytes += grantBytes + useBytes*len(item.Uses)
		x.Grants.Items = append(x.Grants.Items, item)
		if w.GrantID == "" && (i+1 < len(e.Grants) || e.More) && (i+1 == w.Limit || x.Grants.full(w.Limit)) {
			x.Grants.next(cursor{List: explainGrants, At: event.Time(x.At), Place: place(g.Place), Number: int64(g.Number)})
			return
		}
		if w.GrantID != "" && g.More > 0 {
			last := g.Uses[len(g.Uses)-1].At
			x.Grants.next(cursor{List: explainUses, At: event.Time(x.At), Name: g.ID, Place: place(last.Place), Number: int64(last.Number)})
		}
	}
}

func explainedGrantOf(g *engine.ExplainedGrant, at event.Time) explainedGrant {
	state := "usable"
	switch {
	case g.Revoked:
		state = "revoked"
	case !g.Credited:
		state = "future"
	case g.ExpiresAt != event.NoTime && g.ExpiresAt <= at:
		state = "expired"
	}
	item := explainedGrant{
		GrantID: g.ID, State: state, At: instant(g.Place.Time), Amount: g.Amount,
		madeBy:      madeBy{g.EventID, g.Kind.String(), nullText(g.From), nullText(g.Origin)},
		EffectiveAt: instant(g.EffectiveAt), ExpiresAt: instant(g.ExpiresAt), Priority: g.Priority,
		Available: g.In[engine.InAvailable], Held: g.In[engine.InHeld], Consumed: g.In[engine.InConsumed], Expired: g.In[engine.InExpired],
		Revoked: g.In[engine.InRevoked], Sent: g.In[engine.InSent], Restored: g.In[engine.InRestored],
		Uses: make([]useItem, len(g.Uses)), MoreUses: g.More,
	}
	for i, u := range g.Uses {
		item.Uses[i] = useItem{
			EventID: u.EventID, Kind: u.Kind.String(), At: instant(u.At.Place.Time), Amount: u.Amount, From: nullText(u.From.String()), To: u.To.String(),
			Of: nullText(u.Of), Repays: nullText(u.Repays), RestoredAs: nullText(u.Restored), Counterparty: nullText(u.Counterparty),
		}
	}
	return item
}

// fillCorrections shows the corrections that reach back to the time explained
// or before it, the newest first. Those cut into parts become one again.
func (x *explainAnswer) fillCorrections(v view, a *engine.Account, e *engine.Explanation, limit int, c cursor) {
	at, begin := event.Time(x.At), int64(math.MaxInt64)
	if c.List == explainCorrections {
		begin = c.Number
	}
	rows, last := 0, begin
	item := correctionTaught{}
	for k := range v.Corrections([]engine.Account{*a}, begin, true) {
		if k.Part == k.Parts && (x.Corrections.full(limit) || rows >= maxCorrectionRows) {
			x.Corrections.next(cursor{List: explainCorrections, At: at, Number: last})
			return
		}
		rows++
		if k.Part == k.Parts {
			item = correctionTaught{}
		}
		from := v.CauseAt(a.User, &k.Cause)
		item.taught(k, at, from+event.Time(k.Cause.LateBy), e.LastAt)
		if last = k.Seq; k.Part == 1 && from <= at {
			x.Corrections.Items = append(x.Corrections.Items, item)
			x.Corrections.bytes += 300
		}
	}
}

// taught takes in a part of a correction, said when the newest thing said was
// at head; last is the newest thing that happened up to the time explained.
func (t *correctionTaught) taught(k *event.Correction, at, head, last event.Time) {
	t.Cause = causeItem{k.Cause.EventID, k.Cause.Kind.String(), instant(k.Cause.OccurredAt), position(k.Cause.Input), k.Cause.LateBy}
	t.CommittedAt, t.AfterFinal = instant(k.CommittedAt), k.AfterFinal
	t.ChangedEntries += len(k.Entries)
	if last > head {
		return // nothing had been said about that time
	}
	if t.Change == nil {
		t.Change = &change{}
	}
	for _, s := range k.Changes {
		if s.From <= at && (s.To == event.NoTime || at < s.To) {
			t.Change = &change{s.Balance, s.Held, s.Debt}
		}
	}
}
