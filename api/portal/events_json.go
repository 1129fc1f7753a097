package portal

import (
	"bytes"
	"encoding/json"
)

// maxIndented is how deep JSON may be nested to be laid out for people. What is
// deeper nobody reads, and its indentation would be many times as long as the
// event itself.
const maxIndented = 32

// indented lays out JSON, or leaves what is nested too deep as it is. Members
// keep their order, and numbers and texts their bytes.
func indented(raw json.RawMessage) string {
	var out bytes.Buffer
	if depthOf(raw) > maxIndented || json.Indent(&out, raw, "", "  ") != nil {
		return string(raw)
	}
	return out.String()
}

// depthOf is how deep the arrays and objects of valid JSON are nested.
func depthOf(raw []byte) (deepest int) {
	depth, quoted := 0, false
	for i := 0; i < len(raw); i++ {
		switch c := raw[i]; {
		case quoted && c == '\\':
			i++
		case c == '"':
			quoted = !quoted
		case quoted:
		case c == '{' || c == '[':
			depth++
			deepest = max(deepest, depth)
		case c == '}' || c == ']':
			depth--
		}
	}
	return deepest
}
