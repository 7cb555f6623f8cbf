// Package arch holds the import rules of the repository as a test.
//
// It owns which package may import which, and the reason for it: the reason
// stands in the failure. It has no code of its own besides tests, and looks at
// product code only: a test may import what it needs.
//
//   - I1: every package of pkg/ and cmd/ has a rule; a new one needs one first.
//   - I2: what a package imports of ours, and of others, its rule names.
//   - I3: the embedded broker and registry are linked by cmd/highwater alone.
//   - I4: the pure core has no clock, no input or output, and no goroutine.
package arch
