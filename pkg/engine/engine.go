package engine

import "highwater/pkg/event"

// Engine is one shard's logic. It isn't safe for concurrent use.
type Engine struct{ sink Sink }

// New is an engine over rows, which hold what an earlier one left there.
func New(cfg Config, rows Rows, sink Sink) (*Engine, error) { return &Engine{sink: sink}, nil }

// Begin starts a transaction at the processor's clock.
func (e *Engine) Begin(now event.Time) {}

// Process takes one record.
func (e *Engine) Process(rec *Record) {}

// Commit ends the transaction: it publishes what is said once a transaction
// and writes every row that changed. If the transaction fails afterwards, the
// engine must be thrown away and made anew over the rows as they were.
func (e *Engine) Commit() error { return nil }

// Watermark is the one now in force.
func (e *Engine) Watermark() event.Time { return 0 }
