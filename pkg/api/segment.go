package api

import (
	"net/url"
	"strings"
)

// Segment is an id as a part of a path that a client asks for. Dots alone would
// be taken for a way up.
func Segment(id string) string {
	if id == "." || id == ".." {
		return strings.ReplaceAll(id, ".", "%2E")
	}
	return url.PathEscape(id)
}
