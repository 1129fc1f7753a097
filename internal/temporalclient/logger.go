package temporalclient

import (
	"go.temporal.io/sdk/log"
	"go.uber.org/zap"
)

// logger writes the SDK's log lines, and those of workflows and activities, to
// zap.
type logger struct{ sugar *zap.SugaredLogger }

var (
	_ log.Logger          = logger{}
	_ log.WithLogger      = logger{}
	_ log.WithSkipCallers = logger{}
)

func newLogger(to *zap.Logger) logger {
	// One frame is ours: the caller is whoever called the methods below.
	return logger{to.WithOptions(zap.AddCallerSkip(1)).Sugar()}
}

// Debug writes a line that only developers want.
func (l logger) Debug(msg string, keyvals ...any) { l.sugar.Debugw(msg, keyvals...) }

// Info writes a line about the normal course of things.
func (l logger) Info(msg string, keyvals ...any) { l.sugar.Infow(msg, keyvals...) }

// Warn writes a line about what went wrong and will be tried again.
func (l logger) Warn(msg string, keyvals ...any) { l.sugar.Warnw(msg, keyvals...) }

// Error writes a line about what went wrong.
func (l logger) Error(msg string, keyvals ...any) { l.sugar.Errorw(msg, keyvals...) }

// With keeps the pairs as zap fields instead of joining them on every line.
func (l logger) With(keyvals ...any) log.Logger { return logger{l.sugar.With(keyvals...)} }

// WithCallerSkip lets the SDK hide its own frames, so that a line from a
// workflow names the workflow's file.
func (l logger) WithCallerSkip(depth int) log.Logger {
	return logger{l.sugar.WithOptions(zap.AddCallerSkip(depth))}
}
