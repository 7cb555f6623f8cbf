package state

import (
	"io"

	"highwater/pkg/engine"
)

// The engine's seam. It is asserted here and not in the package, so that who
// needs rows without an engine doesn't build one.
var (
	_ engine.Rows   = (*Rows)(nil)
	_ engine.Reader = (*Snapshot)(nil)
	_ io.Closer     = (*Snapshot)(nil)
)
