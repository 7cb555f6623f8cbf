package service

import (
	"io"
	"log/slog"
)

// Log says what is logged and how. Every binary has these settings.
type Log struct {
	// Level is the least level that is written.
	Level string `name:"log-level" default:"info" enum:"debug,info,warn,error" help:"Least level that is logged."`
	// Format is text (key=value) for people or json for machines.
	Format string `name:"log-format" default:"text" enum:"text,json" help:"How a log line is written."`
}

// Logger returns a logger that writes to w. Messages are constant, keys are
// snake_case.
func (l Log) Logger(w io.Writer) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(l.Level)); err != nil {
		level = slog.LevelInfo // the zero Log, outside of a binary
	}
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}
