package portal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/actor"
	"github.com/auditferry/auditferry/dev/browser"
	"github.com/auditferry/auditferry/dev/pictures"
	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/schemas"
)

// patience is how long a test waits for what must happen.
const patience = 3 * time.Minute

// site is the running stack, with one browser for everybody.
type site struct {
	*stack.Stack
	browser *browser.Browser
	vendor  actor.Vendor

	mu    sync.Mutex
	users []stack.OIDCUser
}

var (
	shared *site
	log    = &keptLog{}
)

func TestMain(m *testing.M) {
	status, err := run(m)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		status = 1
	}
	os.Exit(status)
}

// run gives all tests one stack: starting one takes longer than most of them.
func run(m *testing.M) (status int, err error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	s, err := stack.Start(ctx, stack.Options{Log: log, Env: pictures.SceneEnv()})
	if err != nil {
		return 1, err
	}
	defer func() { err = errors.Join(err, s.Stop()) }()
	chromium, err := browser.Start(ctx, log)
	if err != nil {
		return 1, err
	}
	defer chromium.Stop()
	shared = &site{Stack: s, browser: chromium, vendor: actor.NewVendor(s.API.URL, s.API.OperatorKey)}
	shared.users = []stack.OIDCUser{
		{Login: "opal", Name: "Opal Operator", Email: "opal@auditferry.example", Operator: true},
		{Login: "otto", Name: "Otto Outsider", Email: "otto@elsewhere.example"},
	}
	return m.Run(), nil
}

// welcome lets people sign in, as what they are now.
func (s *site) welcome(people ...stack.OIDCUser) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users = slices.DeleteFunc(s.users, func(known stack.OIDCUser) bool {
		return slices.ContainsFunc(people, func(p stack.OIDCUser) bool { return p.Login == known.Login })
	})
	s.users = append(s.users, people...)
	return s.OIDC.SetUsers(s.users)
}

// story is one org, and the people around it.
type story struct {
	*site
	t       *testing.T
	ctx     context.Context
	name    string
	org     schemas.Org
	admin   actor.Admin
	product actor.Product
	clouds  actor.CloudAdmin
}

var stories atomic.Int64

// begin makes an org that no other test knows, with an admin and a viewer: ada
// and vic, followed by the org's name.
func begin(t *testing.T) *story {
	t.Helper()
	t.Parallel()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return shared.newStory(ctx, t)
}

func (s *site) newStory(ctx context.Context, t *testing.T) *story {
	t.Helper()
	name := fmt.Sprintf("org%d", stories.Add(1))
	return s.storyOf(ctx, t, name, name)
}

// storyOf is newStory with a name for what the org has, and one for people.
func (s *site) storyOf(ctx context.Context, t *testing.T, name, called string) *story {
	t.Helper()
	o := &story{site: s, t: t, ctx: ctx, name: name, clouds: actor.CloudAdmin{Stack: s.Stack, Name: name, Account: "acmeaudit"}}
	var err error
	o.admin, o.product, err = s.vendor.Welcome(ctx, called, "admins@"+name+".example")
	require.NoError(t, err)
	o.org = o.admin.Org
	require.NoError(t, s.welcome(
		stack.OIDCUser{Login: "ada" + name, Name: "Ada Admin", Email: "ada@" + name + ".example", Orgs: map[uuid.UUID]schemas.Role{o.org.ID: schemas.RoleAdmin}},
		stack.OIDCUser{Login: "vic" + name, Name: "Vic Viewer", Email: "vic@" + name + ".example", Orgs: map[uuid.UUID]schemas.Role{o.org.ID: schemas.RoleViewer}},
	))
	return o
}

// path is the path of a page of the org.
func (o *story) path(elements ...string) string {
	return "/orgs/" + o.org.ID.String() + "/" + strings.Join(elements, "/")
}

// user is somebody before the portal who gives up, and with them the test, when
// something is not as it should be.
type user struct {
	*browser.Person
	t *testing.T
}

// as signs somebody of the org in and has them look at its settings.
func (o *story) as(who string, look browser.Look) user {
	o.t.Helper()
	u := o.open(o.t, look)
	u.signIn(who+o.name, o.path("audit-logging"))
	return u
}

// open opens a window in which nobody is signed in. At its end nothing must be
// on its console. What a failed test saw is kept as a picture.
func (s *site) open(t *testing.T, look browser.Look) user {
	t.Helper()
	return s.openAt(t, s.API.URL, look)
}

// openAt is open on another site, such as that of the simulated clouds.
func (s *site) openAt(t *testing.T, at string, look browser.Look) user {
	t.Helper()
	p, err := s.browser.Open(at, look)
	require.NoError(t, err)
	u := user{p, t}
	t.Cleanup(func() {
		defer p.Close()
		if t.Failed() {
			u.keep()
		}
		if complaints := p.Complaints(); len(complaints) > 0 {
			t.Errorf("on the browser's console: %s", strings.Join(complaints, "\n"))
		}
	})
	return u
}

// keep writes down what the person sees.
func (u user) keep() {
	path, err := u.Path()
	text, textErr := u.Text()
	u.t.Logf("on %s (%v): %s (%v)", path, err, text, textErr)
	file := filepath.Join(os.TempDir(), strings.ReplaceAll(u.t.Name(), "/", "-")+".png")
	if err := u.Picture(file); err == nil {
		u.t.Logf("a picture is in %s", file)
	}
}

func (u user) must(err error) {
	u.t.Helper()
	require.NoError(u.t, err)
}

func (u user) signIn(login, path string) { u.t.Helper(); u.must(u.SignIn(login, path)) }
func (u user) visit(path string)         { u.t.Helper(); u.must(u.Visit(path)) }
func (u user) click(name string)         { u.t.Helper(); u.must(u.Click(name)) }
func (u user) fill(label, value string)  { u.t.Helper(); u.must(u.Fill(label, value)) }
func (u user) choose(label string)       { u.t.Helper(); u.must(u.Choose(label)) }
func (u user) tick(label string)         { u.t.Helper(); u.must(u.Tick(label)) }
func (u user) pick(label, option string) { u.t.Helper(); u.must(u.Select(label, option)) }
func (u user) sees(texts ...string)      { u.t.Helper(); u.must(u.WaitFor(texts...)) }
func (u user) seesNo(text string)        { u.t.Helper(); u.must(u.WaitGone(text)) }
func (u user) in(text string) user       { return user{u.In(text), u.t} }

// looksUntil comes back to the page's tab, again and again, until a condition of
// the page holds.
func (u user) looksUntil(condition, what string) {
	u.t.Helper()
	u.must(u.Until("document.dispatchEvent(new Event('visibilitychange')) && "+condition, what))
}

// stays holds that nothing since mark has loaded the page anew.
func (u user) stays() {
	u.t.Helper()
	stays, err := u.Stays()
	u.must(err)
	require.True(u.t, stays, "what changed did so without a reload")
}

func (u user) path() string {
	u.t.Helper()
	path, err := u.Path()
	u.must(err)
	return path
}

// wrong holds what the page says is wrong, by field; "" for any text.
func (u user) wrong(want map[string]string) {
	u.t.Helper()
	found, err := u.Wrong()
	u.must(err)
	for label, text := range want {
		at := slices.IndexFunc(keys(found), func(known string) bool { return strings.HasPrefix(known, label) })
		require.GreaterOrEqual(u.t, at, 0, "%q has nothing wrong, but %v", label, found)
		said := found[keys(found)[at]]
		require.NotEmpty(u.t, said, "%q says what is wrong", label)
		require.Contains(u.t, said, text)
	}
	require.Len(u.t, found, len(want), "%v", found)
}

func keys(m map[string]string) []string {
	var all []string
	for key := range m {
		all = append(all, key)
	}
	slices.Sort(all)
	return all
}

// id is the last ID in the path of the page.
func (u user) id() uuid.UUID {
	u.t.Helper()
	path, _, _ := strings.Cut(u.path(), "?")
	for _, element := range slices.Backward(strings.Split(path, "/")) {
		if id, err := uuid.Parse(element); err == nil {
			return id
		}
	}
	require.Fail(u.t, "there is no ID in "+path)
	return uuid.Nil
}

// keptLog keeps the end of the stack's log for when something fails.
type keptLog struct {
	mu    sync.Mutex
	lines [][]byte
}

const keptLines = 2000

func (l *keptLog) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, slices.Clone(line))
	if len(l.lines) > 2*keptLines {
		l.lines = slices.Clone(l.lines[keptLines:])
	}
	return len(line), nil
}
