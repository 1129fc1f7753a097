// Package tools pins the programs that development and tests need, and gets
// them: Go programs are built once from their modules, npm packages installed
// once from the lock file beside this one, both under the git-ignored .dev
// folder; Postgres and Chromium are the system's.
package tools

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
)

// The tools' names.
const (
	Temporal      = "temporal"
	VersityGW     = "versitygw"
	FakeGCS       = "fake-gcs-server"
	GolangCILint  = "golangci-lint"
	Workflowcheck = "workflowcheck"
	Rclone        = "rclone"
	Azurite       = "azurite"
	MailDev       = "maildev"
	OIDCProvider  = "oidc-provider"
	DuckDB        = "@duckdb/node-api"
	Postgres      = "postgres"
	Toxiproxy     = "toxiproxy"
	Chromium      = "chromium"
	Axe           = "axe-core"
)

// goTool is a program that is built from a Go module.
type goTool struct {
	name    string
	pkg     string
	version string
	minutes int // what the first build takes on two cores, for the message
}

var goTools = []goTool{
	// Later releases carry a replace directive, which go install refuses.
	{Temporal, "github.com/temporalio/cli/cmd/temporal", "v1.5.1", 3},
	{VersityGW, "github.com/versity/versitygw/cmd/versitygw", "v1.8.0", 2},
	{FakeGCS, "github.com/fsouza/fake-gcs-server", "v1.56.1", 2},
	{Toxiproxy, "github.com/Shopify/toxiproxy/v2/cmd/server", "v2.5.0", 1},
	{GolangCILint, "github.com/golangci/golangci-lint/v2/cmd/golangci-lint", "v2.15.0", 3},
	{Workflowcheck, "go.temporal.io/sdk/contrib/tools/workflowcheck", "v0.6.0", 1},
	{Rclone, "github.com/rclone/rclone", "v1.76.0", 3}, // what the benchmarks compare with
}

// npmEntries are the scripts, inside node_modules, that node is to run or
// import. The versions stand in package.json.
var npmEntries = map[string]string{
	Azurite:      "azurite/dist/src/blob/main.js",
	MailDev:      "maildev/dist/bin/maildev.js",
	OIDCProvider: "oidc-provider/lib/index.js",
	DuckDB:       "@duckdb/node-api/lib/index.js",
	Axe:          "axe-core/axe.min.js",
}

// Names lists every tool.
func Names() []string {
	names := []string{Azurite, MailDev, OIDCProvider, DuckDB, Axe, Postgres, Chromium}
	for _, t := range goTools {
		names = append(names, t.name)
	}
	return names
}

// Version is the version at which a tool is pinned. Postgres, the system's, is
// an error.
func Version(name string) (string, error) {
	for _, t := range goTools {
		if t.name == name {
			return t.version, nil
		}
	}
	return npmVersion(name)
}

// Ensure gets the tools that are missing, which may take minutes and is then
// told on log, and returns where each is: an executable, for npm packages a
// script for node, for Postgres the folder of its server programs. Several
// processes may call it at once; one of them works, the others wait.
func Ensure(ctx context.Context, log io.Writer, names ...string) (map[string]string, error) {
	root, err := Root()
	if err != nil {
		return nil, err
	}
	in := installer{root: root, dev: filepath.Join(root, ".dev"), log: log}
	paths := make(map[string]string, len(names))
	for _, name := range names {
		if paths[name], err = in.ensure(ctx, name); err != nil {
			return nil, fmt.Errorf("get %s: %w", name, err)
		}
	}
	return paths, nil
}

// Root is the folder of the checkout: the nearest one upwards from the working
// directory that has a go.mod.
func Root() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", fmt.Errorf("find the checkout: %w", err)
	}
	for at := dir; ; at = filepath.Dir(at) {
		if _, err := os.Stat(filepath.Join(at, "go.mod")); err == nil {
			return at, nil
		}
		if at == filepath.Dir(at) {
			return "", fmt.Errorf("find the checkout: no go.mod in %s or above", dir)
		}
	}
}

type installer struct {
	root, dev string
	log       io.Writer
}

func (in installer) ensure(ctx context.Context, name string) (string, error) {
	if name == Postgres {
		return in.postgres(ctx)
	}
	if name == Chromium {
		return in.chromium(ctx)
	}
	if entry, ok := npmEntries[name]; ok {
		return in.npm(ctx, entry)
	}
	i := slices.IndexFunc(goTools, func(t goTool) bool { return t.name == name })
	if i < 0 {
		return "", fmt.Errorf("there is no such tool; known are %v", Names())
	}
	return in.build(ctx, goTools[i])
}

// build compiles a Go tool into a folder named after its version, so that
// another pin is another folder.
func (in installer) build(ctx context.Context, t goTool) (string, error) {
	dir := filepath.Join(in.dev, "bin", t.name+"-"+t.version)
	program := filepath.Join(dir, path.Base(t.pkg))
	return program, in.once(ctx, dir, func(tmp string) error {
		in.say("building %s %s (first time only, up to %d minutes)", t.name, t.version, t.minutes)
		cmd := exec.CommandContext(ctx, "go", "install", t.pkg+"@"+t.version)
		cmd.Env = append(os.Environ(), "GOBIN="+tmp)
		cmd.Dir = tmp // outside of our module, whose go.mod must not matter
		return in.run(cmd)
	})
}

// Build compiles a program of this checkout, such as "./api", and returns where
// it is. When nothing has changed since the last time it takes a second.
func Build(ctx context.Context, log io.Writer, pkg string) (string, error) {
	root, err := Root()
	if err != nil {
		return "", err
	}
	in := installer{root: root, dev: filepath.Join(root, ".dev"), log: log}
	program := filepath.Join(in.dev, "bin", path.Base(pkg))
	unlock, err := in.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if !exists(program) {
		in.say("building %s (the first time takes up to a minute)", pkg)
	}
	cmd := exec.CommandContext(ctx, "go", "build", "-o", program, pkg)
	cmd.Dir = root
	if err := in.run(cmd); err != nil {
		return "", fmt.Errorf("build %s: %w", pkg, err)
	}
	return program, nil
}

// once fills dir with fill unless it is there. The folder appears whole or not
// at all, so an interrupted attempt is repeated.
func (in installer) once(ctx context.Context, dir string, fill func(tmp string) error) error {
	if exists(dir) {
		return nil
	}
	unlock, err := in.lock(ctx)
	if err != nil {
		return err
	}
	defer unlock()
	if exists(dir) {
		return nil
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	tmp, err := os.MkdirTemp(filepath.Dir(dir), ".unfinished-")
	if err != nil {
		return err
	}
	err = fill(tmp)
	if err == nil {
		err = os.Chmod(tmp, 0o755)
	}
	if err == nil {
		err = os.Rename(tmp, dir)
	}
	if err != nil {
		return errors.Join(err, os.RemoveAll(tmp))
	}
	return nil
}

// run shows a command's output only when it fails: downloads and warnings of
// other people's packages help nobody otherwise.
func (in installer) run(cmd *exec.Cmd) error {
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", cmd, err, out)
	}
	return nil
}

func (in installer) say(format string, args ...any) {
	_, _ = fmt.Fprintf(in.log, "tools: "+format+"\n", args...) // a lost progress line stops nothing
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
