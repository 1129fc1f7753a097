// Command dev runs Auditferry on one machine for people who develop or try it.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/auditferry/auditferry/dev/chaos"
	"github.com/auditferry/auditferry/dev/demo"
)

const usage = `usage: go run ./dev <command>

  up           start everything, make an organization, and run until Ctrl-C
  demo         play the whole story on a fresh stack and check what was delivered
  chaos        kill and disturb everything on a fresh stack, then count; -h lists its flags
  screenshots  write a picture of every page of the portal into .dev/screenshots
  clean        remove what up keeps between its runs

For docker-compose.yml, where other containers run the servers:

  clouds DIR   run the cloud simulator
  seed DIR     make the organizations
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
		return fmt.Errorf("name a command\n%s", usage)
	}
	switch args[0] {
	case "up":
		return up(ctx)
	case "demo":
		return demo.Run(ctx, os.Stdout)
	case "chaos":
		return chaos.Run(ctx, os.Stdout, args[1:])
	case "screenshots":
		return screenshots(ctx)
	case "clean":
		return clean()
	case "clouds":
		return clouds(ctx, args[1:])
	case "seed":
		return seedAttached(ctx, args[1:])
	default:
		return fmt.Errorf("there is no command %q\n%s", args[0], usage)
	}
}
