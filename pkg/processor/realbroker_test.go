//go:build realbroker

package processor

import (
	"context"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"highwater/pkg/kafka"
	"highwater/pkg/service"
	"highwater/test/broker"
)

// childSettings makes a process of this test binary a processor: it holds the
// arguments, separated by spaces.
const childSettings = "HIGHWATER_TEST_PROCESSOR"

func TestMain(m *testing.M) {
	if args, ok := os.LookupEnv(childSettings); ok {
		if err := os.Unsetenv(childSettings); err != nil {
			panic(err)
		}
		binary := service.Binary[Settings]{Name: "processor", About: "A test.", Defaults: Defaults(), Run: Run}
		invocation := service.FromOS()
		invocation.Args, invocation.Environ = strings.Fields(args), nil
		os.Exit(binary.Main(context.Background(), invocation))
	}
	os.Exit(m.Run())
}

// child is a processor in a process of its own, which can be killed.
type child struct {
	t    *testing.T
	args []string
	dir  string
	cmd  *exec.Cmd
}

func (c *child) start() {
	c.t.Helper()
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), childSettings+"="+strings.Join(c.args, " "))
	c.cmd.Stderr = c.t.Output()
	if err := c.cmd.Start(); err != nil {
		c.t.Fatal(err)
	}
}

// kill ends it as a crash would.
func (c *child) kill() {
	if c.cmd == nil {
		return
	}
	// The only error is that it is gone.
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
	c.cmd = nil
}

// Processors are killed while events flow, one, then both, with and without
// their disks: every event has one entry.
func TestRealBrokerKilledProcessors(t *testing.T) {
	servers, prefix := broker.Start(t), broker.Prefix(t)
	names := kafka.Names{Application: strings.TrimSuffix(prefix, "-"), Prefix: prefix}
	c := newCluster(t, strings.Split(servers, ","), names, 4)
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	var children [2]*child
	for i := range children {
		dir := filepath.Join(t.TempDir(), "data")
		children[i] = &child{t: t, dir: dir, args: []string{
			"--bootstrap-servers", servers, "--application-id", names.Application, "--topic-prefix", names.Prefix,
			"--data-dir", dir, "--listen", "127.0.0.1:0", "--group-instance-id", string(rune('a' + i)), "--log-level", "warn",
		}}
		t.Cleanup(children[i].kill)
		children[i].start()
	}
	tr := c.traffic()
	for round := range 8 {
		tr.flows(300)
		victims := children[random.IntN(2):][:1]
		if round%4 == 3 {
			victims = children[:]
		}
		for _, victim := range victims {
			victim.kill()
			if random.IntN(2) == 0 {
				if err := os.RemoveAll(victim.dir); err != nil {
					t.Fatal(err)
				}
			}
		}
		for _, victim := range victims {
			victim.start()
		}
	}
	began := time.Now()
	tr.check()
	t.Logf("%d events, all there %v after the last one", tr.sent.Load(), time.Since(began))
}

// A broker that dies takes the memberships with it; they come back, and so do
// the shards.
func TestRealBrokerProcessorsOutliveTheBroker(t *testing.T) {
	b, prefix := broker.Own(t), broker.Prefix(t)
	names := kafka.Names{Application: strings.TrimSuffix(prefix, "-"), Prefix: prefix}
	c := newCluster(t, []string{b.Bootstrap()}, names, 4)
	tr := c.traffic()
	first := c.start(vfs.NewMem(), func(cfg *Config) { cfg.InstanceID = "a" })
	second := c.start(vfs.NewMem(), func(cfg *Config) { cfg.InstanceID = "b" })
	until(t, "they share", func() bool { return len(first.owns()) == 2 && len(second.owns()) == 2 })
	tr.flows(100)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	if err := b.Restart(); err != nil {
		t.Fatal(err)
	}
	// What the broker left hanging holds a shard up for good.
	hanging, err := b.Mend(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("the broker left transactions hanging in %d partitions", hanging)
	began := time.Now()
	tr.flows(100)
	until(t, "all shards run", func() bool { return len(first.owns())+len(second.owns()) == 4 })
	t.Logf("all shards ran %v after the broker was back", time.Since(began))
	tr.check()
}
