package tools

import (
	"context"
	"errors"
	"os"
	"os/exec"
)

// chromium finds a Chromium or Chrome and, as root on Debian and Ubuntu,
// installs one when there is none.
func (in installer) chromium(ctx context.Context) (string, error) {
	if path := findChromium(); path != "" {
		return path, nil
	}
	advice := errors.New("Chromium is missing; install it: on Debian or Ubuntu `sudo apt-get install chromium`, on macOS `brew install --cask chromium`") //nolint:staticcheck // a name
	if _, err := exec.LookPath("apt-get"); err != nil || os.Geteuid() != 0 {
		return "", advice
	}
	unlock, err := in.lock(ctx)
	if err != nil {
		return "", err
	}
	defer unlock()
	if path := findChromium(); path != "" { // the process that held the lock installed it
		return path, nil
	}
	in.say("installing Chromium with apt-get (first time only, about a minute)")
	if err := in.apt(ctx, "update", "-q"); err != nil {
		return "", err
	}
	if err := in.apt(ctx, "install", "-y", "-q", "--no-install-recommends", "chromium"); err != nil {
		return "", err
	}
	if path := findChromium(); path != "" {
		return path, nil
	}
	return "", advice
}

// findChromium is where a browser is; "" when there is none.
func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "/Applications/Chromium.app/Contents/MacOS/Chromium"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}
