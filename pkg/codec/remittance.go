package codec

import (
	"fmt"

	"highwater/pkg/event"
	"highwater/pkg/pack"
)

// A remittance, version 1, as pack's parts. It travels between the shards
// alone, in the internal transfers topic:
//
//	version | from | to | event_id | asset | occurred_at | sequence
//	| arrived_at | the input's topic byte, partition, offset
//	| grants: count, (amount, expires_at+1, priority)
const remittanceVersion = 1

// AppendRemittance appends what a transfer sends.
func AppendRemittance(b []byte, r *event.Remittance) []byte {
	b = append(b, remittanceVersion)
	b = pack.String(b, r.From)
	b = pack.String(b, r.To)
	b = pack.String(b, r.EventID)
	b = pack.String(b, r.Asset)
	b = pack.Uint(b, uint64(r.OccurredAt))
	b = pack.Int(b, r.Sequence)
	b = pack.Uint(b, uint64(r.ArrivedAt))
	b = append(b, byte(r.Input.Topic))
	b = pack.Uint(b, uint64(r.Input.Partition))
	b = pack.Uint(b, uint64(r.Input.Offset))
	b = pack.Uint(b, uint64(len(r.Grants)))
	for i := range r.Grants {
		g := &r.Grants[i]
		b = pack.Uint(b, uint64(g.Amount))
		b = pack.Uint(b, uint64(g.ExpiresAt+1))
		b = pack.Uint(b, uint64(g.Priority))
	}
	return b
}

// DecodeRemittance reads what a transfer sends. It keeps the memory of r's
// grants.
func DecodeRemittance(value []byte, r *event.Remittance) error {
	p := pack.NewReader(string(value))
	if v := p.Byte(); v != remittanceVersion {
		return fmt.Errorf("remittance of version %d: this program reads version %d", v, remittanceVersion)
	}
	*r = event.Remittance{
		From: p.String(), To: p.String(), EventID: p.String(), Asset: p.String(),
		OccurredAt: event.Time(p.Uint()), Sequence: p.Int(), ArrivedAt: event.Time(p.Uint()),
		Input:  event.Position{Topic: event.Topic(p.Byte()), Partition: int32(p.Uint()), Offset: int64(p.Uint())},
		Grants: r.Grants[:0],
	}
	for range p.Count(3) {
		r.Grants = append(r.Grants, event.RemittedGrant{
			Amount: event.Amount(p.Uint()), ExpiresAt: event.Time(p.Uint()) - 1, Priority: int32(p.Uint()),
		})
	}
	if err := p.Close(); err != nil {
		return fmt.Errorf("remittance: %w", err)
	}
	if r.From == "" || r.To == "" || r.EventID == "" || len(r.Grants) == 0 || r.Input.Topic != event.Ledger {
		return fmt.Errorf("remittance of %q from %q to %q is incomplete", r.EventID, r.From, r.To)
	}
	return nil
}
