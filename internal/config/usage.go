package config

import (
	"fmt"
	"strings"

	"github.com/caarlos0/env/v11"
)

// Usage tells how a program is run: the environment variables, one a line, with
// their defaults.
func Usage[Program API | Worker](name string) string {
	var program Program
	variables, err := env.GetFieldParamsWithOptions(&program, env.Options{Prefix: prefix})
	if err != nil {
		return fmt.Sprintf("%s: list the configuration: %s\n", name, err)
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s takes no arguments. It is configured by TEMPORAL_* and these environment variables:\n", name)
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
	return b.String()
}
