package e2e

import (
	"context"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// flowing is how long the load flows in each test.
const flowing = 30 * time.Second

func TestLoad(t *testing.T) {
	in := install(t, 8)
	in.start("p0")
	in.start("p1")
	query := in.query()
	if err := in.flow(t.Context(), load(), flowing/3); err != nil {
		t.Fatal(err)
	}
	in.verify(query)
}

// One processor after the other is killed, once a second while events flow,
// and started again at once.
func TestLoadWhileProcessorsAreKilled(t *testing.T) {
	in := install(t, 8)
	processes := []*process{in.start("p0"), in.start("p1")}
	query := in.query()
	in.disturbed(flowing, func(ctx context.Context) {
		tick := time.NewTicker(time.Second)
		defer tick.Stop()
		for n := 0; ; n++ {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			p := processes[n%len(processes)]
			p.kill()
			p.start()
		}
	})
	in.verify(query)
	if kills := processes[0].kills + processes[1].kills; kills < 20 {
		t.Errorf("only %d kills", kills)
	}
}

// All processors die at once, and their disks with them.
func TestLoadWhileAllDisksAreLost(t *testing.T) {
	in := install(t, 8)
	processes := []*process{in.start("p0"), in.start("p1")}
	query := in.query()
	in.disturbed(flowing/2, func(ctx context.Context) {
		tick := time.NewTicker(flowing / 6)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			for _, p := range processes {
				p.kill()
			}
			for _, p := range processes {
				if err := os.RemoveAll(filepath.Join(in.dir, p.name)); err != nil {
					t.Error(err)
				}
				p.start()
			}
		}
	})
	in.verify(query)
	if processes[0].kills == 0 {
		t.Error("nothing was killed")
	}
}
