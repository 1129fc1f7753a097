package browser

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/chromedp/chromedp"
)

// seen is what can be read in the piece of the page that the person looks at,
// with one space between words. What a dialog covers is not.
const seen = `(() => {
	const squeeze = (el) => (el.innerText ?? '').replace(/\s+/g, ' ').trim();
	const root = [...document.querySelectorAll('dialog[open]')].at(-1) ?? document.body;
	const within = %s;
	if (!within) return squeeze(root) + ' ' + [...document.querySelectorAll('.toast')].map(squeeze).join(' ');
	return [...root.querySelectorAll('tr, li, section, fieldset, form, article, details, dl > div, .card')].map(squeeze)
		.filter((text) => text.includes(within)).sort((a, b) => a.length - b.length)[0] ?? '';
})()`

// Text is what the page says, or the dialog over it.
func (p *Person) Text() (string, error) {
	return Ask(p, chromedp.Evaluate[string](fmt.Sprintf(seen, quoted(p.within))))
}

// WaitFor waits until all the texts can be read, in any order.
func (p *Person) WaitFor(texts ...string) error {
	return p.poll(func() (string, error) {
		all, err := p.Text()
		for _, text := range texts {
			if !strings.Contains(all, text) {
				return fmt.Sprintf("it does not say %q, but: %s", text, all), err
			}
		}
		return "", err
	})
}

// WaitGone waits until a text cannot be read any more.
func (p *Person) WaitGone(text string) error {
	return p.poll(func() (string, error) {
		all, err := p.Text()
		if strings.Contains(all, text) {
			return fmt.Sprintf("it still says %q: %s", text, all), err
		}
		return "", err
	})
}

// Stays tells whether the page has not been loaded anew since the last call of
// Mark, so that what has changed did so live.
func (p *Person) Stays() (bool, error) {
	return Ask(p, chromedp.Evaluate[bool]("window.auditferryMark === true"))
}

// Mark marks the page for Stays.
func (p *Person) Mark() error { return p.Do(evaluate("window.auditferryMark = true")) }

// Value is what stands in a field; for one with choices, the chosen one.
func (p *Person) Value(label string) (string, error) {
	found, err := p.find(field, label)
	return found.Value, err
}

// Focused is the name or label of what has the keyboard.
func (p *Person) Focused() (string, error) {
	return Ask(p, chromedp.Evaluate[string](`(() => {
		const el = document.activeElement;
		return (el.ariaLabel ?? el.labels?.[0]?.innerText ?? el.innerText ?? '').replace(/\s+/g, ' ').trim();
	})()`))
}

// Wrong is what the page says is wrong, by the label of the field.
func (p *Person) Wrong() (map[string]string, error) {
	return Ask(p, chromedp.Evaluate[map[string]string](`Object.fromEntries(
		[...document.querySelectorAll('[aria-invalid=true]')].map((el) => [
			(el.labels?.[0]?.innerText ?? el.name).replace(/\s+/g, ' ').trim(),
			(el.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id))
				.filter((one) => one?.matches('.error')).map((one) => one.innerText).join(' ')]))`))
}

// Commands are the names of the buttons on the page, without those of the
// frame around it and those that only copy or show: what changes something.
func (p *Person) Commands() ([]string, error) {
	return Ask(p, chromedp.Evaluate[[]string](`[...document.querySelectorAll('main form[method=post i] button, main a[data-dialog]')]
		.map((el) => el.innerText.trim())`))
}

// Links are the paths on the page, of the portal's own pages.
func (p *Person) Links() ([]string, error) {
	return Ask(p, chromedp.Evaluate[[]string](`[...new Set([...document.querySelectorAll('a[href]')]
		.filter((a) => a.origin === location.origin).map((a) => a.pathname + a.search))]`))
}

// Overflow is by how many pixels the page is wider than its window. The inner
// width of a phone's window does not tell: it grows with the page.
func (p *Person) Overflow() (int, error) {
	return Ask(p, chromedp.Evaluate[int]("document.scrollingElement.scrollWidth - document.documentElement.clientWidth"))
}

// ScriptCookies is what scripts can read of the cookies, and others may not.
func (p *Person) ScriptCookies() (string, error) {
	return Ask(p, chromedp.Evaluate[string]("document.cookie"))
}

// Reply is an answer to a request that the page's own script could send.
type Reply struct {
	Status int    `json:"status"`
	Body   string `json:"body"`
}

// Fetch sends a request from the page that the person is on, with their
// cookies: what a forged form or a curious person would send.
func (p *Person) Fetch(method, path string, form map[string]string) (Reply, error) {
	fields, err := json.Marshal(form)
	if err != nil {
		return Reply{}, err
	}
	body := "undefined"
	if method != "GET" {
		body = "new URLSearchParams(" + string(fields) + ")"
	}
	return Ask(p, chromedp.Evaluate[Reply](fmt.Sprintf(
		`fetch(%s, { method: %s, body: %s, headers: { Accept: 'text/html' } }).then(async (a) => ({ status: a.status, body: await a.text() }))`,
		quoted(path), quoted(method), body), chromedp.EvalAwaitPromise))
}

// Read is the text of a marked region, such as a document to copy, by the
// beginning of its label.
func (p *Person) Read(label string) (text string, err error) {
	err = p.poll(func() (string, error) {
		text, err = Ask(p, chromedp.Evaluate[string](fmt.Sprintf(
			`[...document.querySelectorAll('[role=region]')].find((el) => el.ariaLabel?.startsWith(%s))?.textContent ?? ''`, quoted(label))))
		if text == "" {
			return fmt.Sprintf("there is no region %q", label), err
		}
		return "", err
	})
	return text, err
}
