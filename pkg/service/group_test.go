package service

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// journal records what happens to components, in order.
type journal struct {
	mu    sync.Mutex
	lines []string
}

func (j *journal) add(line string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.lines = append(j.lines, line)
}

// component is one that obeys; tests change single funcs.
func (j *journal) component(name string) Component {
	return Component{
		Name:  name,
		Start: func(context.Context) error { j.add("start " + name); return nil },
		Run:   func(ctx context.Context) error { <-ctx.Done(); j.add("end " + name); return ctx.Err() },
		Stop:  func(context.Context) error { j.add("stop " + name); return nil },
	}
}

func newTestGroup() *Group {
	return newGroup(discard, newMetrics(prometheus.NewRegistry(), "test"))
}

var errBroken = errors.New("broken")

// failsAt is when a run that fails at once does so.
const failsAt = time.Second

// TestGroup tells, for each way a group can end, what happened in which order
// (I3) and what came out of it (I4).
func TestGroup(t *testing.T) {
	slow := func(ctx context.Context) error { <-ctx.Done(); time.Sleep(time.Hour); return nil }
	for _, c := range []struct {
		name    string
		change  func(a, b, c *Component)
		wantErr []string // parts of the error, in order; none: no error
		want    []string
		wantAt  time.Duration // told to stop after 1 m
	}{
		{
			name:   "told to stop",
			want:   []string{"start a", "start b", "start c", "stop c", "end c", "stop b", "end b", "stop a", "end a"},
			wantAt: time.Minute,
		},
		{
			name:   "nothing to run or to stop",
			change: func(_, b, _ *Component) { *b = Component{Name: "b"} },
			want:   []string{"start a", "start c", "stop c", "end c", "stop a", "end a"},
			wantAt: time.Minute,
		},
		{
			name:    "a start fails",
			change:  func(_, b, _ *Component) { b.Start = func(context.Context) error { return errBroken } },
			wantErr: []string{"start b: broken"},
			want:    []string{"start a", "stop a", "end a"},
		},
		{
			name:    "a start panics",
			change:  func(_, b, _ *Component) { b.Start = func(context.Context) error { panic("I7") } },
			wantErr: []string{"start b: b panicked: I7"},
			want:    []string{"start a", "stop a", "end a"},
		},
		{
			name: "a start is broken off",
			change: func(_, b, _ *Component) {
				b.Start = func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }
			},
			want:   []string{"start a", "stop a", "end a"},
			wantAt: time.Minute,
		},
		{
			name:    "a run fails",
			change:  func(_, b, _ *Component) { b.Run = func(context.Context) error { return errBroken } },
			wantErr: []string{"run b: broken"},
			want:    []string{"start a", "start b", "start c", "stop c", "end c", "stop b", "stop a", "end a"},
			wantAt:  failsAt,
		},
		{
			name:    "a run ends early",
			change:  func(_, b, _ *Component) { b.Run = func(context.Context) error { return nil } },
			wantErr: []string{"run b: it ended without being told to"},
			want:    []string{"start a", "start b", "start c", "stop c", "end c", "stop b", "stop a", "end a"},
			wantAt:  failsAt,
		},
		{
			name:    "a run panics",
			change:  func(_, b, _ *Component) { b.Run = func(context.Context) error { panic("I8") } },
			wantErr: []string{"run b: b panicked: I8"},
			want:    []string{"start a", "start b", "start c", "stop c", "end c", "stop b", "stop a", "end a"},
			wantAt:  failsAt,
		},
		{
			name:    "a run is cancelled by itself",
			change:  func(_, b, _ *Component) { b.Run = func(context.Context) error { return context.Canceled } },
			wantErr: []string{"run b: context canceled"},
			want:    []string{"start a", "start b", "start c", "stop c", "end c", "stop b", "stop a", "end a"},
			wantAt:  failsAt,
		},
		{
			name: "a run fails while another stops",
			change: func(_, b, c *Component) {
				c.Stop = func(context.Context) error { time.Sleep(time.Second); return nil }
				b.Run = func(context.Context) error { time.Sleep(time.Minute - failsAt + time.Millisecond); return errBroken }
			},
			wantErr: []string{"run b: broken"},
			want:    []string{"start a", "start b", "start c", "end c", "stop b", "stop a", "end a"},
			wantAt:  time.Minute + time.Second,
		},
		{
			name: "a run fails at its stop",
			change: func(_, b, _ *Component) {
				b.Run = func(ctx context.Context) error { <-ctx.Done(); return errBroken }
			},
			wantErr: []string{"run b: broken"},
			want:    []string{"start a", "start b", "start c", "stop c", "end c", "stop b", "stop a", "end a"},
			wantAt:  time.Minute,
		},
		{
			name:    "a stop fails",
			change:  func(_, b, _ *Component) { b.Stop = func(context.Context) error { return errBroken } },
			wantErr: []string{"stop b: broken"},
			want:    []string{"start a", "start b", "start c", "stop c", "end c", "end b", "stop a", "end a"},
			wantAt:  time.Minute,
		},
		{
			name:    "a run doesn't end",
			change:  func(_, b, _ *Component) { b.Run, b.StopTimeout = slow, 3*time.Second },
			wantErr: []string{"stop b: it missed its deadline of 3s"},
			want:    []string{"start a", "start b", "start c", "stop c", "end c", "stop b", "stop a", "end a"},
			wantAt:  time.Minute + 3*time.Second,
		},
		{
			name:    "a stop doesn't return",
			change:  func(_, b, _ *Component) { b.Run, b.Stop = nil, slow },
			wantErr: []string{"stop b: it missed its deadline of 10s"},
			want:    []string{"start a", "start b", "start c", "stop c", "end c", "stop a", "end a"},
			wantAt:  time.Minute + defaultStopTimeout,
		},
		{
			name: "two fail",
			change: func(a, b, _ *Component) {
				a.Run = func(ctx context.Context) error { <-ctx.Done(); return errors.New("also broken") }
				b.Run = func(context.Context) error { return errBroken }
			},
			wantErr: []string{"run b: broken", "run a: also broken"},
			want:    []string{"start a", "start b", "start c", "stop c", "end c", "stop b", "stop a"},
			wantAt:  failsAt,
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				var j journal
				components := []Component{j.component("a"), j.component("b"), j.component("c")}
				if c.change != nil {
					c.change(&components[0], &components[1], &components[2])
				}
				group := newTestGroup()
				for _, component := range components {
					if inner := component.Run; inner != nil {
						component.Run = func(ctx context.Context) error {
							select { // until all of them are started
							case <-time.After(failsAt):
							case <-ctx.Done():
							}
							return inner(ctx)
						}
					}
					group.Add(component)
				}
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				time.AfterFunc(time.Minute, cancel)
				begin := time.Now()
				err := group.Run(ctx)
				if took := time.Since(begin); took != c.wantAt {
					t.Errorf("ended after %s, want %s", took, c.wantAt)
				}
				checkParts(t, err, c.wantErr)
				if got := j.snapshot(); !slices.Equal(got, c.want) {
					t.Errorf("got  %v\nwant %v", got, c.want)
				}
				time.Sleep(2 * time.Hour) // virtual: lets what was left behind end
			})
		})
	}
}

func (j *journal) snapshot() []string {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Clone(j.lines)
}

func checkParts(t *testing.T, err error, want []string) {
	t.Helper()
	if (err == nil) != (len(want) == 0) {
		t.Errorf("error %v, want %v", err, want)
		return
	}
	if err != nil && err.Error() != strings.Join(want, "\n") {
		t.Errorf("error %q, want %q", err, want)
	}
}

func TestGroupReady(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		group := newTestGroup()
		group.Add(Component{Name: "slow", Start: func(context.Context) error { time.Sleep(time.Second); return nil }})
		group.Add(Component{Name: "sticky", Stop: func(context.Context) error { time.Sleep(time.Second); return nil }})
		want := func(text string) {
			t.Helper()
			synctest.Wait()
			got := ""
			if err := group.Ready(); err != nil {
				got = err.Error()
			}
			if got != text {
				t.Errorf("ready: %q, want %q", got, text)
			}
		}
		want("not started")
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- group.Run(ctx) }()
		want("starting slow")
		time.Sleep(time.Second)
		want("")
		cancel()
		want("stopping")
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}
