// Package mutants shows that the tests of the core can fail: each mutant is
// one rule of the contract broken by hand in one place, and the comparison of
// engine and oracle over random histories, or a story, must catch every one.
//
// It owns the list. It changes no file: a mutant is compiled through the go
// command's overlay.
//
// Invariants:
//
//   - I1: every mutant's text is found in its file exactly once, so that a
//     change of the code can't make a mutant mean nothing.
//   - I2: without a mutant, the same run passes.
//
// Use:
//
//	make mutants
package mutants
