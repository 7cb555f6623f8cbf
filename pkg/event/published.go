package event

// MaxListBytes bounds about how many bytes the slices and repayments of one
// result take in a record: Kafka's producers take records of up to 8 MiB, and a
// correction may hold two such results, before and after.
const MaxListBytes = 3 << 20

// partBytes is the most that a slice or a repayment takes beside its ids.
const partBytes = 24

// Omitted is how many slices and repayments a result lacks as it was
// published, at the ends of its lists.
type Omitted struct{ Slices, Repaid int32 }

// Published is the result as records have it: itself, or where its lists are
// longer than MaxListBytes, a copy with the first slices, then the first
// repayments, that this holds. What was published once is published the same
// ever after.
func (r *Result) Published() *Result {
	left := MaxListBytes
	slices, repaid := 0, 0
	for ; slices < len(r.Slices); slices++ {
		if left -= partBytes + len(r.Slices[slices].GrantID); left < 0 {
			break
		}
	}
	for ; repaid < len(r.Repaid) && left >= 0; repaid++ {
		if left -= partBytes + len(r.Repaid[repaid].EventID) + len(r.Repaid[repaid].GrantID); left < 0 {
			break
		}
	}
	if left >= 0 {
		return r
	}
	cut := *r
	cut.Slices, cut.Repaid = r.Slices[:slices], r.Repaid[:repaid]
	cut.Omitted.Slices += int32(len(r.Slices) - slices)
	cut.Omitted.Repaid += int32(len(r.Repaid) - repaid)
	return &cut
}
