package ledger

import (
	"fmt"
	"slices"
	"testing"

	"highwater/pkg/event"
)

func applyRevoke(a *Account, id string) {
	op := event.Placed{Kind: event.Revoke, ID: "r-" + id, Marks: event.KnownMark}.With(event.Details{Ref: id})
	a.Apply(&op, &event.Result{})
}

// I6: copies share the revoked ids until one of them adds to them.
func TestRevokedIDsOfCopies(t *testing.T) {
	var original, copied, third Account
	for i := range 10 {
		applyRevoke(&original, fmt.Sprintf("g%d", 2*i))
	}
	want := slices.Clone(original.revoked)
	copied.CopyFrom(&original)
	third.CopyFrom(&copied)
	applyRevoke(&copied, "g1")
	if !slices.Equal(original.revoked, want) || !slices.Equal(third.revoked, want) {
		t.Fatalf("a copy's revoke shows in %v and %v", original.revoked, third.revoked)
	}
	ofCopy := slices.Clone(copied.revoked)
	applyRevoke(&original, "g3")
	applyRevoke(&third, "g5")
	if !slices.Equal(copied.revoked, ofCopy) {
		t.Fatalf("another's revoke shows in %v", copied.revoked)
	}
	if original.Equal(&third) || len(original.revoked) != 11 || len(third.revoked) != 11 {
		t.Fatalf("%v and %v", original.revoked, third.revoked)
	}
}

// A replay of many revokes doesn't copy all of them at each.
func TestRevokesGrowInPlace(t *testing.T) {
	const n = 1000
	copies := 0
	var a Account
	for i := range n {
		before := cap(a.look().revoked)
		applyRevoke(&a, fmt.Sprintf("g%06d", i))
		if cap(a.look().revoked) != before {
			copies++
		}
	}
	if copies > 30 {
		t.Errorf("%d revokes copied the others %d times", n, copies)
	}
}
