package api

import "net/http"

// Route is one method of one path: what it does, and what the document says
// of it.
type Route struct {
	Method string
	// Path is a pattern of [http.ServeMux], without a method.
	Path string
	// Tag groups routes in the document.
	Tag string
	// Summary is one line, Description more of it.
	Summary, Description string
	// Query are all query parameters that the route takes (I2).
	Query []Param
	// PathParams describe the path's wildcards that [Info.PathParams] doesn't.
	PathParams []Param
	Headers    []Param
	Body       *Body
	// Answers are those that aren't problems, the usual one first.
	Answers []Answer
	// Problems are the statuses of problems beside 400, 404 of the path, and 500.
	Problems []int
	// Codes are the codes that problems of a status have, where the document is
	// to list them.
	Codes map[int][]string
	// Serve answers. An error that is a *Problem is answered as it is, any other
	// one is logged and answered as internal. A Serve that has begun to answer
	// returns nil, or aborts.
	Serve func(w http.ResponseWriter, r *http.Request, p *Params) error
}

// Param is a parameter in the query, the path or the headers.
type Param struct {
	Name        string
	Description string
	Required    bool
	Schema      Schema
}

// Body is what a request carries.
type Body struct {
	Description string
	Optional    bool
	// Types are the content types by preference.
	Types []Content
}

// Answer is what a route gives back.
type Answer struct {
	Status      int
	Description string
	// Types are the content types; none is an answer without a body.
	Types   []Content
	Headers []Param
}

// Content is one content type and what it holds.
type Content struct {
	Type   string
	Schema Schema
	// Example is shown in the document where it isn't nil.
	Example any
}

// JSON is a body of application/json.
func JSON(s Schema) []Content { return []Content{{Type: "application/json", Schema: s}} }

// List is a page of a list.
func List(item Schema) Schema {
	return Object("One page.",
		Property{Name: "items", Schema: Array(item, "The items of this page.")},
		Property{Name: "next_cursor", Schema: Text("Where the next page begins; null where this is the last one.").OrNull()},
	)
}
