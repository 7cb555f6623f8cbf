// Package gen makes up short histories of one partition that lie where the
// rules are hard: ties, equal boundaries, duplicates, conflicts, late and
// early events, operations before and after what they name, transfers in both
// directions, clocks that jump and topics that fall silent.
//
// It owns the [Scenario], a plain list of what happens; its text, which a
// test script, a failing test and a person share ([Parse], [Scenario.String]);
// [Random], which makes one from a seed; [Transfers], which carries what one
// transaction sends to a later one; and [Shrink], which makes a failing one
// small. [Scenario.Run] steps one through a model, and hands each transaction
// to whoever steps the machine under test. Random has a model with it as it
// goes: most operations name what was accepted, or they would all be refused.
//
// Invariants:
//
//   - I1: Parse(s.String()) is s.
//   - I2: the same seed and options give the same Scenario.
//
// Use:
//
//	s := gen.Random(seed, gen.Options{})
//	if fails(s) {
//		t.Fatalf("seed %d:\n%s", seed, gen.Shrink(s, fails))
//	}
package gen
