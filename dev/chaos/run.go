package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
)

const (
	resultFile = ".dev/chaos.json"
	logFile    = ".dev/chaos.log"
)

// Run is the command: it plays as the arguments say, tells it on out, writes
// .dev/chaos.json, and returns an error unless the product held. The servers'
// log is in .dev/chaos.log.
func Run(ctx context.Context, out io.Writer, args []string) (err error) {
	o := Full()
	flags := flag.NewFlagSet("chaos", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Uint64Var(&o.Seed, "seed", rand.Uint64N(1_000_000), "what all chance comes from; chosen by chance when left out") // #nosec G404 -- to be repeated, not to be kept secret
	flags.IntVar(&o.Kills, "kills", o.Kills, "how many kills there are to be")
	flags.DurationVar(&o.Every, "every", o.Every, "pause between two kills, on average")
	flags.IntVar(&o.Orgs, "orgs", o.Orgs, "organizations, with three exports each")
	flags.DurationVar(&o.Settle, "settle", o.Settle, "how long everything may take to be delivered afterwards")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(resultFile), 0o750); err != nil {
		return fmt.Errorf("prepare for the result: %w", err)
	}
	log, err := os.Create(logFile)
	if err != nil {
		return fmt.Errorf("prepare for the log: %w", err)
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	o.Log, o.Out = log, out
	_, _ = fmt.Fprintf(out, "Starting a fresh local stack, seed %d. The first time, its tools are built, which takes some minutes.\n", o.Seed)
	result, err := Play(ctx, o)
	if err != nil {
		result.fail("%s", err)
		result.OK = false
	}
	return errors.Join(err, result.Print(out), write(result), verdict(result))
}

func write(result Result) error {
	data, err := json.MarshalIndent(result, "", "  ")
	if err == nil {
		err = os.WriteFile(resultFile, append(data, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write %s: %w", resultFile, err)
	}
	return nil
}

func verdict(result Result) error {
	if result.OK {
		return nil
	}
	return fmt.Errorf("chaos has found something; see %s, and %s for what the programs said", resultFile, logFile)
}
