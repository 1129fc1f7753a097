package browser

import (
	"context"
	"fmt"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"
)

// Cookies are those that the browser sends to the portal.
func (p *Person) Cookies() ([]*network.Cookie, error) {
	return Ask(p, func(ctx context.Context, t *chromedp.Target) ([]*network.Cookie, error) {
		kept, err := cdp.Call(ctx, t, network.GetCookies, network.GetCookiesParams{URLs: []string{p.Site}})
		if err != nil {
			return nil, fmt.Errorf("read the cookies: %w", err)
		}
		return kept.Cookies, nil
	})
}

// Forget removes a cookie of the portal, as the browser does once it expires.
func (p *Person) Forget(name string) error {
	return p.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		return tell(ctx, t, network.DeleteCookies, network.DeleteCookiesParams{Name: name, URL: p.Site})
	}))
}

// Take makes cookies of another window this one's, too.
func (p *Person) Take(cookies []*network.Cookie) error {
	return p.Do(chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		for _, cookie := range cookies {
			set := network.SetCookieParams{Name: cookie.Name, Value: cookie.Value, URL: p.Site, HTTPOnly: &cookie.HTTPOnly, SameSite: cookie.SameSite}
			if _, err := cdp.Call(ctx, t, network.SetCookie, set); err != nil {
				return fmt.Errorf("set a cookie: %w", err)
			}
		}
		return nil
	}))
}
