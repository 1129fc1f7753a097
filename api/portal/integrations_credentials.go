package portal

import (
	"context"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/auditferry/auditferry/schemas"
)

func (p *Portal) registerCredentials(pages gin.IRouter) {
	pages.GET(integrationRoute+"/credentials", p.member(p.credentials))
	pages.GET(integrationRoute+"/setup/:document", guarded(p.memberVisit, p.downloadSetup))
}

// credentialsBody is what an admin needs in their cloud. Guide is zero where
// only the parts are asked for.
type credentialsBody struct {
	Integration schemas.Integration
	Path        string
	Guide       schemas.SetupGuide
	Credentials []credential
	Entered     []schemas.SetupValue // what the admin has entered
	Console     []consoleStep
	Tabs        []documentTab
	Access      accessView
	MailsTo     string
}

// credential is a value that the cloud is to be told.
type credential struct {
	Name, Value string
	Help        string
	Link        bool // the value is the address of where to go
}

// consoleStep is a step through the cloud's console.
type consoleStep struct {
	schemas.SetupStep
	Number   int
	Paste    *schemas.SetupDocument // what to paste there; nil is nothing
	LinkHost string
}

// documentTab is the documents of one format.
type documentTab struct {
	ID, Title string
	Documents []schemas.SetupDocument
}

// credentialNames are the credentials as the pages call them, by their names in
// a setup guide.
var credentialNames = map[string]credential{
	"External ID":           {Name: "External ID"},
	"IAM user ARN":          {Name: "IAM User ARN"},
	"Consent URL":           {Name: "Azure Consent URL", Link: true, Help: "Open it as an administrator of your tenant, and accept."},
	"Multi-tenant app name": {Name: "Azure Multi Tenant App Name"},
	"Member search":         {Name: "Search for", Help: "The characters of the app name before the underscore: Azure finds the member by these alone."},
	"Service account":       {Name: "Service account"},
}

// documentFormats are the tabs that documents are shown in, in their order.
var documentFormats = []struct {
	format schemas.SetupFormat
	title  string
}{
	{schemas.SetupShell, "Command line"},
	{schemas.SetupTerraform, "Terraform"},
	{schemas.SetupJSON, "JSON policies"},
	{schemas.SetupYAML, "Role as YAML"},
}

// credentials shows the credentials and the setup guide. Every look at them is
// recorded, so only a page that is opened asks for them: its parts do not.
func (p *Portal) credentials(ctx context.Context, v *visit) (*page, error) {
	i, err := p.integrationOf(ctx, v)
	if err != nil {
		return nil, err
	}
	operations, err := p.integrationOperations(ctx, v, i)
	if err != nil {
		return nil, err
	}
	path := integrationPath(v, i)
	body := credentialsBody{Integration: i, Path: path, Access: accessOf(i, operations, path, time.Now())}
	if body.MailsTo, err = p.mailsTo(ctx, v); err != nil {
		return nil, err
	}
	shown := &page{Template: "credentials", Title: "Credentials of " + i.Name, Section: "settings", Crumbs: integrationCrumbs(v, i)}
	if wantsParts(v.c) {
		shown.Moving = i.Status == schemas.IntegrationProvisioning || i.Access == schemas.AccessChecking && i.Live()
	} else {
		if body.Guide, err = p.service.Setup(ctx, v.caller, i.ID); err != nil {
			return nil, err
		}
		body.Credentials, body.Entered = namedValues(body.Guide.Values)
		body.Console, body.Tabs = consoleSteps(body.Guide), documentTabs(body.Guide.Documents)
		// Once it shows credentials, a page that reloads without scripts would each
		// time be another look.
		shown.Moving = !body.Guide.Ready
	}
	shown.Body = body
	return shown, nil
}

// namedValues tells the credentials from what the admin has entered.
func namedValues(values []schemas.SetupValue) (credentials []credential, entered []schemas.SetupValue) {
	for _, value := range values {
		known, is := credentialNames[value.Name]
		if !is {
			entered = append(entered, value)
			continue
		}
		known.Value = value.Value
		credentials = append(credentials, known)
	}
	return credentials, entered
}

func consoleSteps(guide schemas.SetupGuide) []consoleStep {
	steps := make([]consoleStep, len(guide.Steps))
	for n, step := range guide.Steps {
		steps[n] = consoleStep{SetupStep: step, Number: n + 1}
		if document, known := guide.Document(step.Document); known {
			steps[n].Paste = &document
		}
		if link, err := url.Parse(step.Link); err == nil {
			steps[n].LinkHost = link.Host
		}
	}
	return steps
}

func documentTabs(documents []schemas.SetupDocument) []documentTab {
	var tabs []documentTab
	for _, f := range documentFormats {
		tab := documentTab{ID: "setup-" + string(f.format), Title: f.title}
		for _, document := range documents {
			if document.Format == f.format {
				tab.Documents = append(tab.Documents, document)
			}
		}
		if len(tab.Documents) > 0 {
			tabs = append(tabs, tab)
		}
	}
	others := slices.DeleteFunc(slices.Clone(documents), func(d schemas.SetupDocument) bool {
		return slices.ContainsFunc(tabs, func(t documentTab) bool { return slices.Contains(t.Documents, d) })
	})
	if len(others) > 0 {
		tabs = append(tabs, documentTab{"setup-others", "Other documents", others})
	}
	return tabs
}

// downloadSetup sends a document of the setup guide as a file.
func (p *Portal) downloadSetup(v *visit) {
	id, err := pathID(v.c, "id")
	if err != nil {
		p.fail(v, err)
		return
	}
	guide, err := p.service.Setup(v.c.Request.Context(), v.caller, id)
	if err != nil {
		p.fail(v, err)
		return
	}
	document, known := guide.Document(v.c.Param("document"))
	if !known {
		p.fail(v, errNoPage)
		return
	}
	v.c.Header("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": document.Filename}))
	v.c.Data(http.StatusOK, "text/plain; charset=utf-8", []byte(document.Content))
}
