package config

import (
	"fmt"

	"go.uber.org/zap"
)

// Logger makes the program's logger: lines on standard error, as configured.
func (c Common) Logger() (*zap.Logger, error) {
	level, err := zap.ParseAtomicLevel(c.LogLevel)
	if err != nil {
		return nil, wrong("LOG_LEVEL", "must be debug, info, warn or error")
	}
	cfg := zap.NewProductionConfig()
	if c.LogFormat == "console" {
		cfg = zap.NewDevelopmentConfig()
	}
	cfg.Level = level
	cfg.Sampling = nil // a line that is missing is worse than one too many
	log, err := cfg.Build()
	if err != nil {
		return nil, fmt.Errorf("start logging: %w", err)
	}
	return log, nil
}
