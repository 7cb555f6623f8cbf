package bench

import (
	"bufio"
	"fmt"
	"io"

	"highwater/pkg/codec"
)

// Dump writes the events of a workload, one a line, in the order in which they
// are produced: the topic, the record's key, and the event in the contract's
// JSON. It needs no broker. Events of a rate are left out: they happen as they
// are produced.
func Dump(to io.Writer, w *Workload, seed uint64) error {
	if err := w.Check(); err != nil {
		return err
	}
	lines := bufio.NewWriterSize(to, 1<<16)
	for m := range newLoad(w, seed, codec.AppendEventJSON).history(w) {
		// Ids need no escapes.
		fmt.Fprintf(lines, "{\"topic\":%q,\"key\":%q,\"event\":%s}\n", m.topic, m.user, m.value)
	}
	return lines.Flush()
}
