package event

// Policy is how one asset's edges are settled.
type Policy struct {
	// Debt makes what a debit misses owed instead of forgiven.
	Debt bool
	// Forfeit makes a refund of credits that have expired expire at once
	// instead of being restored.
	Forfeit bool
	// MaxSpendAmount and MaxSpendCount bound what is spent in Window
	// microseconds; 0 is no bound.
	MaxSpendAmount Amount
	MaxSpendCount  int64
	Window         int64
}

// OrderPolicy bounds a user's orders; zero values are no bound.
type OrderPolicy struct {
	MaxLiveOrders    int64
	MaxOrderNotional Decimal
}

// Policies are all policies in force.
type Policies struct {
	// Assets by name; an asset not named has Default.
	Assets  map[string]Policy
	Default Policy
	Orders  OrderPolicy
}

// For is the policy of an asset.
func (p *Policies) For(asset string) Policy {
	if own, ok := p.Assets[asset]; ok {
		return own
	}
	return p.Default
}
