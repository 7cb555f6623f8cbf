// Package plain writes events and published records for people: one line
// each, the most telling things first.
//
// It owns the wording of those lines, of amounts, of times and of how late
// something is. It never cuts a value that a person would copy, such as an id,
// and never writes a control character, so that no id can move a terminal's
// cursor. Lines are for eyes: programs read the JSON forms of codec.
//
//   - I1: a line has no line break and no control character.
//   - I2: a number reads back as it was: digits in threes, nothing rounded.
//
// Use:
//
//	line := plain.Correction(&c)
//	// user-042: subtract call-01207, 1m14s late, changed 3 entries; balance from 00:48:12 on: -4,818
package plain
