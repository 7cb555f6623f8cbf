package bench

import (
	"context"
	"errors"
	"fmt"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// profiles are what is being taken of processors: where CPU time goes, and what
// memory holds at the end of that.
type profiles struct {
	taking sync.WaitGroup
	// began is when the first events behind the opening were seen.
	began time.Time
	from  int64
	taken bool

	mu       sync.Mutex
	failures []error
}

// profile takes one of each processor once the pace of the catch-up shows how
// long that will take. One that goes on behind its end sees nothing more.
func (i *installation) profile(ctx context.Context, events int64) {
	p := &i.profiles
	switch {
	case i.Profiles == "" || i.isLive() || p.taken || events <= int64(i.opened()):
	case p.began.IsZero():
		p.began, p.from = time.Now(), events
	default:
		p.taken = true
		pace := float64(events-p.from) / time.Since(p.began).Seconds()
		left := time.Duration(float64(int64(i.total())-events) / pace * float64(time.Second))
		for _, process := range i.processes {
			p.take(ctx, i, process, process.name, left)
		}
	}
}

// take asks a processor for its profiles of the next while, in the background.
func (p *profiles) take(ctx context.Context, i *installation, of *process, name string, over time.Duration) {
	if i.Profiles == "" {
		return
	}
	p.taking.Go(func() {
		cpu := fmt.Sprintf("profile?seconds=%d", max(1, int(math.Ceil(over.Seconds()))))
		err := fetchProfile(ctx, of.address, cpu, filepath.Join(i.Profiles, name+".pprof"))
		err = errors.Join(err, fetchProfile(ctx, of.address, "heap", filepath.Join(i.Profiles, name+".heap.pprof")))
		if err != nil {
			p.mu.Lock()
			p.failures = append(p.failures, fmt.Errorf("profile of %s: %w", of.name, err))
			p.mu.Unlock()
		}
	})
}

// wait returns once all are there that were to be taken of the catch-up.
func (i *installation) awaitProfiles() error {
	if i.Profiles != "" && !i.isLive() && !i.profiles.taken {
		return errors.New("it was over before a profile could be taken: take more events")
	}
	return i.profiles.wait()
}

// wait returns once all are there.
func (p *profiles) wait() error {
	p.taking.Wait()
	p.mu.Lock()
	defer p.mu.Unlock()
	return errors.Join(p.failures...)
}

func fetchProfile(ctx context.Context, address, which, path string) error {
	text, err := fetch(ctx, http.DefaultClient, fmt.Sprintf("http://%s/debug/pprof/%s", address, which))
	if err != nil {
		return err
	}
	return os.WriteFile(path, text, 0o600)
}
