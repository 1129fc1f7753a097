package portal

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"
	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
)

func (p *Portal) registerHome(pages gin.IRouter) {
	pages.GET("/", guarded(p.visit, p.home))
	pages.GET("/orgs/:org", func(c *gin.Context) { c.Redirect(http.StatusSeeOther, "/orgs/"+c.Param("org")+"/audit-logging") })
	// Mails link to these; they do not know who reads them.
	pages.GET("/integrations/:id", p.find("integrations", func(ctx context.Context, caller service.Caller, id uuid.UUID) error {
		_, err := p.service.Integration(ctx, caller, id)
		return err
	}))
	pages.GET("/exports/:id", p.find("exports", func(ctx context.Context, caller service.Caller, id uuid.UUID) error {
		_, err := p.service.Export(ctx, caller, id)
		return err
	}))
	pages.GET("/account", p.anyone(p.account))
}

// home is the first page that the person has something to do on.
func (p *Portal) home(v *visit) {
	switch {
	case len(v.session.Orgs) > 0:
		v.c.Redirect(http.StatusSeeOther, "/orgs/"+v.session.Orgs[0].ID.String()+"/audit-logging")
	case v.session.Person.Operator:
		v.c.Redirect(http.StatusSeeOther, "/operator")
	default:
		p.renderNotice(v, notice{
			Status: http.StatusForbidden, Title: "You are not a member of any organization here",
			Text: "You are signed in as " + v.session.Person.DisplayName() + ", but your identity provider names no organization in which you are an admin or a viewer. " +
				"Ask whoever manages it to give you the role, and sign in again.",
			Link: "/account", LinkTitle: "Your account",
		})
	}
}

// find leads to a page of whichever of the person's organizations has it.
func (p *Portal) find(kind string, read func(context.Context, service.Caller, uuid.UUID) error) gin.HandlerFunc {
	return guarded(p.visit, func(v *visit) {
		id, err := pathID(v.c, "id")
		if err != nil {
			p.fail(v, err)
			return
		}
		for _, org := range v.session.Orgs {
			caller, err := service.Member(v.session.Person, org.ID, originOf(v.c))
			if err == nil {
				err = read(v.c.Request.Context(), caller, id)
			}
			switch {
			case err == nil:
				v.c.Redirect(http.StatusSeeOther, "/orgs/"+org.ID.String()+"/"+kind+"/"+id.String())
				return
			case !isNotFound(err):
				p.fail(v, err)
				return
			}
		}
		p.fail(v, errNoPage)
	})
}

// account shows the person what is known of them.
func (p *Portal) account(_ context.Context, v *visit) (*page, error) {
	return &page{Template: "account", Title: "Your account", Body: v.session}, nil
}
