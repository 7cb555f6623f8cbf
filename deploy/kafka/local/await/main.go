// Command await waits until a Kafka broker can take Highwater's work, and says what is missing if it can't.
// It is the last step of kafka.sh.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"syscall"
	"time"

	"highwater/deploy/kafka/ready"
)

func main() {
	within := flag.Duration("within", time.Minute, "give up after this time")
	pid := flag.Int("while", 0, "give up as soon as this process is gone (0: don't look)")
	flag.Parse()
	if err := await(*within, *pid, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "await:", err)
		os.Exit(1)
	}
}

const lookEvery = 100 * time.Millisecond

var errGone = errors.New("the broker's process ended")

func await(within time.Duration, pid int, servers []string) error {
	if len(servers) == 0 {
		return errors.New("name the servers to wait for, as host:port")
	}
	ctx, cancel := context.WithTimeout(context.Background(), within)
	defer cancel()
	ctx, give := context.WithCancelCause(ctx)
	defer give(nil)
	if pid != 0 {
		go watch(ctx, pid, give)
	}
	return ready.Await(ctx, servers...)
}

// watch ends the wait when the process is gone, so that a broker that refuses its settings is told at once.
func watch(ctx context.Context, pid int, give context.CancelCauseFunc) {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if syscall.Kill(pid, 0) != nil {
				give(errGone)
				return
			}
		}
	}
}
