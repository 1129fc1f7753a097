package config

import (
	"fmt"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Usage lists the environment variables of a program, one a line, with their
// defaults.
func Usage[Program API | Worker]() (string, error) {
	var program Program
	variables, err := env.GetFieldParamsWithOptions(&program, env.Options{Prefix: prefix})
	if err != nil {
		return "", fmt.Errorf("list the configuration: %w", err)
	}
	var b strings.Builder
	for _, v := range variables {
		switch {
		case v.Required:
			fmt.Fprintf(&b, "  %s (required)\n", v.Key)
		case v.HasDefaultValue:
			fmt.Fprintf(&b, "  %s (default %s)\n", v.Key, v.DefaultValue)
		default:
			fmt.Fprintf(&b, "  %s\n", v.Key)
		}
	}
	return b.String(), nil
}
