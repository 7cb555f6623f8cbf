package broker

import (
	"context"
	"encoding/binary"
	"net"
	"sync/atomic"
	"time"
)

// LostAnswers is a dialer whose connections can lose the answers to one kind of request: the broker gets it and does
// what it says, and the client never hears of it. So it goes where a broker dies between the two.
type LostAnswers struct {
	key  int16
	on   atomic.Bool
	lost atomic.Int64
}

// LoseAnswersTo makes a dialer that loses answers to requests of an API key, once Begin was called.
func LoseAnswersTo(key int16) *LostAnswers { return &LostAnswers{key: key} }

// Begin loses the answers to requests that are sent from now on, with all that comes after them on the same connection.
func (l *LostAnswers) Begin() { l.on.Store(true) }

// End loses nothing more; what waits for a lost answer waits until the broker closes the connection.
func (l *LostAnswers) End() { l.on.Store(false) }

// Count is how many requests have lost their answer.
func (l *LostAnswers) Count() int64 { return l.lost.Load() }

// Dial is for kgo.Dialer.
func (l *LostAnswers) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	// kgo's own default.
	d := net.Dialer{Timeout: 10 * time.Second}
	conn, err := d.DialContext(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &mutableConn{Conn: conn, by: l}, nil
}

// mutableConn is one connection; once muted, what the broker says on it is thrown away.
type mutableConn struct {
	net.Conn
	by    *LostAnswers
	muted atomic.Bool
}

// Write looks at the request's header: its size (4 bytes), then its key. kgo writes a request with one call.
func (c *mutableConn) Write(request []byte) (int, error) {
	if c.by.on.Load() && len(request) >= 6 && int16(binary.BigEndian.Uint16(request[4:])) == c.by.key && !c.muted.Swap(true) {
		c.by.lost.Add(1)
	}
	return c.Conn.Write(request)
}

func (c *mutableConn) Read(answer []byte) (int, error) {
	for {
		n, err := c.Conn.Read(answer)
		if err != nil || !c.muted.Load() {
			return n, err
		}
	}
}
