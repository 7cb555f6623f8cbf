package engine

import "highwater/pkg/event"

// SetPolicies changes the policies in force without a takeover.
func (e *Engine) SetPolicies(p event.Policies) { e.cfg.Policies = p }

// ForgetAccounts drops everything from memory that rows can bring back, as a
// new owner would find it, but for what is known of the topics' news.
func (e *Engine) ForgetAccounts() {
	marks := e.marks
	fresh, err := New(e.cfg, e.rows, e.sink)
	if err != nil {
		panic(err)
	}
	*e = *fresh
	e.marks, e.begun = marks, true
}

// AssetNames is how many names of assets accounts share.
func (e *Engine) AssetNames() int { return len(e.assets) }

// Cached is how many bytes the engine thinks it keeps in memory of users.
func (e *Engine) Cached() int { return e.cached }

// Small is a configuration in which little belongs together: events between
// checkpoints, in a chapter, and of an account in memory.
func (c Config) Small(stride, chapter, keep int) Config {
	c.sizes = sizes{stride, chapter, keep}
	return c
}

// Jumps is how many chapters were jumped.
func (e *Engine) Jumps() int { return e.late.jumps }
