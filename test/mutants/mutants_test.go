//go:build mutants

package mutants_test

import (
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var histories = flag.Int("histories", 20_000, "how many random histories each mutant is given")

// mutant is a rule of the contract broken in one place.
type mutant struct {
	rule, breaks string
	file         string
	old, broken  string
}

const (
	account     = "pkg/ledger/account.go"
	hold        = "pkg/ledger/hold.go"
	refund      = "pkg/ledger/refund.go"
	conditional = "pkg/engine/conditional.go"
	waiting     = "pkg/engine/waiting.go"
	risk        = "pkg/engine/risk.go"
	credits     = "pkg/engine/credits.go"
	receive     = "pkg/engine/receive.go"
	late        = "pkg/engine/late.go"
	agenda      = "pkg/engine/agenda.go"
	load        = "pkg/engine/load.go"
	user        = "pkg/engine/user.go"
	chapter     = "pkg/engine/chapter.go"
	past        = "pkg/engine/past.go"
	volume      = "pkg/engine/volume.go"
	shift       = "pkg/ledger/shift.go"
	digest      = "pkg/ledger/digest.go"
)

var mutants = []mutant{
	{"I14", "a state stands in the row of who isn't settled", user,
		"a.due == nil && a.open == len(a.line.Ops) &&", "a.due == nil &&"},
	{"I14", "a state stands in the row of who had something due", user,
		"a.due == nil && a.open == len(a.line.Ops) &&", "a.open == len(a.line.Ops) &&"},
	{"I14", "a state's row doesn't say how far the last checkpoint is", credits,
		"e.packed, a.line.Since())", "e.packed, 0)"},
	{"5", "a decision is taken back by a replay that finds too little", refund,
		"r.Outcome = event.Accepted\n\tif op.Kind == event.Transfer", "r.Outcome = event.Accepted\n\tif a.available < int64(op.Amount) {\n\t\tr.Outcome = event.Rejected\n\t\treturn\n\t}\n\tif op.Kind == event.Transfer"},
	{"5", "what is left is counted only over what stands before", conditional,
		"left := max(taken-use.refunded, 0)", "left := max(taken, 0)"},
	{"5", "another asset's spend may be refunded", conditional,
		"case !p.found || !p.hasAsset(a):", "case !p.found:"},
	{"5.1", "one credit more than there is may be spent", conditional,
		"a.line.Head.Available() < int64(op.Amount)", "a.line.Head.Available()+1 < int64(op.Amount)"},
	{"5.1", "a late debit may take what later events used", conditional,
		"short = s.After != nil && s.After.Shortfall > before", "short = s.Edited && s.After.Shortfall > before"},
	{"5.1", "a late debit needn't be covered itself", conditional,
		"short = s.After != nil && s.After.Shortfall > before", "short = !s.Edited && s.After != nil && s.After.Shortfall > before"},
	{"5.1", "a late debit may deepen a debt", conditional,
		"deeper = w.New.Owed() > w.Old.Owed()", "deeper = false"},
	{"5.1", "times to come don't count for debts", conditional,
		"done := w.New.Owed() == 0 && !s.Place.Before(last)", "done := !s.Place.Before(last)"},
	{"5.2", "a shortfall isn't undone first", refund,
		"for n := len(d.Shorts) - 1; n >= 0 && rest > 0; n-- {", "for n := len(d.Shorts) - 1; n >= 0 && rest > total(d.Consumed)+total(d.Repaid); n-- {"},
	{"5.2", "the oldest short capture is undone first", refund,
		"amount := min(d.Shorts[n].Amount, rest)", "n := 0\n\t\tamount := min(d.Shorts[n].Amount, rest)"},
	{"5.2", "first drawn goes back first", refund,
		"d.Consumed, more = cutLast(d.Consumed, rest-total(off))", "more, d.Consumed = cutFirst(d.Consumed, rest-total(off))"},
	{"5.2", "a grant that expires at the refund's time takes credits back", refund,
		"g.ExpiresAt != event.NoTime && g.ExpiresAt <= giving.at {\n\t\t\tg = giving", "g.ExpiresAt != event.NoTime && g.ExpiresAt < giving.at {\n\t\t\tg = giving"},
	{"5.2", "revoked grants take credits back", refund,
		"_, gone := slices.BinarySearch(a.revoked, g.ID)\n\t\tif !gone && !giving", "gone := false\n\t\tif !gone && !giving"},
	{"5.2", "a restored grant lives as long as the old one did in all", refund,
		"uint64(g.ExpiresAt-v.drawnAt)", "uint64(g.ExpiresAt-g.EffectiveAt)"},
	{"5.2", "forfeited credits are restored", refund,
		"!gone && !giving.forfeit &&", "!gone &&"},
	{"5.2", "a restored grant loses its priority", refund,
		"ExpiresAt: event.Time(end), Priority: g.Priority,", "ExpiresAt: event.Time(end),"},
	{"12.2", "a restored grant that was revoked before is born usable", refund,
		"restored++\n\t\t\t_, gone = slices.BinarySearch(a.revoked, g.ID)", "restored++"},
	{"12.3", "several draws of one grant are restored apart", refund,
		"parts = addUp(parts)", ""},
	{"5.3", "captures take last drawn first", hold,
		"consumed, stay := cutFirst(h.Pieces, op.Amount)", "stay, consumed := cutLast(h.Pieces, min(op.Amount, total(h.Pieces)))"},
	{"5.3", "a release takes what later captures need", hold,
		"back := max(total(h.Pieces)-later, 0)", "back := total(h.Pieces) + 0*later"},
	{"5.3", "a release doesn't resolve the hold", conditional,
		"if use.released {", "if false {"},
	{"5.3", "a capture at expires_at is accepted", conditional,
		"op.Time >= hold.op.ExpiresAt():", "op.Time > hold.op.ExpiresAt():"},
	{"5.3", "what a capture misses isn't owed", hold,
		"a.owe(op, r.Shortfall)\n\t\ta.repayFromUsable(r)", "a.repayFromUsable(r)"},
	{"4.3", "a capture's debt waits although credits are available", hold,
		"a.owe(op, r.Shortfall)\n\t\ta.repayFromUsable(r)", "a.owe(op, r.Shortfall)"},
	{"5.3", "time-outs restore under the policy of assets that restore", hold,
		"id: event.HoldExpired.String() + \"/\" + h.ID, forfeit: h.Forfeit}", "id: event.HoldExpired.String() + \"/\" + h.ID}"},
	{"3", "expiries happen before time-outs", account,
		"if i := a.nextTimeOut(); i >= 0 {\n\t\ta.timeOut(i, r)", "if i := a.nextTimeOut(); i >= 0 && a.nextExpiry() < 0 {\n\t\ta.timeOut(i, r)"},
	{"5.4", "received grants lose their expiry", refund,
		"EffectiveAt: op.Time, ExpiresAt: in.ExpiresAt, Priority: in.Priority}}, r)", "EffectiveAt: op.Time, ExpiresAt: event.NoTime, Priority: in.Priority}}, r)"},
	{"5.4", "a transfer sends what it asked for in one piece", conditional,
		"for i := range taken {\n", "for i := range taken[:min(1, len(taken))] {\n"},
	{"5.4", "a received grant isn't known to revokes", receive,
		"edits = e.wakeRevokes(u, a, id, edits)", ""},
	{"5.5", "what arrives at the watermark waits", waiting,
		"if op.Time <= e.marks.At {", "if op.Time < e.marks.At {"},
	{"5.5", "those that waited are decided in the order of their ids", waiting,
		"func(c, d child) int { return c.place.Compare(d.place) }", "func(c, d child) int { return strings.Compare(c.place.ID, d.place.ID) }"},
	{"5.5", "an operation before the one it names is accepted", conditional,
		"case !p.op.Place().Before(op.Place()):", "case false:"},
	{"5.5", "a second entry is revision 0", "pkg/engine/say.go",
		"if op.Marks.Has(event.WaitedMark) {", "if false {"},
	{"5.6", "a correction that raises a shortfall makes no alert", late,
		"c.After != nil && c.After.Shortfall > 0 &&", "c.After != nil && c.After.Shortfall < 0 &&"},
	{"5.7", "the window holds its beginning", risk,
		"event.EndOf(from))", "event.Place{Time: from})"},
	{"5.7", "usage doesn't count", risk,
		"if op.Kind.IsDebit() && op.Outcome", "if op.Kind.IsDebit() && op.Kind != event.Subtract && op.Outcome"},
	{"5.7", "rejected operations count", risk,
		"if op.Kind.IsDebit() && op.Outcome != event.Rejected {", "if op.Kind.IsDebit() {"},
	{"5.7", "a subtract that hits a rule makes no alert", credits,
		"if addTotal(&a.debited, op) {\n\t\t\te.breaksRule(a, op)", "if addTotal(&a.debited, op) {"},
	{"5.7", "as many live orders as the limit and one more", risk,
		"live > p.MaxLiveOrders", "live > p.MaxLiveOrders+1"},
	{"5.7", "a notional at the limit is refused", risk,
		"notional.Cmp(p.MaxOrderNotional) > 0", "notional.Cmp(p.MaxOrderNotional) >= 0"},
	{"12.6", "an id that is live is judged by the rules", "pkg/engine/commands.go",
		"!e.tracked(b, op.Ref()).state.Live() && e.breaksOrderRule(b, &op)", "e.breaksOrderRule(b, &op)"},
	{"5.8", "hold_expired comes before hold_resolved", conditional,
		"case left == 0:\n\t\treject(op, event.HoldResolved)", "case left == 0 && (hold.op.ExpiresAt() == event.NoTime || op.Time < hold.op.ExpiresAt()):\n\t\treject(op, event.HoldResolved)"},
	{"5.8", "exceeds_refundable where something was refunded and nothing is left", conditional,
		"case left == 0 && use.refunded > 0:", "case left == 0 && use.refunded > 0 && op.Amount == event.NoAmount:"},
	{"5.8", "insufficient_funds comes before risk_limited", conditional,
		"case e.breaksRule(a, op):", "case e.breaksRule(a, op) && a.line.Head.Available() >= int64(op.Amount):"},
	{"5.8", "before_reference comes before not_a_spend", conditional,
		"case !isHold && (op.Kind", "case p.op.Place().Before(op.Place()) && !isHold && (op.Kind"},
	{"1", "rejected operations count in the totals", conditional,
		"total := a.debited\n", "total := a.debited\n\tdefer func() { a.debited = total }()\n"},
}

// What may be jumped, and what becomes of it: the histories in tiny chapters
// must catch these.
var chapterMutants = []mutant{
	{"I8", "a grant may run out in the other replay", digest,
		"least == 0 || least+g.By <= 0", "least == 0"},
	{"I8", "a grant may run out in this replay", digest,
		"least == 0 || least+g.By <= 0", "least+g.By <= 0"},
	{"I8", "a grant that only one replay has may be touched", digest,
		"case touched && !g.Both:\n\t\t\treturn false", "case touched && !g.Both:"},
	{"I8", "draws may go past a grant that only one replay has", digest,
		"case !g.Both && d.drawn && drawnBefore(d.last, g.Grant) >= 0:", "case false:"},
	{"I8", "a shifted grant may expire", digest,
		"g.ExpiresAt != event.NoTime && g.ExpiresAt <= until", "g.ExpiresAt != event.NoTime && g.ExpiresAt < until"},
	{"I8", "something may run short", digest,
		"d.fixed = d.fixed || scratch.Shortfall > 0", ""},
	{"I8", "a shifted grant may be revoked", digest,
		"d.touch(touch{id: op.Ref()})", ""},
	{"I8", "a grant as old as the chapter isn't noted", digest,
		"if t.since > d.since {", "if t.since >= d.since {"},
	{"I8", "only the last of several draws counts", digest,
		"d.touched[i].least = min(d.touched[i].least, t.least)", "d.touched[i].least = t.least"},
	{"I8", "a digest stays as it was after a shift", digest,
		"d.touched[at].least += event.Amount(s[i].By)", "d.touched[at].least += 0"},
	{"I8", "a digest forgets the part of its chapter that was walked", digest,
		"for _, t := range o.touched {", "for _, t := range o.touched[:0] {"},
	{"I8", "holds may differ", shift,
		"!slices.EqualFunc(a.holds, b.holds, Hold.equal) || ", ""},
	{"I8", "what refunds give back may differ", shift,
		"a.holds, b.holds, Hold.equal) || !slices.EqualFunc(a.draws, b.draws, Draws.equal)", "a.holds, b.holds, Hold.equal)"},
	{"I8", "future grants may differ", shift,
		"!slices.EqualFunc(a.future, b.future, Grant.Equal) || ", ""},
	{"I8", "revoked grants may differ", shift,
		"|| !slices.Equal(a.revoked, b.revoked) ||", "||"},
	{"I8", "something may be owed", shift,
		"len(a.debts) > 0 || len(b.debts) > 0 || a.held", "a.held"},
	{"I12", "a reader leaves the shift out", load,
		"state.Shift(c.shift)", ""},
	{"I12", "shifts take each other's place", chapter,
		"c.shift = c.shift.Plus(shift)", "c.shift = shift"},
	{"I12", "a walk doesn't push the shift down", past,
		"e.pushDown(number, c)", ""},
	{"I12", "a walk doesn't see what another one left in memory", past,
		"p.e.flushPast(p.a)\n", ""},
	{"I12", "a chapter grows under its shift", chapter,
		"\te.pushDown(a.number, c)\n\treturn true", "\treturn true"},
	{"I12", "it isn't known that there are chapters that a walk made", past,
		"a.last == nil || a.last.end.Before(c.end)", "false"},
	{"I12", "memory begins in a chapter", load,
		"place, state = last.end, e.storedAt(a.number, last.end)", ""},
	{"I13", "a chapter with an edit is jumped", past,
		"len(left) > 0 && c.has(left[0].Place)", "len(left) > 0 && false"},
	{"I13", "behind a jump the replays are one", past,
		"w.New.Shift(p.shift)", ""},
}

// The same one level up: the shifts that lie on volumes, and what their digests
// must say.
var volumeMutants = []mutant{
	{"I12", "a reader leaves the shifts of volumes out", load,
		"[...]byte{keyChapter, keyVolume}", "[...]byte{keyChapter}"},
	{"I12", "a late event finds its chapter without the shift of the volume", past,
		"p.binder.open(c.begin)\n", "\n"},
	{"I12", "a try finds its chapter without the shift of the volume", past,
		"} else {\n\t\t\tc.lay(v.shift)", "} else {"},
	{"I12", "a try goes on through chapters without the shift of their volume", past,
		"if l.kind == keyChapter && v.holds(c.begin) {", "if false {"},
	{"I12", "what a try read with shifts in it stays in memory", past,
		"s.lent = len(shift) > 0 || v.holds(c.begin) && len(v.shift) > 0", "s.lent = v.kind == 1"},
	{"I12", "a walk goes into a volume under its shift", past,
		"p.binder.open(at)", ""},
	{"I12", "chapters are as they were before their volume was opened", past,
		"if p.chapters.rows = nil; p.keep {", "if p.keep {"},
	{"I12", "a volume grows under its shift", volume,
		"\t\tb.open(c.begin)\n\t\tv.take(c)", "\t\tv.take(c)"},
	{"I12", "a volume is joined to one under its shift", volume,
		"\tb.open(v.begin)\n\tnext :=", "\tnext :="},
	{"I12", "a volume is joined under its shift", volume,
		"\tnext.open(v.begin)\n", ""},
	{"I12", "a volume that was joined stays", volume,
		"b.e.rows.Delete(appendPlaced(nil, keyVolume, b.number, v.begin))", ""},
	{"I12", "a volume's shift gets lost as it is opened", volume,
		"b.e.layOn(b.number, &c, shift)", ""},
	{"I12", "a chapter's shift has any number of grants", volume,
		"\t\te.pushDown(number, c)\n", ""},
	{"I12", "the last chapter comes into a volume as it is jumped", past,
		"c.kind == keyChapter && c.end != p.a.last.end", "c.kind == keyChapter"},
	{"I12", "the last chapter comes into a volume as it is walked", past,
		"if c.end != a.last.end {", "if true {"},
	{"I12", "a walk doesn't write the volume in which it ends", past,
		"\tp.binder.flush()\n\tif !over", "\tif !over"},
	{"I13", "a volume's digest doesn't tell what changed in a chapter", volume,
		"\t\tv.digest.Join(&c.digest)\n", ""},
	{"I13", "a chapter that is jumped isn't told to its volume", past,
		"\t\t\tp.binder.put(c)\n", ""},
	{"I13", "a volume's digest is that of its beginning", volume,
		"b.passed.begin == v.begin && b.passed.end == v.end", "b.passed.begin == v.begin"},
	{"I13", "a volume's digest is that of its first chapter", volume,
		"c.digest.Join(&next.digest)", ""},
}

// TestTexts is I1, told at once for all.
func TestTexts(t *testing.T) {
	for _, m := range slices.Concat(mutants, chapterMutants, volumeMutants) {
		text, err := os.ReadFile(filepath.Join("../..", m.file))
		if err != nil {
			t.Fatal(err)
		}
		if n := strings.Count(string(text), m.old); n != 1 {
			t.Errorf("%s: the text is found %d times in %s:\n%s", m.breaks, n, m.file, m.old)
		}
	}
}

// Each mutant is caught.
func TestMutantsAreCaught(t *testing.T) {
	areCaught(t, mutants, "^(TestEngineAgreesWithOracle|TestStories.*)$", *histories)
}

func TestMutantsOfChaptersAreCaught(t *testing.T) {
	// They are long: of so many the test takes a few hundred.
	areCaught(t, chapterMutants, "^TestTinyChaptersAgreeWithOracle$", 4**histories)
}

func TestMutantsOfVolumesAreCaught(t *testing.T) {
	areCaught(t, volumeMutants, "^TestTinyChaptersAgreeWithOracle$", 4**histories)
}

// areCaught breaks each rule and expects the tests to fail.
func areCaught(t *testing.T, mutants []mutant, tests string, histories int) {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	if out, err := run(root, tests, histories, "", ""); err != nil {
		t.Fatalf("I2: without a mutant the run fails: %v\n%s", err, out)
	}
	for _, m := range mutants {
		t.Run(m.rule+" "+m.breaks, func(t *testing.T) {
			path := filepath.Join(root, m.file)
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			broken := filepath.Join(t.TempDir(), filepath.Base(m.file))
			if err := os.WriteFile(broken, []byte(strings.Replace(string(text), m.old, m.broken, 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			out, err := run(root, tests, histories, path, broken)
			switch {
			case err == nil:
				t.Errorf("%d random histories don't notice that %s", histories, m.breaks)
			case strings.Contains(out, "[build failed]"):
				t.Errorf("the mutant doesn't compile:\n%s", out)
			case strings.Contains(out, "test timed out") || strings.Contains(out, "signal: "):
				t.Errorf("the run was ended, which proves nothing:\n%s", out)
			default:
				t.Logf("caught: %s", firstDifference(out))
			}
		})
	}
}

// run runs tests of the engine with one file replaced.
func run(root, tests string, histories int, path, by string) (string, error) {
	args := []string{"test", "./pkg/engine", "-run", tests, "-engine.histories=" + strconv.Itoa(histories)}
	if path != "" {
		overlay, err := json.Marshal(map[string]map[string]string{"Replace": {path: by}})
		if err != nil {
			return "", err
		}
		list := by + ".json"
		if err := os.WriteFile(list, overlay, 0o600); err != nil {
			return "", err
		}
		args = append(args, "-overlay="+list)
	}
	cmd := exec.Command("go", args...)
	cmd.Dir = root
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// firstDifference is the line that says what was wanted or what broke.
func firstDifference(out string) string {
	for line := range strings.Lines(out) {
		if strings.Contains(line, "want") || strings.Contains(line, "panic") || strings.Contains(line, "at tx") {
			return strings.TrimSpace(line)
		}
	}
	return "the run failed"
}
