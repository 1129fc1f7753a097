package portal

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// settingsCrumbs is the way to the settings of audit logging, as the reference
// names it.
func settingsCrumbs() []crumb {
	return []crumb{{Title: "Administration"}, {Title: "Account"}, {Title: "General settings"}}
}

// loggingCrumbs is the way to the pages below the settings of audit logging.
func loggingCrumbs(v *visit) []crumb {
	return append(settingsCrumbs(), crumb{"Audit logging", v.path("audit-logging")})
}

// memberSections is the menu of an organization.
func memberSections(v *visit) []section {
	sections := []section{
		{"settings", "Audit logging", v.path("audit-logging")},
		{"exports", "Scheduled exports", v.path("exports")},
		{"ledger", "Ledger", v.path("ledger")},
		{"events", "Events", v.path("events")},
	}
	if v.admin() { // to viewers the service shows no keys
		sections = append(sections, section{"keys", "API keys", v.path("api-keys")})
	}
	return append(sections, section{"notices", "Members’ mails", v.path("notices")})
}

func (p *Portal) registerSettings(pages gin.IRouter) {
	pages.GET("/orgs/:org/audit-logging", p.member(p.settings))
}

type settingsBody struct {
	Integrations []schemas.Integration
	Deleted      bool   // they are shown too
	More         string // path of the rest of the list; "" at its end
}

func (p *Portal) settings(ctx context.Context, v *visit) (*page, error) {
	deleted := v.c.Query("deleted") != ""
	list, err := p.service.Integrations(ctx, v.caller, service.Page{Cursor: v.c.Query("cursor")}, deleted)
	if err != nil {
		return nil, err
	}
	shown := &page{
		Template: "settings", Title: "Audit logging", Section: "settings", Crumbs: settingsCrumbs(),
		Body: settingsBody{list.Items, deleted, more(v, list.NextCursor)},
	}
	for _, integration := range list.Items {
		switch integration.Status {
		case schemas.IntegrationProvisioning, schemas.IntegrationDeleting, schemas.IntegrationAwaitingAccess:
			shown.Moving = true
		}
	}
	return shown, nil
}
