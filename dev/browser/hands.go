package browser

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/chromedp/cdproto/input"
	"github.com/chromedp/chromedp"
)

// findScript finds things by what they are called.
//
//go:embed find.js
var findScript string

// lookEvery is how often a person looks again for what is not there yet.
const lookEvery = 50 * time.Millisecond

// The kinds of things that find.js finds.
const (
	press  = "press"  // links, buttons, tabs, menus
	field  = "field"  // to type into or select from
	choice = "choice" // radio buttons and boxes to check
)

// thing is something on a page as find.js answers.
type thing struct {
	Reason  string  `json:"reason"` // why it cannot be used; "" if it can
	X       float64 `json:"x"`
	Y       float64 `json:"y"`
	Value   string  `json:"value"`
	Checked bool    `json:"checked"`
	Type    string  `json:"type"`
	Leads   bool    `json:"leads"` // to another page
	Dialog  bool    `json:"dialog"`
	Close   bool    `json:"close"`
	Submits bool    `json:"submits"`
}

// In is the person looking at one piece of the page alone: the smallest row,
// section or form that says so.
func (p *Person) In(text string) *Person {
	return &Person{window: p.window, Site: p.Site, within: text}
}

// Click clicks a link, button, tab or menu by its name, and waits until the
// page or dialog that it leads to is there. Exact names come before beginnings.
func (p *Person) Click(name string) error {
	found, err := p.find(press, name)
	if err != nil {
		return fmt.Errorf("click %q: %w", name, err)
	}
	if err := p.Do(chromedp.MouseClickXY(found.X, found.Y)); err != nil {
		return fmt.Errorf("click %q: %w", name, err)
	}
	left := "!window.auditferryPressed"
	switch {
	case found.Submits:
		// The form came again with what is wrong, or says that nothing has come back.
		left += " || !auditferryPressed.isConnected || document.querySelector('dialog [data-problem]') !== null"
	case found.Close:
		left += " || !document.querySelector('dialog[open]')"
	case found.Dialog:
		left += " || document.querySelector('dialog[open] form') !== null"
	case !found.Leads:
		return nil
	}
	if err := p.Until(left, "something to follow"); err != nil {
		return fmt.Errorf("click %q: %w", name, err)
	}
	return p.Until(`document.readyState === "complete"`, "the page to load")
}

// Fill types a value into a field, in place of what stands there.
func (p *Person) Fill(label, value string) error {
	found, err := p.find(field, label)
	if err != nil {
		return fmt.Errorf("fill %q: %w", label, err)
	}
	var typed error
	switch found.Type {
	case "text", "search", "email", "url", "number", "textarea", "password":
		typed = p.Do(
			evaluate(`auditferryPressed.focus(); auditferryPressed.select()`),
			chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
				if value == "" {
					return chromedp.Do(ctx, chromedp.KeyEvent("\b"))
				}
				return tell(ctx, t, input.InsertText, input.InsertTextParams{Text: value})
			}),
		)
	default: // dates and times have keyboards of their own, which differ by language
		typed = p.set("auditferryPressed.value = " + quoted(value))
	}
	if typed != nil {
		return fmt.Errorf("fill %q: %w", label, typed)
	}
	return nil
}

// Choose chooses a radio button by its label.
func (p *Person) Choose(label string) error { return p.tick("choose", label, true) }

// Tick checks a box by its label.
func (p *Person) Tick(label string) error { return p.tick("tick", label, true) }

// Untick unchecks a box by its label.
func (p *Person) Untick(label string) error { return p.tick("untick", label, false) }

func (p *Person) tick(what, label string, to bool) error {
	found, err := p.find(choice, label)
	if err == nil && found.Checked != to {
		err = p.Do(chromedp.MouseClickXY(found.X, found.Y))
	}
	if err != nil {
		return fmt.Errorf("%s %q: %w", what, label, err)
	}
	return nil
}

// Select selects an option of a field by the beginning of what it says.
func (p *Person) Select(label, option string) error {
	_, err := p.find(field, label)
	if err == nil {
		err = p.set(fmt.Sprintf(`const at = [...auditferryPressed.options].findIndex((o) => o.text.trim().startsWith(%s));
			if (at < 0) throw new Error('there is no such option');
			auditferryPressed.selectedIndex = at`, quoted(option)))
	}
	if err != nil {
		return fmt.Errorf("select %q in %q: %w", option, label, err)
	}
	return nil
}

// Press presses a key, such as kb.Tab.
func (p *Person) Press(key string) error { return p.Do(chromedp.KeyEvent(key)) }

// set changes a field and has the page hear of it.
func (p *Person) set(change string) error {
	return p.Do(evaluate(fmt.Sprintf(`{ %s; for (const heard of ['input', 'change']) auditferryPressed.dispatchEvent(new Event(heard, { bubbles: true })) }`, change)))
}

// find waits until there is one usable thing with the name.
func (p *Person) find(kind, name string) (thing, error) {
	wanted, err := json.Marshal(map[string]string{"kind": kind, "name": name, "within": p.within})
	if err != nil {
		return thing{}, err
	}
	var found thing
	err = p.poll(func() (string, error) {
		found, err = Ask(p, chromedp.Evaluate[thing]("("+findScript+")("+string(wanted)+")"))
		return found.Reason, err
	})
	return found, err
}

// Until waits until a condition of the page, in its script's words, holds.
func (p *Person) Until(condition, what string) error {
	return p.poll(func() (string, error) {
		holds, err := Ask(p, chromedp.Evaluate[bool]("Boolean("+condition+")"))
		if err != nil || holds {
			return "", err
		}
		return "waited for " + what, nil
	})
}

// poll looks until there is nothing to wait for. A page that is just being left
// answers with errors, so these are looked at again, too.
func (p *Person) poll(look func() (reason string, err error)) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	ticker := time.NewTicker(lookEvery)
	defer ticker.Stop()
	for {
		reason, err := look()
		if err == nil && reason == "" {
			return nil
		}
		select {
		case <-ctx.Done():
			path, _ := p.Path() // says more, if it can be had
			return errors.Join(fmt.Errorf("on %s: %s", path, reason), err)
		case <-ticker.C:
		}
	}
}

func evaluate(script string) chromedp.Action[chromedp.Void] {
	return chromedp.Evaluate[chromedp.Void](script)
}

func quoted(text string) string {
	data, _ := json.Marshal(text) // strings always can be
	return string(data)
}

// Expect says which answers with an error are meant from now on: browsers
// complain of every answer from 400 on.
func (p *Person) Expect(statuses ...int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.expected = statuses
}
