package schemas

import _ "embed"

// OpenAPI is the HTTP contract, an OpenAPI 3.0 document in YAML.
//
//go:embed openapi.yaml
var OpenAPI []byte
