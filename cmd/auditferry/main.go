// Command auditferry is the command line: it verifies deliveries, without any
// access to the service, and makes signing keys.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"
)

// Exit statuses of all commands. Those of verify that tell of findings are the
// statuses of internal/manifest.
const (
	exitOK     = 0
	exitFailed = 1 // the command could not do what it was asked
	exitUsage  = 2 // it was not asked in a way that it understands
)

// version is set when the program is built for a release.
var version = ""

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	c := console{out: os.Stdout, err: os.Stderr, terminal: isTerminal(os.Stderr)}
	os.Exit(run(ctx, c, os.Args[1:]))
}

// console is where a command writes to.
type console struct {
	out, err io.Writer
	terminal bool // whether a person watches err
}

// command is one of the words that follow the program's name.
type command struct {
	name    string
	summary string
	run     func(context.Context, console, []string) error
}

func commands() []command {
	return []command{
		{"verify", "prove that a folder holds exactly what was delivered to it", runVerify},
		{"keys", "make and show the keys that manifests are signed with", runKeys},
		{"version", "print the version", runVersion},
	}
}

// run carries out one command and returns the exit status.
func run(ctx context.Context, c console, args []string) int {
	err := dispatch(ctx, c, args)
	var status *statusError
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &status):
		return status.status
	case errors.As(err, &usage):
		say(c.err, "auditferry: %s\nRun \"%s\" to see how it is used.\n", printable(usage.Error()), usage.help())
		return exitUsage
	default:
		say(c.err, "auditferry: %s\n", printable(strings.ReplaceAll(err.Error(), "\n", "; "))) // joined errors are lines
		return exitFailed
	}
}

func dispatch(ctx context.Context, c console, args []string) error {
	if len(args) == 0 {
		printUsage(c.err)
		return &statusError{exitUsage}
	}
	name, rest := args[0], args[1:]
	if name == "help" && len(rest) > 0 {
		name, rest = rest[0], []string{"-h"}
	}
	switch name {
	case "help", "-h", "-help", "--help":
		printUsage(c.out)
		return nil
	case "-v", "-version", "--version":
		name = "version"
	}
	for _, known := range commands() {
		if known.name == name {
			return known.run(ctx, c, rest)
		}
	}
	return &usageError{message: fmt.Sprintf("there is no command %q", name)}
}

func printUsage(w io.Writer) {
	say(w, "auditferry verifies what was delivered to your storage.\n\nUsage:\n  auditferry <command> [flags] [arguments]\n\nCommands:\n")
	for _, known := range commands() {
		say(w, "  %-9s %s\n", known.name, known.summary)
	}
	say(w, "\nRun \"auditferry help <command>\" for the flags, examples and exit statuses of one.\n")
}

func runVersion(_ context.Context, c console, args []string) error {
	if len(args) > 0 {
		return &usageError{command: "version", message: "takes no arguments"}
	}
	say(c.out, "auditferry %s\n", programVersion())
	return nil
}

// programVersion is the release, or else what the build knows of the source.
func programVersion() string {
	if version != "" {
		return version
	}
	info, known := debug.ReadBuildInfo()
	if !known || info.Main.Version == "" {
		return "of unknown version"
	}
	return info.Main.Version
}

// statusError ends the program with a status; what there is to say has been
// said.
type statusError struct{ status int }

func (s *statusError) Error() string { return fmt.Sprintf("exit status %d", s.status) }

// usageError is a mistake in how the program was called.
type usageError struct{ command, message string }

func (u *usageError) Error() string {
	if u.command == "" {
		return u.message
	}
	return u.command + ": " + u.message
}

// help is the command that tells how it is done right.
func (u *usageError) help() string {
	if u.command == "" {
		return "auditferry help"
	}
	return "auditferry help " + u.command
}

// parse reads the flags of a command, which may stand before and after its
// arguments, and returns the arguments. Asked for help it prints that and
// returns a statusError.
func parse(c console, flags *flag.FlagSet, help string, args []string) ([]string, error) {
	flags.SetOutput(io.Discard) // usage is long; a mistake deserves one line
	flags.Usage = func() {}
	var arguments []string
	for {
		err := flags.Parse(args)
		if errors.Is(err, flag.ErrHelp) {
			say(c.out, "%s", help)
			printFlags(c.out, flags)
			return nil, &statusError{exitOK}
		}
		if err != nil {
			return nil, &usageError{flags.Name(), err.Error()}
		}
		if flags.NArg() == 0 {
			return arguments, nil
		}
		arguments, args = append(arguments, flags.Arg(0)), flags.Args()[1:]
	}
}

func printFlags(w io.Writer, flags *flag.FlagSet) {
	first := true
	flags.VisitAll(func(f *flag.Flag) {
		if first {
			say(w, "\nFlags:\n")
			first = false
		}
		value, usage := flag.UnquoteUsage(f)
		if value != "" {
			value = " " + value
		}
		if f.DefValue != "" && f.DefValue != "0" && f.DefValue != "false" {
			usage += "; " + f.DefValue + " if left out"
		}
		say(w, "  --%s%s\n        %s\n", f.Name, value, usage)
	})
}

// say writes for people. What cannot be written to where they look is lost
// without harm: the exit status tells the outcome.
func say(w io.Writer, format string, args ...any) { _, _ = fmt.Fprintf(w, format, args...) }
