// Command serve keeps a Kafka container: it prints bootstrap.servers=HOST:PORT once the broker can be used, and
// removes the container when its standard input ends. test/broker runs it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"

	"highwater/test/containers"
)

func main() {
	if err := serve(); err != nil {
		fmt.Fprintln(os.Stderr, "serve:", err)
		os.Exit(1)
	}
}

func serve() error {
	kafka, err := containers.StartKafka(context.Background())
	if err != nil {
		return err
	}
	fmt.Println("bootstrap.servers=" + kafka.Bootstrap)
	_, _ = io.Copy(io.Discard, os.Stdin) // ends with the process at the other end, however that ended
	return kafka.Stop()
}
