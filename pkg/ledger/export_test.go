package ledger

import "unsafe"

// AccountBytes is the size of an Account alone.
const AccountBytes = int(unsafe.Sizeof(Account{}))
