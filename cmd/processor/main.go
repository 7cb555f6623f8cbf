// Processor owns partitions, one shard each; any number of processors share
// them.
package main

import (
	"context"
	"os"

	"highwater/pkg/processor"
	"highwater/pkg/service"
)

var binary = service.Binary[processor.Settings]{
	Name:     "processor",
	About:    "Owns partitions: reads events, keeps balances and orders, publishes entries and corrections. Any number of processors share the partitions.",
	Defaults: processor.Defaults(),
	Run:      processor.Run,
}

func main() { os.Exit(binary.Main(context.Background(), service.FromOS())) }
