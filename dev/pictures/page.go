package pictures

import (
	"fmt"

	"github.com/chromedp/chromedp"

	"github.com/auditferry/auditferry/dev/browser"
)

// Page is one page of the portal as one person sees it.
type Page struct {
	Name string // of its picture
	Who  string // Admin, Viewer, Operator, Outsider; "" for somebody who is not signed in
	Path string

	// Do is what the person does there, such as opening a dialog or sending a
	// form. It changes nothing that other pages show.
	Do []Step

	// Says is on the page when all is as it should be.
	Says string

	// Status is what the page answers with; 0 is 200.
	Status int
}

// Step is one thing that a person does on a page.
type Step func(*browser.Person) error

func click(name string) Step {
	return func(p *browser.Person) error { return p.Click(name) }
}

func fill(label, value string) Step {
	return func(p *browser.Person) error { return p.Fill(label, value) }
}

func choose(label string) Step {
	return func(p *browser.Person) error { return p.Choose(label) }
}

// send sends the page's form although its button cannot be pressed yet: the
// script waits for the right name, and there need not be scripts.
func send(p *browser.Person) error {
	return p.Do(chromedp.Evaluate[chromedp.Void](`document.querySelector('main form').submit()`))
}

// Open has a person open the page, and wait until it says what it should.
func (g Page) Open(p *browser.Person) error {
	p.Expect(g.Status)
	if err := p.Visit(g.Path); err != nil {
		return err
	}
	for _, step := range g.Do {
		if err := step(p); err != nil {
			return err
		}
	}
	if err := p.WaitFor(g.Says); err != nil {
		return fmt.Errorf("wait for what it says: %w", err)
	}
	return nil
}
