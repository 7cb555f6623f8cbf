package processor

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/twmb/franz-go/pkg/kerr"
	"github.com/twmb/franz-go/pkg/kgo"

	"highwater/pkg/kafka"
	"highwater/pkg/replica"
	"highwater/pkg/shard"
	"highwater/pkg/state"
)

// Config is what a processor is made of.
type Config struct {
	// Shard is what its shards share; Names and Client are the processor's own
	// too.
	Shard shard.Config
	// Dir is where its shards live; FS is nil for the operating system's.
	Dir string
	FS  vfs.FS
	// Standbys is how many shards that run elsewhere are kept warm here.
	Standbys int
	// InstanceID makes it a static member of the group; "" doesn't.
	InstanceID string
	// BlockCacheBytes is for the states of all shards together; 0 is the
	// default.
	BlockCacheBytes int64
	// CacheBytes is for the hot accounts of all shards together.
	CacheBytes int
	// Registry takes the metrics; nil drops them.
	Registry prometheus.Registerer

	// watchEvery is how often the topics are compared with what they were.
	watchEvery time.Duration
}

const (
	defaultWatchEvery = 10 * time.Second
	// maxMissing is how often in a row a topic may be missing.
	maxMissing = 3
	// confirmWithin bounds the wait for the group to confirm a member.
	confirmWithin = time.Minute
	// troubleEvery is how often a trouble that lasts is said.
	troubleEvery = 30 * time.Second
	// closeWithin bounds the flush of a state that is given back.
	closeWithin = 15 * time.Second
)

// Processor runs shards.
type Processor struct {
	cfg    Config
	fs     vfs.FS
	log    *slog.Logger
	names  kafka.Names
	shared *state.Shared
	member *kgo.Client
	// partitions is how many shards there are.
	partitions int32
	fail       context.CancelCauseFunc

	mu sync.Mutex
	// workers and standbys, guarded by mu, by shard. A standby that was told to
	// end stays until it has.
	workers  map[int32]*worker
	standbys map[int32]*standby
	// confirmed, guarded by mu, counts how often the group has confirmed this
	// member; news is closed and made anew each time.
	confirmed int
	news      chan struct{}
	stopping  bool
}

// New is a processor that doesn't run yet.
func New(cfg Config) *Processor {
	p := &Processor{
		cfg: cfg, fs: cfg.FS, log: cfg.Shard.Logger, names: cfg.Shard.Names,
		workers: make(map[int32]*worker), standbys: make(map[int32]*standby), news: make(chan struct{}),
	}
	if p.fs == nil {
		p.fs = vfs.Default
	}
	if p.log == nil {
		p.log = slog.New(slog.DiscardHandler)
	}
	if p.cfg.watchEvery == 0 {
		p.cfg.watchEvery = defaultWatchEvery
	}
	if p.cfg.Shard.Replica == nil {
		p.cfg.Shard.Replica = replica.NewMetrics(cfg.Registry)
	}
	if p.cfg.Shard.Metrics == nil {
		p.cfg.Shard.Metrics = shard.NewMetrics(cfg.Registry)
	}
	if p.cfg.Shard.Pacer == nil {
		p.cfg.Shard.Pacer = shard.NewPacer(0)
	}
	return p
}

// Run joins the group and runs the shards it gives, until the context is
// cancelled: then it lands them and returns nil. It returns the error of the
// first shard that can't go on.
func (p *Processor) Run(ctx context.Context) (err error) {
	lock, err := p.lock()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()

	running, fail := context.WithCancelCause(ctx)
	defer fail(nil)
	p.fail = fail
	lineage, err := p.checkTopics(running)
	if err != nil {
		return err
	}
	p.partitions = lineage.Partitions
	p.cfg.Shard.Accounts = shard.NewBudget(p.cfg.CacheBytes)
	p.shared = state.NewShared(p.cfg.BlockCacheBytes, 0)
	defer p.shared.Close()

	if p.member, err = p.join(); err != nil {
		return err
	}
	// The shards stop while the membership still lasts, so that none is given
	// to somebody else before it is closed (I2).
	defer p.member.Close()
	defer p.stopAll()

	var watching sync.WaitGroup
	defer watching.Wait()
	watching.Go(func() { p.watch(running, lineage) })
	watching.Go(func() { p.heed(running) })
	<-running.Done()
	if ctx.Err() != nil && errors.Is(context.Cause(running), context.Canceled) {
		return nil
	}
	return context.Cause(running)
}

// lock keeps a second process out of the directory.
func (p *Processor) lock() (io.Closer, error) {
	if err := p.fs.MkdirAll(p.cfg.Dir, 0o755); err != nil {
		return nil, fmt.Errorf("data.dir: make %s: %w", p.cfg.Dir, err)
	}
	path := filepath.Join(p.cfg.Dir, "processor.lock")
	lock, err := p.fs.Lock(path)
	if err != nil {
		return nil, fmt.Errorf("data.dir: %s is another processor's, which still runs; give each its own (lock %s: %w)", p.cfg.Dir, path, err)
	}
	return lock, nil
}

// checkTopics makes sure that the topics are there and as they must be, and
// the cluster's transactions too.
func (p *Processor) checkTopics(ctx context.Context) (kafka.Lineage, error) {
	client, err := kgo.NewClient(p.cfg.Shard.Client...)
	if err != nil {
		return kafka.Lineage{}, fmt.Errorf("client: %w", err)
	}
	defer client.Close()
	if err := kafka.CheckTransactions(ctx, client); err != nil {
		return kafka.Lineage{}, err
	}
	n, err := kafka.PartitionCount(ctx, client, p.names)
	if err != nil {
		return kafka.Lineage{}, err
	}
	if err := kafka.Verify(ctx, client, kafka.Catalogue(p.names, n, -1)); err != nil {
		return kafka.Lineage{}, err
	}
	return kafka.ReadLineage(ctx, client, p.names)
}

// watch finds topics that are deleted, created again or given more partitions
// while shards run: readers alone wouldn't see all of it. A topic is deleted if
// it is missing time and again: a broker that has just started may not know it.
func (p *Processor) watch(ctx context.Context, before kafka.Lineage) {
	tick := time.NewTicker(p.cfg.watchEvery)
	defer tick.Stop()
	for missing := 0; ; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		now, err := kafka.ReadLineage(ctx, p.member, p.names)
		if err == nil {
			err = now.Continues(&before, p.names)
		}
		if _, ok := errors.AsType[*kafka.TopicError](err); ok {
			missing++
		} else if err == nil {
			missing = 0
		}
		if missing == maxMissing || kafka.ClassOf(err) == kafka.DataLoss {
			p.fail(err)
			return
		}
		if err != nil && ctx.Err() == nil {
			p.log.Warn("topics could not be looked at", "error", err)
		}
	}
}

// join makes this process a member of the group.
func (p *Processor) join() (*kgo.Client, error) {
	client, err := kgo.NewClient(kafka.MemberOptions(p.cfg.Shard.Client, kafka.Membership{
		Names: p.names, InstanceID: p.cfg.InstanceID,
		Assigned: p.assigned,
		Revoked:  func(shards []int32) { p.take(shards, nil) },
		Lost:     func(shards []int32) { p.take(shards, shard.ErrLost) },
	})...)
	if err != nil {
		return nil, fmt.Errorf("client of the group %s: %w", p.names.ProcessorGroup(), err)
	}
	// The group carries ownership; the topic's records are for the shards.
	client.PauseFetchTopics(p.names.Shards())
	return client, nil
}

// heed looks at what goes wrong with the membership.
func (p *Processor) heed(ctx context.Context) {
	var said trouble
	for ctx.Err() == nil {
		p.member.PollFetches(ctx).EachError(func(_ string, _ int32, err error) {
			switch {
			case ctx.Err() != nil:
			case errors.Is(err, kerr.FencedInstanceID):
				p.fail(fmt.Errorf("group.instance.id: another process is %q in the group %s; give each its own: %w",
					p.cfg.InstanceID, p.names.ProcessorGroup(), err))
			case isRefused(err):
				p.fail(fmt.Errorf("membership of the group %s: %w", p.names.ProcessorGroup(), err))
			case said.isNews(err, time.Now()):
				p.log.Warn("membership is troubled; the client tries again", "error", err)
			}
		})
	}
}

// trouble is what was said last of something that fails again and again: while
// a broker is away the client reports it each second.
type trouble struct {
	text string
	at   time.Time
}

// isNews reports whether an error is to be said: it is another one, or it was
// said long ago.
func (t *trouble) isNews(err error, now time.Time) bool {
	if text := err.Error(); text != t.text || now.Sub(t.at) >= troubleEvery {
		t.text, t.at = text, now
		return true
	}
	return false
}

// isRefused tells a membership that will never be from one that was lost: the
// client then joins again by itself.
func isRefused(err error) bool {
	for _, refusal := range []error{
		kerr.GroupAuthorizationFailed, kerr.TopicAuthorizationFailed, kerr.ClusterAuthorizationFailed, kerr.SaslAuthenticationFailed,
		kerr.InvalidGroupID, kerr.InvalidSessionTimeout, kerr.InconsistentGroupProtocol, kerr.GroupMaxSizeReached,
	} {
		if errors.Is(err, refusal) {
			return true
		}
	}
	return false
}

// assigned starts what the group gives.
func (p *Processor) assigned(shards []int32) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.confirmed++
	close(p.news)
	p.news = make(chan struct{})
	if p.stopping {
		return
	}
	if len(shards) > 0 {
		p.log.Info("shards assigned", "shards", shards)
	}
	for _, id := range shards {
		if p.workers[id] == nil {
			p.workers[id] = p.start(id, p.standbys[id])
			delete(p.standbys, id)
		}
	}
	p.arrange()
}

// take stops what the group takes, and returns once it is closed (I2).
func (p *Processor) take(shards []int32, cause error) {
	p.mu.Lock()
	var stopped []*worker
	for _, id := range shards {
		if w := p.workers[id]; w != nil {
			w.stop(cause)
			stopped = append(stopped, w)
		}
	}
	p.mu.Unlock()
	for _, w := range stopped {
		<-w.done
	}
	p.mu.Lock()
	for _, w := range stopped {
		if p.workers[w.id] == w {
			delete(p.workers, w.id)
		}
	}
	p.arrange()
	p.mu.Unlock()
	if len(stopped) > 0 {
		p.log.Info("shards given back", "shards", shards, "lost", cause != nil)
	}
}

// stopAll lands every shard, ends every standby, and takes no new ones.
func (p *Processor) stopAll() {
	p.mu.Lock()
	p.stopping = true
	shards := slices.Collect(maps.Keys(p.workers))
	standbys := slices.Collect(maps.Values(p.standbys))
	p.mu.Unlock()
	p.take(shards, nil)
	for _, s := range standbys {
		s.cancel()
		<-s.done
	}
}

// confirm waits until the group confirms this member once more, after asking
// it to (I1). Where the shard was taken meanwhile, ctx is cancelled.
func (p *Processor) confirm(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, confirmWithin)
	defer cancel()
	p.mu.Lock()
	before := p.confirmed
	p.mu.Unlock()
	p.member.ForceRebalance()
	for {
		p.mu.Lock()
		confirmed, news := p.confirmed > before, p.news
		p.mu.Unlock()
		if confirmed {
			return nil
		}
		select {
		case <-news:
		case <-ctx.Done():
			return fmt.Errorf("wait for the group %s to confirm this member: %w", p.names.ProcessorGroup(), ctx.Err())
		}
	}
}

// Ready is nil once the group has confirmed this member and all its shards
// have been taken over.
func (p *Processor) Ready() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.confirmed == 0 {
		return fmt.Errorf("waiting for the group %s", p.names.ProcessorGroup())
	}
	var waiting []int32
	for id, w := range p.workers {
		if !w.status().Owner {
			waiting = append(waiting, id)
		}
	}
	if len(waiting) > 0 {
		slices.Sort(waiting)
		return fmt.Errorf("taking over shards %v", waiting)
	}
	return nil
}

// Shards says how far each shard is that runs here.
func (p *Processor) Shards() []shard.Status {
	p.mu.Lock()
	defer p.mu.Unlock()
	all := make([]shard.Status, 0, len(p.workers))
	for _, w := range p.workers {
		all = append(all, w.status())
	}
	slices.SortFunc(all, func(a, b shard.Status) int { return int(a.Shard - b.Shard) })
	return all
}
