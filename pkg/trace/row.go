package trace

import (
	_ "embed"
	"fmt"
	"hash/fnv"
	"strconv"
	"strings"
	"time"

	"highwater/pkg/event"
)

//go:embed data/azure-llm-code.csv
var table string

// RowCount is how many rows the trace has.
const RowCount = 8819

// row is one call.
type row struct {
	at     event.Time
	tokens event.Amount
	// hash is of the row's number and text: equal calls aren't one user's.
	hash uint64
}

// rows reads the first n rows of the trace. The table is part of the program:
// one that can't be read is a bug.
func rows(n int) []row {
	lines := strings.Split(strings.TrimSpace(strings.ReplaceAll(table, "\r\n", "\n")), "\n")[1:]
	if len(lines) != RowCount {
		panic(fmt.Sprintf("trace: the table has %d rows, not %d", len(lines), RowCount))
	}
	read := make([]row, n)
	for i, line := range lines[:n] {
		fields := strings.Split(line, ",")
		at, err := time.Parse("2006-01-02 15:04:05", fields[0])
		if err != nil {
			panic(fmt.Sprintf("trace: row %d: %v", i+1, err))
		}
		hash := fnv.New64a()
		fmt.Fprintf(hash, "%d,%s", i+1, line)
		read[i] = row{at: event.TimeOf(at), tokens: tokens(i, fields[1]) + tokens(i, fields[2]), hash: hash.Sum64()}
	}
	return read
}

func tokens(row int, field string) event.Amount {
	n, err := strconv.ParseInt(field, 10, 32)
	if err != nil {
		panic(fmt.Sprintf("trace: row %d: %v", row+1, err))
	}
	return event.Amount(n)
}
