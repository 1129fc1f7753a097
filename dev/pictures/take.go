package pictures

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/dev/stack"
)

// looks are how the pages are looked at, by the name of the folder.
var looks = []struct {
	Name string
	Look browser.Look
}{
	{"light", browser.Look{Zone: "Europe/Berlin"}},
	{"dark", browser.Look{Zone: "Europe/Berlin", Dark: true}},
	{"phone", browser.Look{Zone: "Europe/Berlin", Phone: true}},
}

// Take starts a stack with a scene and writes a picture of every page to
// dir/<look>/<name>.png. The files' names go to out, what the stack says to log.
func Take(ctx context.Context, out, log io.Writer, dir string) (err error) {
	s, err := stack.Start(ctx, stack.Options{Log: log, Env: SceneEnv()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	chromium, err := browser.Start(ctx, log)
	if err != nil {
		return err
	}
	defer chromium.Stop()
	scene, err := NewScene(ctx, s, "acme")
	if err != nil {
		return err
	}
	if err := s.OIDC.SetUsers(scene.Users); err != nil {
		return err
	}
	pages, err := scene.Pages(ctx)
	if err != nil {
		return err
	}
	for _, look := range looks {
		folder := filepath.Join(dir, look.Name)
		if err := os.RemoveAll(folder); err != nil {
			return err
		}
		if err := os.MkdirAll(folder, 0o755); err != nil {
			return err
		}
		for _, who := range []string{"", Outsider, Admin, Viewer, Operator} {
			if err := scene.take(chromium, who, look.Look, pages, folder, out); err != nil {
				return fmt.Errorf("%s: %w", look.Name, err)
			}
		}
	}
	return nil
}

// take writes the pictures of the pages that one person sees.
func (o *Scene) take(chromium *browser.Browser, who string, look browser.Look, pages []Page, folder string, out io.Writer) error {
	person, err := chromium.Open(o.Stack.API.URL, look)
	if err != nil {
		return err
	}
	defer person.Close()
	if who != "" {
		if err := person.SignIn(o.Login(who), "/account"); err != nil {
			return err
		}
	}
	for _, page := range pages {
		if page.Who != who {
			continue
		}
		if err := page.Open(person); err != nil {
			return fmt.Errorf("%s: %w", page.Name, err)
		}
		file := filepath.Join(folder, page.Name+".png")
		if err := person.Picture(file); err != nil {
			return fmt.Errorf("%s: %w", page.Name, err)
		}
		if _, err := fmt.Fprintln(out, file); err != nil {
			return err
		}
	}
	return nil
}
