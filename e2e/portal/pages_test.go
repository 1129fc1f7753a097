package portal

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/dev/pictures"
)

// theScene is the organization with something in every state. It is made once,
// and nothing that its pages show is changed.
var theScene = sync.OnceValues(func() (*pictures.Scene, error) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	s, err := pictures.NewScene(ctx, shared.Stack, "acme")
	if err != nil {
		return nil, err
	}
	return s, shared.welcome(s.Users...)
})

func scene(t *testing.T) (*pictures.Scene, map[string][]pictures.Page) {
	t.Helper()
	s, err := theScene()
	require.NoError(t, err)
	pages, err := s.Pages(t.Context())
	require.NoError(t, err)
	byPerson := make(map[string][]pictures.Page)
	for _, page := range pages {
		byPerson[page.Who] = append(byPerson[page.Who], page)
	}
	return s, byPerson
}

// sit opens a window for somebody of the scene, signed in if they are anybody.
func sit(t *testing.T, s *pictures.Scene, who string, look browser.Look) user {
	t.Helper()
	u := shared.open(t, look)
	if who != "" {
		u.signIn(s.Login(who), "/account")
	}
	return u
}

// firstPage is what a page may take in all, without a cache.
const firstPage = 100 << 10

// Every page, in the states of the scene, on a phone and a desktop, light and dark: it says
// what it should, keeps nobody from using it, is not wider than its window, and
// nothing is on the console.
func TestEveryPage(t *testing.T) {
	t.Parallel()
	s, byPerson := scene(t)
	for name, look := range map[string]browser.Look{"light": {}, "dark": {Dark: true}, "phone": {Phone: true}, "no scripts": {NoScripts: true}} {
		for _, who := range slices.Sorted(maps.Keys(byPerson)) {
			t.Run(name+"/"+who, func(t *testing.T) {
				t.Parallel()
				u := sit(t, s, who, look)
				var rules []string
				if look.Dark { // what is not color is as in the light
					rules = []string{browser.Contrast}
				}
				for _, page := range byPerson[who] {
					checkPage(t, u, page, rules...)
					if name == "light" {
						checkWidths(t, u, page.Name)
					}
				}
			})
		}
	}
}

func checkPage(t *testing.T, u user, page pictures.Page, rules ...string) {
	t.Helper()
	u.Received()
	err := page.Open(u.Person)
	received := u.Received()
	if err != nil {
		t.Errorf("%s: %v", page.Name, err)
		return
	}
	if received > firstPage {
		t.Errorf("%s takes %d bytes", page.Name, received)
	}
	checkLook(t, u, page.Name, rules...)
}

// checkWidths holds that a page fits windows between a phone's and a desktop's:
// the narrowest with tables, tablets, and the narrowest with the menu beside.
func checkWidths(t *testing.T, u user, name string) {
	t.Helper()
	for _, width := range []int64{721, 768, 961, 1024, 1200} {
		u.must(u.Resize(width))
		wider, err := u.Overflow()
		u.must(err)
		if wider > 0 {
			t.Errorf("%s is %d pixels wider than a window of %d", name, wider, width)
		}
	}
	u.must(u.Resize(browser.Desktop))
}

// checkLook holds what is so of every page: it fits its window, nothing is on
// the console, and nobody is kept from using it.
func checkLook(t *testing.T, u user, name string, rules ...string) {
	t.Helper()
	wider, err := u.Overflow()
	u.must(err)
	if wider > 0 {
		t.Errorf("%s is %d pixels wider than its window", name, wider)
	}
	if complaints := u.Complaints(); len(complaints) > 0 {
		t.Errorf("%s: on the console: %s", name, strings.Join(complaints, "\n"))
	}
	if u.NoScripts() {
		return // axe-core is a script
	}
	barriers, err := u.Barriers(rules...)
	u.must(err)
	for _, barrier := range barriers {
		if barrier.Impact == "serious" || barrier.Impact == "critical" {
			t.Errorf("%s: %s", name, barrier)
		} else {
			t.Logf("%s: %s", name, barrier)
		}
	}
}
