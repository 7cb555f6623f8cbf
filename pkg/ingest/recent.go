package ingest

import (
	"hash/maphash"
	"sync"
	"sync/atomic"
)

// Bounds of what is remembered; both are caches, and forget.
const (
	recentIDs     = 1 << 16
	recentTargets = 1 << 12
)

// recent remembers ids that were recorded here, by their hashes: one that
// comes again is probably a retry, and is asked about at once.
type recent struct {
	seed  maphash.Seed
	slots [recentIDs]atomic.Uint64
}

func newRecent() *recent { return &recent{seed: maphash.MakeSeed()} }

// swap notes a user's event and reports whether it was noted before.
func (m *recent) swap(user, id string) bool {
	sum := maphash.Comparable(m.seed, [2]string{user, id})
	return m.slots[sum%recentIDs].Swap(sum) == sum
}

// target is a command on an order whose user its sender didn't name.
type target struct{ order, event string }

// targets remembers whose orders commands were meant for: sent again, a
// cancel finds its order no longer live.
type targets struct {
	mu sync.Mutex
	// users, guarded by mu, has at most recentTargets targets; oldest is where
	// in order the next one takes another's place.
	users  map[target]string
	order  []target
	oldest int
}

func newTargets() *targets { return &targets{users: make(map[target]string)} }

func (m *targets) user(t target) (string, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	user, ok := m.users[t]
	return user, ok
}

func (m *targets) add(t target, user string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if _, ok := m.users[t]; ok {
		return
	}
	if len(m.order) < recentTargets {
		m.order = append(m.order, t)
	} else {
		delete(m.users, m.order[m.oldest])
		m.order[m.oldest] = t
		m.oldest = (m.oldest + 1) % recentTargets
	}
	m.users[t] = user
}
