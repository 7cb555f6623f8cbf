// Package dev runs everything in one process, for trying and for learning: an
// embedded broker and schema registry, the topics, the three services as they
// are, and on request a sample of real events, many of which come late.
//
// It owns the embedded broker and registry, the sample's pace, and what is
// shown on the terminal. It never changes what a service does, and it is no
// place to keep anything: the broker is an imitation, a crash can tear its
// transactions, and nobody has to log in. Only cmd/highwater may link it.
//
//   - I1: every address is a loopback address.
//   - I2: a port that is taken is told before anything is started, with the
//     setting that moves it.
//   - I3: without a folder to keep things in, nothing is left behind.
//   - I4: what is told of corrections is bounded by [tellEvery], however many
//     there are; all are counted.
//
// Use:
//
//	err := dev.Run(ctx, process, &settings)
package dev
