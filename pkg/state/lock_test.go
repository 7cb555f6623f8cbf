package state_test

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"

	"highwater/pkg/state"
)

const holdVariable = "HIGHWATER_TEST_HOLD_STATE"

// TestHoldState is the other process of [TestOpenTwice].
func TestHoldState(t *testing.T) {
	dir := os.Getenv(holdVariable)
	if dir == "" {
		return
	}
	store, err := state.Open(state.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	fmt.Println("open")
	_, _ = bufio.NewReader(os.Stdin).ReadString('\n')
	if err := store.Close(); err != nil {
		t.Fatal(err)
	}
}

func TestOpenTwice(t *testing.T) {
	dir := t.TempDir()
	other := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestHoldState$")
	other.Env = append(os.Environ(), holdVariable+"="+dir)
	in, err := other.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := other.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := other.Start(); err != nil {
		t.Fatal(err)
	}
	if line, _ := bufio.NewReader(out).ReadString('\n'); line != "open\n" {
		t.Fatalf("the other process says %q", line)
	}
	if _, err := state.Open(state.Options{Dir: dir}); err == nil || !strings.Contains(err.Error(), "give each a data.dir of its own") {
		t.Errorf("got %v", err)
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := other.Wait(); err != nil {
		t.Fatal(err)
	}
}
