package portal

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func (p *Portal) registerKeys(pages gin.IRouter) {
	pages.GET("/orgs/:org/api-keys", p.member(p.keys))
	pages.GET("/orgs/:org/api-keys/new", p.member(p.keyForm().shown))
	pages.POST("/orgs/:org/api-keys/new", guarded(p.memberVisit, p.createKey))
	p.memberForm(pages, "/orgs/:org/api-keys/:id/revoke", formPage{show: p.revokePage, do: p.revokeKey})
}

// The pages say what has been done by these query parameters. What they say then
// is of what the database holds; no text comes from the address.
const (
	revokedQuery = "revoked"
	createdQuery = "created"
)

type keysBody struct{ Active, Revoked []schemas.APIKey }

func (p *Portal) keys(ctx context.Context, v *visit) (*page, error) {
	keys, err := p.service.APIKeys(ctx, v.caller, nil)
	if err != nil {
		return nil, err
	}
	var body keysBody
	shown := &page{Template: "keys", Title: "API keys", Section: "keys"}
	for _, key := range slices.Backward(keys) { // the newest first
		if key.RevokedAt == nil {
			body.Active = append(body.Active, key)
			continue
		}
		body.Revoked = append(body.Revoked, key)
		if key.ID.String() == v.c.Query(revokedQuery) {
			shown.Done = &done{
				Ended: true, Text: "API key revoked", Close: v.path("api-keys"),
				Detail: "“" + key.Name + "” is refused from now on.",
			}
		}
	}
	shown.Body = body
	return shown, nil
}

// keyRole is a role that a key may have, and what that is good for.
type keyRole struct {
	Role      schemas.Role
	Title, Is string
}

var keyRoles = []keyRole{
	{schemas.RoleIngest, "Ingest", "Append audit events, and nothing else. For the product that sends them."},
	{schemas.RoleViewer, "Viewer", "Read everything: events, integrations, exports, the ledger. For dashboards and reports."},
	{schemas.RoleAdmin, "Admin", "Everything that an admin may do on these pages. For automation that sets up exports."},
}

type keyFormBody struct {
	Form  *form
	Roles []keyRole
}

// keyForm asks for a new key. What follows it is not a page to come back to, so
// that createKey answers instead of the form's own do.
func (p *Portal) keyForm() formPage {
	return formPage{show: func(ctx context.Context, v *visit, f *form) (*page, error) {
		if _, err := p.service.APIKeys(ctx, v.caller, nil); err != nil {
			return nil, err // who may not keep keys has no use for the form
		}
		if !f.Typed {
			f.Values.Set("role", string(schemas.RoleIngest))
		}
		return &page{
			Template: "key_new", Title: "Create an API key", Section: "keys",
			Crumbs: []crumb{{"API keys", v.path("api-keys")}},
			Body:   keyFormBody{f, keyRoles},
		}, nil
	}}
}

type keyCreatedBody struct {
	service.CreatedAPIKey
	API string // address of the API
	Now time.Time
}

// Sends tells whether the key may append events.
func (b keyCreatedBody) Sends() bool { return b.Key.Role != schemas.RoleViewer }

// createKey answers with the key itself: it is shown this once, and an address
// that leads to it must not exist.
func (p *Portal) createKey(v *visit) {
	sent, err := readForm(v.c)
	if err != nil {
		p.fail(v, err)
		return
	}
	created, err := p.service.CreateAPIKey(v.c.Request.Context(), v.call(), service.CreateAPIKey{
		Name: sent.Text("name"), Role: schemas.Role(sent.Get("role")),
	})
	if err != nil {
		p.again(v, p.keyForm(), sent, sentBefore(err))
		return
	}
	p.render(v, &page{
		Template: "key_created", Title: "API key created", Section: "keys",
		Crumbs: []crumb{{"API keys", v.path("api-keys")}},
		Body:   keyCreatedBody{created, p.origin(v.c), time.Now().UTC()},
	})
}

// sentBefore is err in the words of people: there is a conflict only when the
// form has been sent twice.
func sentBefore(err error) error {
	var known *service.Error
	if !errors.As(err, &known) || known.Kind != service.Conflict {
		return err
	}
	return &service.Error{
		Kind:   service.Conflict,
		Detail: "This form was sent before, and has made a key that was shown only then. If you do not have it, revoke it in the list, and create another here.",
	}
}

// origin is the address that the person reaches the portal at, and with it the
// API.
func (p *Portal) origin(c *gin.Context) string {
	u := url.URL{Scheme: "http", Host: c.Request.Host}
	if p.sessions.secure {
		u.Scheme = "https"
	}
	return u.String()
}

type revokeBody struct {
	Form *form
	Key  schemas.APIKey
}

func (p *Portal) revokePage(ctx context.Context, v *visit, f *form) (*page, error) {
	key, err := p.keyOf(ctx, v)
	if err != nil {
		return nil, err
	}
	if key.RevokedAt != nil {
		return nil, &service.Error{Kind: service.Conflict, Detail: "The API key “" + key.Name + "” has been revoked already. Programs that use it are refused."}
	}
	return &page{
		Template: "key_revoke", Title: "Revoke the API key “" + key.Name + "”?", Section: "keys",
		Crumbs: []crumb{{"API keys", v.path("api-keys")}},
		Body:   revokeBody{f, key},
	}, nil
}

// keyOf is the key of the page. The service lists the organization's own alone.
func (p *Portal) keyOf(ctx context.Context, v *visit) (schemas.APIKey, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return schemas.APIKey{}, err
	}
	keys, err := p.service.APIKeys(ctx, v.caller, nil)
	for _, key := range keys {
		if key.ID == id {
			return key, nil
		}
	}
	if err != nil {
		return schemas.APIKey{}, err
	}
	return schemas.APIKey{}, &service.Error{Kind: service.NotFound, Detail: "There is no API key with this ID in the organization.", Missing: id.String()}
}

func (p *Portal) revokeKey(ctx context.Context, v *visit, _ *form) (string, error) {
	id, err := pathID(v.c, "id")
	if err != nil {
		return "", err
	}
	if err := p.service.RevokeAPIKey(ctx, v.caller, nil, id); err != nil {
		return "", err
	}
	return told(v.path("api-keys"), revokedQuery, id), nil
}

// told is a page that says what has been done to something.
func told(path, query string, id uuid.UUID) string {
	return path + "?" + url.Values{query: {id.String()}}.Encode()
}
