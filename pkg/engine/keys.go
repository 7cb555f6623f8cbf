package engine

import (
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"
	"strings"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// Rows by the first byte of their key. Account numbers take five bytes,
// times eight, both big-endian; a place is time, sequence, rank, event_id, 0,
// sender; a name is the first 16 bytes of a SHA-256.
const (
	// keyMeta: what the engine knows of the whole shard.
	keyMeta = FirstEngineKey + iota
	// NamePrefix is the first byte of the rows by name: event ids, grant ids
	// and revokes that wait for their grant. Nearly every event asks for
	// a name that isn't there.
	// The value is number and place of what took the name.
	NamePrefix
	// keyAccount: user 0 asset -> number, head, totals, mostly the state where
	// memory is short. A user's orders have the empty asset.
	keyAccount
	// keyEvent: number place -> the placed event.
	keyEvent
	// keyCheck: number place -> the account's state there.
	keyCheck
	// keyDue: time due sequence rank id 0 sender 0 user 0 asset: something may
	// happen then.
	keyDue
	// keyVanished: number kind id: a due item that was settled and vanished.
	keyVanished
	// keyCorrection: number seq -> what was corrected.
	keyCorrection
	// keyCommand: number order_id 0 place: a command on one order; with an
	// empty order_id a cancel_all.
	keyCommand
	// keyOrder: number order_id -> the order now.
	keyOrder
	// keyLive: number place -> order_id of a user's live order.
	keyLive
	// keyAllLive: time sequence event_id 0 user -> number, order_id.
	keyAllLive
	// keyWindow: start currency -> statistics.
	keyWindow
	// keyWaiting: name (of a revoked grant) number place: a revoke that waits
	// for its grant.
	keyWaiting
	// keyPending: number place -> an operation that waits for the one it
	// names, in the form of keyEvent.
	keyPending
	// keyChild: user 0 id number place -> asset: what waits for an event.
	keyChild
	// keyUse: number id -> what was taken of a spend or hold.
	keyUse
	// keyCapture: number hold_id 0 place -> amount of an accepted capture. Like
	// keyUse and keyVanished it stays for ever: a refund may come any day.
	keyCapture
	// keyLiveID: order_id 0 user -> number: a live order by its id.
	keyLiveID
	// keyChapter: number place -> the chapter of an account that begins there.
	keyChapter
	// keyVolume: number place -> the volume of an account that begins there.
	keyVolume
)

// Sparse are the first bytes of the rows beside those by name that are mostly
// absent when they are asked for: of who comes for the first time.
func Sparse() []byte { return []byte{keyAccount, keyOrder} }

const (
	numberBytes = 5
	// bucketShift makes buckets of 2^20 us, about a second: due rows are read
	// up to the end of one.
	bucketShift = 20
)

// errCorruptKey says that a key isn't one that the engine wrote.
var errCorruptKey = errors.New("key is cut short or corrupt")

func bucketOf(t event.Time) int64 { return int64(t) >> bucketShift }

func appendNumber(b []byte, n uint64) []byte {
	return append(b, byte(n>>32), byte(n>>24), byte(n>>16), byte(n>>8), byte(n))
}

func numberOf(b []byte) uint64 {
	return uint64(b[0])<<32 | uint64(binary.BigEndian.Uint32(b[1:]))
}

// usualSequence is that of nearly all events, 0, in a key.
const usualSequence = "\x80"

// appendSequence keeps the order of signed numbers; nearly all are 0 and take
// one byte.
func appendSequence(b []byte, s int64) []byte {
	switch {
	case s == 0:
		return append(b, usualSequence...)
	case s > 0:
		return binary.BigEndian.AppendUint64(append(b, 0x81), uint64(s))
	}
	return binary.BigEndian.AppendUint64(append(b, 0x7f), uint64(s))
}

// sequenceBytes is how long a sequence is that begins with tag.
func sequenceBytes(tag byte) int {
	if tag == usualSequence[0] {
		return 1
	}
	return 9
}

// appendPlace appends the place of an event; of the places between events it
// takes the beginning and the end of a time.
func appendPlace(b []byte, p event.Place) []byte {
	switch p.Due {
	case event.AnEvent:
	case event.AfterAll:
		return binary.BigEndian.AppendUint64(b, uint64(p.Time)+1)
	default:
		return binary.BigEndian.AppendUint64(b, uint64(p.Time))
	}
	b = binary.BigEndian.AppendUint64(b, uint64(p.Time))
	b = appendSequence(b, p.Sequence)
	b = append(b, p.Rank)
	b = append(b, p.ID...)
	b = append(b, 0)
	return append(b, p.From...)
}

// placeIn reads the place of an event out of a key's end.
func placeIn(key string) (event.Place, bool) {
	if len(key) < 11 {
		return event.Place{}, false
	}
	p := event.Place{Due: event.AnEvent, Time: event.Time(be64(key))}
	tag := key[8]
	key = key[9:]
	if tag != 0x80 {
		if len(key) < 10 {
			return event.Place{}, false
		}
		p.Sequence = int64(be64(key))
		key = key[8:]
	}
	p.Rank = key[0]
	key = key[1:]
	for i := range len(key) {
		if key[i] == 0 {
			p.ID, p.From = key[:i], key[i+1:]
			return p, true
		}
	}
	return event.Place{}, false
}

// beginningIn reads the place out of a key's end at which something begins:
// that of an event, or the beginning of everything.
func beginningIn(key string) (event.Place, bool) {
	if key == "\x00\x00\x00\x00\x00\x00\x00\x00" {
		return event.Place{}, true
	}
	return placeIn(key)
}

func be64(s string) uint64 {
	var v uint64
	for i := range 8 {
		v = v<<8 | uint64(s[i])
	}
	return v
}

// What a name row is about; part of what is hashed.
const (
	nameEvent  = 'e'
	nameGrant  = 'g'
	nameRevoke = 'r'
)

// appendName appends the key of a name row. A SHA-256 of 16 bytes isn't
// found a second time by chance or on purpose; there would be no event of the
// other id where the row's value says.
func appendName(b []byte, what byte, user, id string, scratch []byte) []byte {
	scratch = append(scratch[:0], what)
	scratch = append(scratch, user...)
	scratch = append(scratch, 0)
	scratch = append(scratch, id...)
	sum := sha256.Sum256(scratch)
	return append(append(b, NamePrefix), sum[:16]...)
}

// appendNamed appends the value of a name row: number and place of what took
// the name, as pack's parts and short, since nearly every event has one:
//
//	number | time in short and rank | where it isn't just an event of this id:
//	sequence, id, 0, sender
func appendNamed(b []byte, id string, number uint64, p event.Place) []byte {
	b = pack.Uint(b, number)
	b = pack.Uint(b, pack.Short(int64(p.Time))<<rankBits|uint64(p.Rank))
	if p.ID == id && p.From == "" && p.Sequence == 0 {
		return b
	}
	b = append(appendSequence(b, p.Sequence), p.ID...)
	return append(append(b, 0), p.From...)
}

// rankBits are more than any rank of a kind takes; times in short leave five.
const rankBits = 4

// keyNamed is the key of the event that a name's value tells the place of.
func keyNamed(value []byte, id string) (key []byte, ok bool) {
	r := pack.NewReader(string(value))
	number, at := r.Uint(), r.Uint()
	rest := r.Rest()
	if rest == "" {
		rest = usualSequence + id + "\x00"
	}
	n := sequenceBytes(rest[0])
	if r.Failed() || len(rest) < n {
		return nil, false
	}
	key = binary.BigEndian.AppendUint64(appendNumbered(nil, keyEvent, number), uint64(pack.Long(at>>rankBits)))
	key = append(append(key, rest[:n]...), byte(at&(1<<rankBits-1)))
	return append(key, rest[n:]...), true
}

func appendAccountKey(b []byte, user, asset string) []byte {
	b = append(b, keyAccount)
	b = append(b, user...)
	b = append(b, 0)
	return append(b, asset...)
}

func appendNumbered(b []byte, prefix byte, n uint64) []byte {
	return appendNumber(append(b, prefix), n)
}

func appendPlaced(b []byte, prefix byte, n uint64, p event.Place) []byte {
	return appendPlace(appendNumbered(b, prefix, n), p)
}

// appendDueKey appends the key of a due row: they stand in the order of the
// appointments.
func appendDueKey(b []byte, p *appointment) []byte {
	b = binary.BigEndian.AppendUint64(append(b, keyDue), uint64(p.at.Time))
	b = appendSequence(append(b, byte(p.at.Due)), p.at.Sequence)
	b = append(append(b, p.at.Rank), p.at.ID...)
	b = append(append(b, 0), p.at.From...)
	b = append(append(b, 0), p.user...)
	return append(append(b, 0), p.asset...)
}

// appointmentIn reads the appointment out of a due row's key.
func appointmentIn(key []byte) (p appointment, ok bool) {
	if len(key) < 10 {
		return p, false
	}
	// But for the class, it begins with a place.
	p.at, ok = placeIn(string(slices.Concat(key[1:9], key[10:])))
	p.at.Due = event.Due(key[9])
	from, whose, found := strings.Cut(p.at.From, "\x00")
	p.at.From = from
	user, asset, complete := strings.Cut(whose, "\x00")
	p.user, p.asset = user, asset
	return p, ok && found && complete
}

func appendVanishedKey(b []byte, n uint64, p event.Place) []byte {
	return append(append(appendNumbered(b, keyVanished, n), byte(p.Due)), p.ID...)
}

// commandsPrefix is what the keys of one order's commands begin with; a place
// follows.
func commandsPrefix(n uint64, orderID string) []byte {
	return append(append(appendNumbered(nil, keyCommand, n), orderID...), 0)
}

func appendOrderKey(b []byte, n uint64, orderID string) []byte {
	return append(appendNumbered(b, keyOrder, n), orderID...)
}

func appendAllLiveKey(b []byte, p event.Place, user string) []byte {
	b = binary.BigEndian.AppendUint64(append(b, keyAllLive), uint64(p.Time))
	b = append(appendSequence(b, p.Sequence), p.ID...)
	b = append(b, 0)
	return append(b, user...)
}

// childPrefix is what the keys begin with of everything that waits for an
// event; an account's number and a place follow.
func childPrefix(b []byte, user, id string) []byte {
	b = append(append(b, keyChild), user...)
	b = append(append(b, 0), id...)
	return append(b, 0)
}

func appendChildKey(b []byte, user, id string, n uint64, p event.Place) []byte {
	return appendPlace(appendNumber(childPrefix(b, user, id), n), p)
}

func appendUseKey(b []byte, n uint64, id string) []byte {
	return append(appendNumbered(b, keyUse, n), id...)
}

func appendCaptureKey(b []byte, n uint64, holdID string, p event.Place) []byte {
	return appendPlace(append(append(appendNumbered(b, keyCapture, n), holdID...), 0), p)
}

func appendLiveIDKey(b []byte, orderID, user string) []byte {
	b = append(append(b, keyLiveID), orderID...)
	return append(append(b, 0), user...)
}

func appendWindowKey(b []byte, start event.Time, currency string) []byte {
	return append(binary.BigEndian.AppendUint64(append(b, keyWindow), uint64(start)), currency...)
}

// windowIn reads the window out of a key.
func windowIn(key []byte) (id windowID, ok bool) {
	const timeBytes = 8
	if len(key) < 1+timeBytes {
		return id, false
	}
	return windowID{event.Time(binary.BigEndian.Uint64(key[1:])), string(key[1+timeBytes:])}, true
}

// after is the first key behind key.
func after(key []byte) []byte { return append(key, 0) }

// behind is the first key behind all that begin with prefix.
func behind(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		if end[i]++; end[i] != 0 {
			return end[:i+1]
		}
	}
	return nil
}
