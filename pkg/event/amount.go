package event

// Amount is a number of minor units of credit. In an event it is 1 to
// [MaxAmount]; balances and totals may exceed that.
type Amount int64

const (
	// NoAmount stands for "not given"; it is said as null.
	NoAmount Amount = -1
	// MaxAmount is the largest amount one event may carry, 2^53.
	MaxAmount Amount = 1 << 53
	// MaxTotal is the most that one (user, asset) may ever be credited, or
	// debited, by events that can be refused: 2^62.
	MaxTotal = 1 << 62
)
