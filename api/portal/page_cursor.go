package portal

import "net/url"

// more is the path of the next part of a list; "" at its end. What else the
// person asked for stays in it.
func more(v *visit, cursor string) string {
	if cursor == "" {
		return ""
	}
	query := v.c.Request.URL.Query()
	query.Set("cursor", cursor)
	return (&url.URL{Path: v.c.Request.URL.Path, RawQuery: query.Encode()}).String()
}
