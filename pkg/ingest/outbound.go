package ingest

import (
	"bufio"
	"io"
	"net/http"
	"time"
)

// resultBufferBytes is how many results go out at once, at most; they go
// earlier where the next one isn't there yet.
const resultBufferBytes = 16 << 10

// outbound is a streamed answer, whose reader must take it in time.
type outbound struct {
	to      io.Writer
	control *http.ResponseController
	buf     *bufio.Writer
	// dirty says that the server may hold lines back.
	dirty bool
}

func newOutbound(to io.Writer, control *http.ResponseController) *outbound {
	o := &outbound{to: to, control: control}
	o.buf = bufio.NewWriterSize(timedWriter{o}, resultBufferBytes)
	return o
}

// timedWriter writes through to the connection, within AnswerTimeout.
type timedWriter struct{ *outbound }

func (t timedWriter) Write(p []byte) (int, error) {
	t.arm()
	return t.to.Write(p)
}

func (o *outbound) arm() {
	_ = o.control.SetWriteDeadline(time.Now().Add(AnswerTimeout))
}

// line adds a line, which goes out soon.
func (o *outbound) line(text []byte) error {
	o.dirty = true
	if _, err := o.buf.Write(text); err != nil {
		return err
	}
	return o.buf.WriteByte('\n')
}

// flush sends every line that was added.
func (o *outbound) flush() error {
	if !o.dirty {
		return nil
	}
	o.dirty = false
	if err := o.buf.Flush(); err != nil {
		return err
	}
	o.arm()
	return o.control.Flush()
}

// end sends what is left, and takes the deadline off the connection, which
// may carry another request.
func (o *outbound) end() error {
	if err := o.flush(); err != nil {
		return err
	}
	return o.control.SetWriteDeadline(time.Time{})
}
