package engine_test

import (
	"fmt"
	"testing"

	"highwater/pkg/engine"
	"highwater/pkg/event"
)

// Producers choose the names of assets, as many as they like.
func TestAssetNamesAreBounded(t *testing.T) {
	e, err := engine.New(engine.Config{}, newMemory(), &published{})
	if err != nil {
		t.Fatal(err)
	}
	const names = 5000
	e.Begin(1)
	for i := range names {
		ev := event.Event{
			ID: fmt.Sprintf("e%d", i), User: "alice", TimeGiven: true, Asset: fmt.Sprintf("a%d", i), Kind: event.Subtract,
			Amount: 1, EffectiveAt: event.NoTime, ExpiresAt: event.NoTime,
		}
		e.Process(&engine.Record{Event: &ev, Input: event.Position{Topic: event.Subtracts, Offset: int64(i)}})
	}
	if err := e.Commit(); err != nil {
		t.Fatal(err)
	}
	if n := e.AssetNames(); n >= names || n == 0 {
		t.Errorf("%d names are kept", n)
	}
}
