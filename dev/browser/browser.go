// Package browser lets tests and tools use the portal as a person would: in a
// real, headless Chromium, where every complaint of the browser is kept.
package browser

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/auditferry/auditferry/dev/tools"
)

// patience bounds one step of a person: two cores may be busy with other tests.
const patience = 45 * time.Second

// Browser is a running Chromium.
type Browser struct {
	ctx  context.Context
	stop func()
	axe  string // the script of axe-core
}

// Start starts Chromium; the tools that are missing are got first. It ends with
// ctx or Stop.
func Start(ctx context.Context, log io.Writer) (*Browser, error) {
	paths, err := tools.Ensure(ctx, log, tools.Chromium, tools.Axe)
	if err != nil {
		return nil, err
	}
	options := append(slices.Clone(chromedp.DefaultExecAllocatorOptions[:]),
		chromedp.ExecPath(paths[tools.Chromium]),
		chromedp.NoSandbox, // in containers and as root there is none
		chromedp.DisableGPU,
		chromedp.WindowSize(Desktop, desktopHeight),
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
	)
	allocator, stopAllocator := chromedp.NewExecAllocator(ctx, options...)
	browser, stopBrowser := chromedp.NewContext(allocator)
	b := &Browser{ctx: browser, axe: paths[tools.Axe], stop: func() { stopBrowser(); stopAllocator() }}
	if err := chromedp.Do(browser); err != nil {
		b.stop()
		return nil, fmt.Errorf("start Chromium: %w", err)
	}
	return b, nil
}

// Stop ends Chromium and removes its data.
func (b *Browser) Stop() { b.stop() }

// Look says how somebody looks at the pages. The zero value is a desktop,
// light, with scripts, in UTC.
type Look struct {
	NoScripts bool
	Dark      bool
	Phone     bool
	Zone      string // IANA name
}

// Person is somebody before a window of their own: with cookies that nobody
// else has.
type Person struct {
	*window
	Site string // the portal's URL, without a slash at its end

	within string // see In
}

// window is what the browser knows of a person's window.
type window struct {
	site      string
	noScripts bool
	ctx       context.Context
	stop      func()
	axe       string

	mu         sync.Mutex
	complaints []string
	expected   []int // statuses that are no reason to complain
	received   int64 // bytes since the last call of Received
}

// Open opens a window on the portal at site. Close closes it.
func (b *Browser) Open(site string, look Look) (*Person, error) {
	ctx, stop := chromedp.NewContext(b.ctx, chromedp.WithNewBrowserContext())
	p := &Person{Site: site, window: &window{site: site, noScripts: look.NoScripts, ctx: ctx, stop: stop, axe: b.axe}}
	// The window opens with the first step, and lives as long as its context.
	err := chromedp.Listen(ctx, p.listen)
	if err == nil {
		err = p.Do(look.take())
	}
	if err != nil {
		stop()
		return nil, fmt.Errorf("open a window: %w", err)
	}
	return p, nil
}

// The size of a desktop's window, in CSS pixels.
const (
	Desktop       = 1280
	desktopHeight = 900
)

// take makes a window look so.
func (l Look) take() chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		scheme, zone := "light", "UTC"
		if l.Dark {
			scheme = "dark"
		}
		if l.Zone != "" {
			zone = l.Zone
		}
		size := emulation.SetDeviceMetricsOverrideParams{Width: Desktop, Height: desktopHeight, DeviceScaleFactor: 1}
		if l.Phone {
			size.Width, size.Height, size.Mobile = 390, 844, true
		}
		return errors.Join(
			tell(ctx, t, cdplog.Enable, cdp.Empty{}),
			tell(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: l.NoScripts}),
			tell(ctx, t, emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: zone}),
			tell(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
				{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
			}}),
			tell(ctx, t, emulation.SetDeviceMetricsOverride, size),
		)
	})
}

// Resize makes the window as wide as that, in CSS pixels.
func (p *Person) Resize(width int64) error {
	return p.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		return tell(ctx, t, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: desktopHeight, DeviceScaleFactor: 1})
	}))
}

// CutOff takes everything away that the window would load, as a failing network
// does, or gives it back. The console's complaints of that are not kept.
func (p *Person) CutOff(off bool) error {
	conditions := &network.Conditions{Offline: off, DownloadThroughput: -1, UploadThroughput: -1}
	return p.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, network.EmulateNetworkConditionsByRule, network.EmulateNetworkConditionsByRuleParams{MatchedNetworkConditions: []*network.Conditions{conditions}})
		return err
	}))
}

func tell[P any](ctx context.Context, t *chromedp.Target, command cdp.Command[P, cdp.Empty], params P) error {
	_, err := cdp.Call(ctx, t, command, params)
	return err
}

// Close closes the window.
func (w *window) Close() { w.stop() }

// Do does steps one after another.
func (p *Person) Do(steps ...chromedp.Action[chromedp.Void]) error {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Do(ctx, steps...)
}

// Ask does a step that has an answer.
func Ask[T any](p *Person, step chromedp.Action[T]) (T, error) {
	ctx, cancel := context.WithTimeout(p.ctx, patience)
	defer cancel()
	return chromedp.Run(ctx, step)
}

func (w *window) listen(event any) {
	switch event := event.(type) {
	case *runtime.EventExceptionThrown:
		details := event.ExceptionDetails
		text := details.Text
		if details.Exception != nil {
			text += " " + details.Exception.Description
		}
		w.complain("exception: " + text)
	case *runtime.EventConsoleAPICalled:
		if event.Type == "error" || event.Type == "assert" {
			text := "console:"
			for _, arg := range event.Args {
				text += " " + string(arg.Value)
			}
			w.complain(text)
		}
	case *cdplog.EventEntryAdded:
		if entry := event.Entry; entry.Level == cdplog.EntryLevelError && w.concerns(entry) {
			w.complain(fmt.Sprintf("%s: %s %s", entry.Source, entry.Text, entry.URL))
		}
	case *network.EventLoadingFinished:
		w.mu.Lock()
		defer w.mu.Unlock()
		w.received += int64(event.EncodedDataLength)
	}
}

// NoScripts tells whether the window runs no scripts.
func (w *window) NoScripts() bool { return w.noScripts }

// concerns leaves out what other sites do, such as the identity provider's
// pages, what CutOff does, and the answers that are expected.
func (w *window) concerns(entry *cdplog.Entry) bool {
	if entry.URL != "" && !strings.HasPrefix(entry.URL, w.site) || strings.Contains(entry.Text, "net::ERR_INTERNET_DISCONNECTED") {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return !slices.ContainsFunc(w.expected, func(status int) bool {
		return strings.Contains(entry.Text, fmt.Sprintf("with a status of %d ", status))
	})
}

func (w *window) complain(text string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.complaints = append(w.complaints, text)
}

// Complaints are the errors on the browser's console since the last call:
// exceptions, what the content policy blocked, and what could not be loaded.
func (w *window) Complaints() []string {
	w.mu.Lock()
	defer w.mu.Unlock()
	complaints := w.complaints
	w.complaints = nil
	return complaints
}

// Received is how many bytes have come over the network since the last call,
// headers included.
func (w *window) Received() int64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	received := w.received
	w.received = 0
	return received
}
