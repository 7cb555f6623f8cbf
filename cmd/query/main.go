// Query is the read API and the page for people, over a replica of the
// processors' state.
package main

import (
	"context"
	"os"

	"highwater/pkg/query"
	"highwater/pkg/service"
)

var binary = service.Binary[query.Settings]{
	Name:     "query",
	About:    "The read API: balances at any time, histories, corrections and orders, from a replica of the processors' state.",
	Defaults: query.Defaults(),
	Run:      query.Run,
}

func main() { os.Exit(binary.Main(context.Background(), service.FromOS())) }
