package shard

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/codec"
	"highwater/pkg/engine"
	"highwater/pkg/kafka"
	"highwater/pkg/replica"
)

// Config is what the shards of one processor share.
type Config struct {
	Names kafka.Names
	// Client are the options every client has; see [kafka.CommonOptions].
	Client []kgo.Opt
	// Engine is the engine's; its Partition is set by the shard.
	Engine engine.Config
	// Encoder writes output records; nil stands for single objects.
	Encoder *codec.Encoder
	// SchemaByID asks the registry; nil where there is none. Where the
	// registry doesn't know an id, the error is kafka.ErrNoSuchSchema; any
	// other one means that the registry is away, and the shard waits for it.
	SchemaByID func(ctx context.Context, id uint32) (text string, err error)
	// DeadLetterUnknownSchemas puts records of unknown schemas aside instead
	// of stopping the shard.
	DeadLetterUnknownSchemas bool
	// MaxEventBytes bounds one event; 0 is codec.MaxEventBytes.
	MaxEventBytes int
	// MaxEvents and MaxBytes bound the input of one transaction; 0 are the
	// defaults. The last record may exceed MaxBytes.
	MaxEvents int
	MaxBytes  int
	// Accounts is what the process has for hot accounts; nil leaves each shard
	// what Engine says.
	Accounts *Budget
	// Pacer spaces the transactions of a process; nil gives the shard its own.
	Pacer *Pacer
	// Metrics take what happens, Replica what catching up brings; nil drops it.
	Metrics *Metrics
	Replica *replica.Metrics
	Logger  *slog.Logger

	// hooks are where tests break things.
	hooks hooks
}

// Defaults of a Config.
const (
	DefaultMaxEvents = 5000
	DefaultMaxBytes  = 4 << 20
	// movesPerEvent times MaxEvents bounds what one move of the watermark says
	// and settles in one transaction.
	movesPerEvent = 4
)

const (
	// maxBatchAge bounds the time a batch grows while nothing holds it back.
	maxBatchAge = 50 * time.Millisecond
	// maxBacklogAge bounds it where a backlog of a batch and more waits.
	maxBacklogAge = time.Second
	// tickEvery is how often an idle shard asks the engine whether the time
	// has something to say.
	tickEvery = 100 * time.Millisecond
	// publishEvery is how often positions are shown as a group's offsets.
	publishEvery = 5 * time.Second
	// answerWithin bounds one attempt at what a takeover asks and reads. The
	// next one goes on where it ended.
	answerWithin = 10 * time.Second
	// awaitWithin bounds how long records of one topic wait for older ones of
	// another.
	awaitWithin = 500 * time.Millisecond
	// aheadBytes is from how much on a topic is left alone while others lag:
	// some fetches' worth, for what is under way then is fetched again.
	aheadBytes = 2 << 20
	// landWithin bounds how long a graceful stop waits for the commit that is
	// on its way.
	landWithin = 10 * time.Second
	// retryEvery is how often something that is away is asked again.
	retryEvery = 250 * time.Millisecond
	// maxMissing is how often a topic may seem not to exist.
	maxMissing = 20
	// landCheckEvery is how many events are processed between two looks at
	// the commit on its way.
	landCheckEvery = 128
)

// ErrLost is the cause with which a context is cancelled when the shard isn't
// ours any more: nothing of it may be finished.
var ErrLost = errors.New("shard is owned by somebody else")

// ErrFenced says that another owner has taken the shard over, or that the
// broker has given up on this one. The shard may be run again only once the
// group confirms that it is ours.
var ErrFenced = errors.New("shard was taken over")

// hooks stand in for what a test wants to break.
type hooks struct {
	// produced is called once every record of a transaction was written.
	produced func()
	// commit asks for the commit; nil does so by the client.
	commit func(context.Context, *kgo.Client) error
	now    func() time.Time
	// answerWithin and aheadBytes stand in for the constants.
	answerWithin time.Duration
	aheadBytes   int
}

func (c *Config) fillDefaults() {
	if c.Encoder == nil {
		c.Encoder = codec.SingleObject()
	}
	if c.MaxEvents == 0 {
		c.MaxEvents = DefaultMaxEvents
	}
	if c.Engine.MaxMoves == 0 {
		c.Engine.MaxMoves = movesPerEvent * c.MaxEvents
	}
	if c.MaxBytes == 0 {
		c.MaxBytes = DefaultMaxBytes
	}
	if c.Pacer == nil {
		c.Pacer = NewPacer(0)
	}
	if c.Metrics == nil {
		c.Metrics = NewMetrics(nil)
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.hooks.now == nil {
		c.hooks.now = time.Now
	}
	if c.hooks.answerWithin == 0 {
		c.hooks.answerWithin = answerWithin
	}
	if c.hooks.aheadBytes == 0 {
		c.hooks.aheadBytes = aheadBytes
	}
}
