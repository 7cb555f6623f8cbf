package codec

import (
	"strconv"
	"unicode/utf8"

	"highwater/pkg/event"
)

// object appends the members of one JSON object after another.
type object struct {
	buf []byte
	// filled is whether the open object has a member already.
	filled bool
}

func (o *object) open() {
	o.buf = append(o.buf, '{')
	o.filled = false
}

func (o *object) close() {
	o.buf = append(o.buf, '}')
	o.filled = true
}

// name starts a member; names need no escapes.
func (o *object) name(name string) {
	if o.filled {
		o.buf = append(o.buf, ',')
	}
	o.filled = true
	o.buf = append(append(append(o.buf, '"'), name...), '"', ':')
}

func (o *object) text(name, s string) {
	o.name(name)
	o.buf = appendJSONText(o.buf, s)
}

// optionalText is null for "".
func (o *object) optionalText(name, s string) {
	if s == "" {
		o.null(name)
		return
	}
	o.text(name, s)
}

func (o *object) null(name string) {
	o.name(name)
	o.buf = append(o.buf, "null"...)
}

func (o *object) integer(name string, n int64) {
	o.name(name)
	o.buf = strconv.AppendInt(o.buf, n, 10)
}

// optionalAmount is null for NoAmount.
func (o *object) optionalAmount(name string, a event.Amount) {
	if a == event.NoAmount {
		o.null(name)
		return
	}
	o.integer(name, int64(a))
}

func (o *object) bool(name string, v bool) {
	o.name(name)
	o.buf = strconv.AppendBool(o.buf, v)
}

func (o *object) time(name string, t event.Time) {
	o.name(name)
	o.buf = append(t.AppendRFC3339(append(o.buf, '"')), '"')
}

// optionalTime is null for NoTime.
func (o *object) optionalTime(name string, t event.Time) {
	if t == event.NoTime {
		o.null(name)
		return
	}
	o.time(name, t)
}

func (o *object) decimal(name string, d event.Decimal) { o.text(name, d.String()) }

const hexDigits = "0123456789abcdef"

// appendJSONText appends a string in double quotes. Bytes that are no UTF-8
// become U+FFFD.
func appendJSONText(dst []byte, s string) []byte {
	dst = append(dst, '"')
	plain := 0
	for i := 0; i < len(s); {
		c := s[i]
		if c >= utf8.RuneSelf {
			r, n := utf8.DecodeRuneInString(s[i:])
			if r == utf8.RuneError && n == 1 {
				dst = append(append(dst, s[plain:i]...), "\ufffd"...)
				plain = i + 1
			}
			i += n
			continue
		}
		if c >= 0x20 && c != '"' && c != '\\' {
			i++
			continue
		}
		dst = append(dst, s[plain:i]...)
		switch c {
		case '"', '\\':
			dst = append(dst, '\\', c)
		default:
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&0xf])
		}
		i++
		plain = i
	}
	return append(append(dst, s[plain:]...), '"')
}

// AppendEventJSON appends the flat JSON form of an event. Fields that have
// their default are left out, but for occurred_at, which always stands: a
// time filled in on the way is given from here on.
func AppendEventJSON(dst []byte, e *event.Event) []byte {
	o := object{buf: dst}
	o.open()
	o.text("type", e.Kind.String())
	o.text("event_id", e.ID)
	o.text("user_id", e.User)
	o.time("occurred_at", e.OccurredAt)
	if e.Sequence != 0 {
		o.integer("sequence", e.Sequence)
	}
	if e.Asset != "" && e.Asset != event.DefaultAsset {
		o.text("asset", e.Asset)
	}
	if e.Source != "" {
		o.text("source", e.Source)
	}
	own := operationFields[e.Kind]
	for field := fieldGrantID; field <= fieldOrderID; field++ {
		if own&(1<<field) != 0 {
			o.text(fieldNames[field], e.Ref)
		}
	}
	switch e.Kind {
	case event.PlaceOrder:
		o.text("currency", e.Currency)
		o.decimal("amount", e.Quantity)
		o.decimal("price", e.Price)
	case event.Transfer:
		o.text("to_user_id", e.To)
	}
	if e.Amount != event.NoAmount && e.Kind != event.PlaceOrder && own&(1<<fieldAmount) != 0 {
		o.integer("amount", int64(e.Amount))
	}
	if e.EffectiveAt != event.NoTime {
		o.time("effective_at", e.EffectiveAt)
	}
	if e.ExpiresAt != event.NoTime {
		o.time("expires_at", e.ExpiresAt)
	}
	if e.Priority != 0 {
		o.integer("priority", int64(e.Priority))
	}
	if len(e.Metadata) > 0 {
		o.name("metadata")
		o.open()
		for i := range e.Metadata {
			if i > 0 {
				o.buf = append(o.buf, ',')
			}
			o.buf = append(appendJSONText(o.buf, e.Metadata[i].Key), ':')
			o.buf = appendJSONText(o.buf, e.Metadata[i].Value)
		}
		o.close()
	}
	o.close()
	return o.buf
}
