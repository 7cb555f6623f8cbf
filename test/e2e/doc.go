// Package e2e tests Highwater as its users run it: the real binaries, as
// processes of their own, on a real Kafka broker (see test/broker).
//
// It owns the ways in which an installation is mistreated while a load of real
// events flows: processors killed, disks lost, input that can't be read. What
// must hold afterwards is told by package verify, and not here.
//
// Conditional operations are held against what their clients saw, too: the
// answers must be what was published, must stay, and must be explained by one
// order of all calls (account_test.go says which, and why); and every credit
// must be somewhere. E2E_SPENDING says for how long clients are disturbed,
// E2E_SEED repeats what they ask for.
//
// Logs of the processes are files in the test's directory; their ends are
// shown where a test fails.
package e2e
