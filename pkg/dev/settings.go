package dev

import (
	"time"

	"highwater/pkg/service"
)

// Settings are those of `highwater dev`.
type Settings struct {
	// Sample sends the trace; SampleOver is how long its hour takes.
	Sample     bool          `name:"sample" help:"Send an hour of real calls to an LLM service as sample events: 200 users, with grants and orders, one event in twenty late."`
	SampleOver time.Duration `name:"sample-over" default:"90s" min:"1s" max:"24h" help:"How long the sample's hour takes to arrive."`
	// DataDir keeps everything over a restart; "" keeps nothing.
	DataDir string `name:"data-dir" help:"Folder to keep everything in over restarts; none is a temporary one that is deleted at the end."`
	// Partitions of every topic, where they are created.
	Partitions int32 `name:"partitions" default:"4" min:"1" max:"64" help:"Partitions of each topic, where topics are created."`
	Ports
	service.Time
	service.Output
	service.Policies
}

// Ports are where everything listens, on 127.0.0.1; 0 is any free port.
type Ports struct {
	Kafka     int `name:"kafka-port" default:"9092" min:"0" max:"65535" help:"Port of the embedded broker; 0 is any free one, as for the other ports."`
	Registry  int `name:"registry-port" default:"8084" min:"0" max:"65535" help:"Port of the embedded schema registry."`
	Ingest    int `name:"ingest-port" default:"8081" min:"0" max:"65535" help:"Port of the write API."`
	Query     int `name:"query-port" default:"8082" min:"0" max:"65535" help:"Port of the read API and its page."`
	Processor int `name:"processor-port" default:"8083" min:"0" max:"65535" help:"Port of the processor's metrics and health."`
}
