package browser

import (
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/chromedp/chromedp"
)

// Visit goes to a page of the portal by its path.
func (p *Person) Visit(path string) error {
	if err := p.Do(chromedp.Navigate(p.Site + path)); err != nil {
		return fmt.Errorf("visit %s: %w", path, err)
	}
	return nil
}

// SignIn signs in at the local stack's identity provider, whose pages take any
// password, and ends on the portal's page with the path.
func (p *Person) SignIn(login, path string) error {
	if !p.noScripts {
		// On a page without times the script notes the zone, and need not load
		// the next one twice.
		if err := p.Visit("/signed-out"); err != nil {
			return err
		}
	}
	err := p.Do(
		chromedp.Navigate(p.Site+path),
		chromedp.SendKeys(chromedp.CSS(`input[name=login]`), login, chromedp.NodeVisible),
		chromedp.SendKeys(chromedp.CSS(`input[name=password]`), "anything"),
		chromedp.Click(chromedp.CSS(`button[type=submit]`)),
		chromedp.WaitVisible(chromedp.CSS(`input[name=prompt][value=consent] ~ *, form`)),
		chromedp.WaitNotPresent(chromedp.CSS(`input[name=login]`)),
		chromedp.Click(chromedp.CSS(`button[type=submit]`), chromedp.NodeVisible),
		chromedp.WaitVisible(chromedp.CSS(`header.top`)),
	)
	if err != nil {
		return fmt.Errorf("sign in as %s: %w", login, err)
	}
	return p.Until(`document.readyState === "complete"`, "the page to load")
}

// Path is where the person is now: path and query.
func (p *Person) Path() (string, error) {
	location, err := Ask(p, chromedp.Location())
	if err != nil {
		return "", err
	}
	u, err := url.Parse(location)
	if err != nil {
		return "", err
	}
	return u.RequestURI(), nil
}

// Picture writes a picture of the whole page to a PNG file; of the window alone
// where a dialog is open, which stands in the middle of that.
func (p *Person) Picture(file string) error {
	open, err := Ask(p, chromedp.Evaluate[bool](`document.querySelector("dialog[open]") !== null`))
	if err != nil {
		return fmt.Errorf("take a picture: %w", err)
	}
	if open {
		return p.Window(file)
	}
	return p.take(file, chromedp.FullScreenshot(100))
}

// Window writes a picture of what the window shows, from the top of the page.
func (p *Person) Window(file string) error {
	return p.take(file, chromedp.CaptureScreenshot())
}

func (p *Person) take(file string, picture chromedp.Action[[]byte]) error {
	// What sticks to the window is where a person who has just come finds it.
	err := p.Do(evaluate("scrollTo({ top: 0, behavior: 'instant' })"))
	var png []byte
	if err == nil {
		png, err = Ask(p, picture)
	}
	if err != nil {
		return fmt.Errorf("take a picture: %w", err)
	}
	return os.WriteFile(file, png, 0o644)
}

// Barrier is something that keeps people from using a page, as axe-core finds
// it.
type Barrier struct {
	ID     string `json:"id"`
	Impact string `json:"impact"` // minor, moderate, serious or critical
	Help   string `json:"help"`
	Where  string `json:"where"`
}

func (b Barrier) String() string {
	return fmt.Sprintf("%s (%s): %s at %s", b.ID, b.Impact, b.Help, b.Where)
}

// Contrast is axe-core's rule that depends on colors alone.
const Contrast = "color-contrast"

// Barriers has axe-core look for what WCAG 2.2 AA does not allow, and for what
// its authors think bad practice. With rules it looks for these alone.
func (p *Person) Barriers(rules ...string) ([]Barrier, error) {
	script, err := os.ReadFile(p.axe)
	if err != nil {
		return nil, fmt.Errorf("read axe-core: %w", err)
	}
	options := "{}"
	if len(rules) > 0 {
		only, err := json.Marshal(rules)
		if err != nil {
			return nil, err
		}
		options = "{ runOnly: { type: 'rule', values: " + string(only) + " } }"
	}
	const look = `axe.run(%s).then((found) => JSON.stringify(found.violations.flatMap((v) =>
		v.nodes.map((n) => ({ id: v.id, impact: v.impact, help: v.help, where: n.target.join(' ') + ' ' + n.html.slice(0, 200) })))))`
	found, err := Ask(p, chromedp.Evaluate[string](string(script)+";"+fmt.Sprintf(look, options), chromedp.EvalAwaitPromise))
	if err != nil {
		return nil, fmt.Errorf("run axe-core: %w", err)
	}
	var barriers []Barrier
	return barriers, json.NewDecoder(strings.NewReader(found)).Decode(&barriers)
}
