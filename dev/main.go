// Command dev runs Auditferry on one machine for people who develop or try it.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/auditferry/auditferry/dev/tools"
)

const usage = `usage: go run ./dev <command>

  tool NAME ...   get the pinned tools that are missing and print where they are
`

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "dev:", err)
		stop()
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		return errors.New(usage)
	}
	switch args[0] {
	case "tool":
		return tool(ctx, args[1:])
	default:
		return fmt.Errorf("there is no command %q\n%s", args[0], usage)
	}
}

// tool prints one path a line, in the order of the names.
func tool(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return fmt.Errorf("name a tool: %s", strings.Join(tools.Names(), ", "))
	}
	paths, err := tools.Ensure(ctx, os.Stderr, names...)
	if err != nil {
		return err
	}
	for _, name := range names {
		fmt.Println(paths[name])
	}
	return nil
}
