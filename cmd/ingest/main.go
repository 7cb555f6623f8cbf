// Ingest is the write API: events come in over HTTP and go to Kafka, and
// outcomes come back.
package main

import (
	"context"
	"os"

	"highwater/pkg/ingest"
	"highwater/pkg/service"
)

var binary = service.Binary[ingest.Settings]{
	Name:     "ingest",
	About:    "The write API: takes events over HTTP, one, many or a stream, and answers once Kafka has them, or once it is decided what became of them.",
	Defaults: ingest.Defaults(),
	Run:      ingest.Run,
}

func main() { os.Exit(binary.Main(context.Background(), service.FromOS())) }
