package engine

import (
	"testing"
	"unsafe"

	"highwater/pkg/event"
	"highwater/pkg/ledger"
)

// What estimates of memory are made of is about as large as the types are.
func TestEstimatesFollowTypes(t *testing.T) {
	for _, c := range []struct {
		name      string
		estimate  int
		size      uintptr
		something int
	}{
		{"userBytes", userBytes, unsafe.Sizeof(user{}), 64},
		{"accountBytes", accountBytes, unsafe.Sizeof(account{}), 0},
		{"checkBytes", checkBytes, unsafe.Sizeof(ledgerCheck{}), 0},
		{"stateBytes", stateBytes, unsafe.Sizeof(ledger.Account{}), 0},
		{"placedBytes", placedBytes, unsafe.Sizeof(event.Placed{}), 0},
		{"placeBytes", placeBytes, unsafe.Sizeof(event.Place{}), 0},
		{"seldomBytes", seldomBytes, unsafe.Sizeof(seldom{}) + unsafe.Sizeof(recent{}), 0},
		{"bookBytes", bookBytes, unsafe.Sizeof(book{}), 0},
		{"openBytes", openBytes, unsafe.Sizeof(openCommand{}), 0},
		{"orderBytes", orderBytes, unsafe.Sizeof(tracked{}) + unsafe.Sizeof(event.Terms{}), 16},
	} {
		if want := int(c.size) + c.something; c.estimate < want*9/10 || c.estimate > want*11/10 {
			t.Errorf("%s is %d, but should be %d", c.name, c.estimate, want)
		}
	}
}
