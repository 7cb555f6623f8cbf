// Package gen makes up short histories of one partition that lie where the
// rules are hard: ties, equal boundaries, duplicates, conflicts, late and
// early events, clocks that jump and topics that fall silent.
//
// It owns the [Scenario], a plain list of what happens; its text, which a
// test script, a failing test and a person share ([Parse], [Scenario.String]);
// [Random], which makes one from a seed; and [Shrink], which makes a failing
// one small. It never runs anything: that is the caller's, who steps a
// Scenario through the model and the machine under test.
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
