package engine

import "highwater/pkg/event"

// SetPolicies changes the policies in force without a takeover.
func (e *Engine) SetPolicies(p event.Policies) { e.cfg.Policies = p }
