package tools

import (
	"context"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
)

//go:embed package.json package-lock.json
var npmFiles embed.FS

func npmVersion(name string) (string, error) {
	data, err := npmFiles.ReadFile("package.json")
	if err != nil {
		return "", err
	}
	var manifest struct {
		Dependencies map[string]string `json:"dependencies"`
	}
	if err := json.Unmarshal(data, &manifest); err != nil {
		return "", fmt.Errorf("read package.json: %w", err)
	}
	version, ok := manifest.Dependencies[name]
	if !ok {
		return "", fmt.Errorf("no version is pinned for %s", name)
	}
	return version, nil
}

// npm installs all npm packages of the lock file into a folder named after its
// hash, and returns the script entry there.
func (in installer) npm(ctx context.Context, entry string) (string, error) {
	lock, err := npmFiles.ReadFile("package-lock.json")
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(lock)
	dir := filepath.Join(in.dev, "npm-"+hex.EncodeToString(sum[:6]))
	return filepath.Join(dir, "node_modules", filepath.FromSlash(entry)), in.once(ctx, dir, func(tmp string) error {
		if _, err := exec.LookPath("npm"); err != nil {
			return fmt.Errorf("azurite, maildev, the OIDC provider and DuckDB need Node.js 20 or newer with npm: %w", err)
		}
		in.say("installing npm packages for the local stack and tests (first time only, about a minute)")
		if err := os.CopyFS(tmp, npmFiles); err != nil {
			return err
		}
		cmd := exec.CommandContext(ctx, "npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
		cmd.Dir = tmp
		return in.run(cmd)
	})
}
