package bench

import (
	"cmp"
	"slices"
	"sync"
	"time"
)

// sampleEvery is how often processes are looked at. Between two samples their
// CPU time is taken to grow evenly.
const sampleEvery = 50 * time.Millisecond

// watch keeps the CPU time of processes, over time.
type watch struct {
	pids map[string]int
	stop func()

	mu sync.Mutex
	// samples, guarded by mu, are in the order of their times.
	samples []sample
}

type sample struct {
	at   time.Time
	used map[string]time.Duration
}

// watchProcesses begins to watch, until end is called.
func watchProcesses(pids map[string]int) *watch {
	w := &watch{pids: pids}
	ended := make(chan struct{})
	var watching sync.WaitGroup
	w.stop = sync.OnceFunc(func() { close(ended); watching.Wait(); w.take() })
	w.take()
	watching.Go(func() {
		tick := time.NewTicker(sampleEvery)
		defer tick.Stop()
		for {
			select {
			case <-ended:
				return
			case <-tick.C:
				w.take()
			}
		}
	})
	return w
}

func (w *watch) take() {
	s := sample{at: time.Now(), used: make(map[string]time.Duration, len(w.pids))}
	for name, pid := range w.pids {
		if used, ok := cpuOf(pid); ok {
			s.used[name] = used
		}
	}
	w.mu.Lock()
	w.samples = append(w.samples, s)
	w.mu.Unlock()
}

// between is what each process used over a stretch, for a number of events; it
// lists those alone that were there all the time.
func (w *watch) between(from, to time.Time, events int64) []CPU {
	w.stop()
	all := []CPU{}
	for name := range w.pids {
		began, ok := w.at(name, from)
		ended, ok2 := w.at(name, to)
		if ok && ok2 {
			used := (ended - began).Seconds()
			all = append(all, CPU{Process: name, Seconds: used, SecondsPerMillion: over(used, float64(events)) * 1e6})
		}
	}
	slices.SortFunc(all, func(a, b CPU) int { return cmp.Compare(a.Process, b.Process) })
	return all
}

// at is what a process had used at a time.
func (w *watch) at(name string, t time.Time) (time.Duration, bool) {
	i, _ := slices.BinarySearchFunc(w.samples, t, func(s sample, t time.Time) int { return s.at.Compare(t) })
	i = min(max(i, 1), len(w.samples)-1)
	before, after := w.samples[i-1], w.samples[i]
	x, ok := before.used[name]
	y, ok2 := after.used[name]
	if !ok || !ok2 {
		return 0, false
	}
	share := over(float64(t.Sub(before.at)), float64(after.at.Sub(before.at)))
	return x + time.Duration(min(max(share, 0), 1)*float64(y-x)), true
}
