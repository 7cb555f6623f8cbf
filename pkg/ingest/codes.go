package ingest

import (
	"net/http"
	"slices"

	"highwater/pkg/event"
)

// codeAnswer is how a code is answered.
type codeAnswer struct {
	status int
	// detail says what is wrong and what to do.
	detail string
}

// Words that several details end with.
const (
	anotherID = "; what was decided stays: to try again, send another event_id"
	sameID    = "; nothing took the event_id: mend the event and send it again with it"
)

// answers has every code; docs/codes.md is its table for people.
var answers = map[event.Code]codeAnswer{
	event.Malformed:         {http.StatusBadRequest, "no event can be read" + sameID},
	event.Invalid:           {http.StatusUnprocessableEntity, "the event breaks a rule" + sameID},
	event.WrongPartition:    {http.StatusInternalServerError, "the event was written to another partition than its user's; tell whoever runs this service"},
	event.FromTheFuture:     {http.StatusUnprocessableEntity, "occurred_at is later than the clock allows" + sameID},
	event.TooOld:            {http.StatusUnprocessableEntity, "occurred_at is older than is still taken" + sameID},
	event.EventConflict:     {http.StatusConflict, "the user has another event of this event_id, which stands; send this one with an event_id of its own"},
	event.GrantExists:       {http.StatusConflict, "the user has another grant of this grant_id, which stands" + anotherID},
	event.AmountOverflow:    {http.StatusConflict, "the total of this user and asset would pass 2^62" + anotherID},
	event.UnknownReference:  {http.StatusNotFound, "what the event names isn't there, or is of another asset" + anotherID},
	event.NotASpend:         {http.StatusConflict, "what the event names is of the wrong kind, or was rejected" + anotherID},
	event.BeforeReference:   {http.StatusConflict, "the event's place is before what it names: give it a later occurred_at, or at the same time a higher sequence" + anotherID},
	event.HoldResolved:      {http.StatusConflict, "nothing is left in the hold" + anotherID},
	event.HoldIsExpired:     {http.StatusConflict, "the hold had timed out by then" + anotherID},
	event.ExceedsHeld:       {http.StatusConflict, "the hold has less left than the amount" + anotherID},
	event.AlreadyRefunded:   {http.StatusConflict, "nothing is left to refund" + anotherID},
	event.ExceedsRefundable: {http.StatusConflict, "less is left to refund than the amount" + anotherID},
	event.RiskLimited:       {http.StatusTooManyRequests, "a limit of this installation's policies is reached" + anotherID},
	event.InsufficientFunds: {http.StatusPaymentRequired, "there are not enough credits at that time" + anotherID},
	event.UnknownOrder:      {http.StatusNotFound, "no such order is live at that time" + anotherID},
	event.NotActive:         {http.StatusConflict, "the order is not active at that time" + anotherID},
	event.NotPaused:         {http.StatusConflict, "the order is not paused at that time" + anotherID},
	event.DuplicateOrder:    {http.StatusConflict, "an order of this order_id is live at that time" + anotherID},
	event.AmbiguousOrder:    {http.StatusConflict, "several users have a live order of this order_id: name the user"},
	event.Quarantined:       {http.StatusConflict, "a person had this record put aside; nothing took the event_id, so that the event can be sent again with it"},
	event.UnknownSchema:     {http.StatusInternalServerError, "the processors don't find the schema that this service writes with; tell whoever runs it"},
}

// codesOf are the codes that a decided operation may be answered with, by
// status.
func codesOf(k event.Kind) map[int][]string {
	codes := []event.Code{event.Malformed, event.Invalid, event.WrongPartition, event.FromTheFuture, event.TooOld, event.EventConflict, event.Quarantined}
	switch k {
	case event.Spend, event.Hold, event.Transfer:
		codes = append(codes, event.AmountOverflow, event.RiskLimited, event.InsufficientFunds)
	case event.Refund:
		codes = append(codes, event.UnknownReference, event.NotASpend, event.BeforeReference, event.AlreadyRefunded, event.ExceedsRefundable)
	case event.Capture:
		codes = append(codes, event.UnknownReference, event.NotASpend, event.BeforeReference, event.HoldResolved, event.HoldIsExpired, event.ExceedsHeld)
	case event.Release:
		codes = append(codes, event.UnknownReference, event.NotASpend, event.BeforeReference, event.HoldResolved, event.HoldIsExpired)
	case event.PlaceOrder:
		codes = append(codes, event.DuplicateOrder, event.RiskLimited)
	case event.Pause:
		codes = append(codes, event.UnknownOrder, event.NotActive)
	case event.Resume:
		codes = append(codes, event.UnknownOrder, event.NotPaused)
	case event.Cancel:
		codes = append(codes, event.UnknownOrder)
	}
	slices.Sort(codes)
	byStatus := make(map[int][]string)
	for _, c := range codes {
		byStatus[answers[c].status] = append(byStatus[answers[c].status], c.String())
	}
	return byStatus
}
