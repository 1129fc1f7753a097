package service_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

func TestMember(t *testing.T) {
	t.Parallel()
	org, origin := uuid.New(), schemas.EventContext{IP: "192.0.2.1"}
	person := schemas.Person{Subject: "u1", Email: "ada@acme.example", Orgs: map[uuid.UUID]schemas.Role{org: schemas.RoleViewer}, Operator: true}
	caller, err := service.Member(person, org, origin)
	require.NoError(t, err)
	require.Equal(t, service.Caller{
		OrgID: &org, Role: schemas.RoleViewer, Origin: origin,
		Actor: schemas.Actor{Type: "user", ID: "u1", Name: "ada@acme.example", Email: "ada@acme.example"},
	}, caller)

	_, err = service.Member(person, uuid.New(), origin)
	requireKind(t, service.NotFound, err) // also for operators
}

func TestOperatorCaller(t *testing.T) {
	t.Parallel()
	caller, err := service.Operator(schemas.Person{Subject: "u1", Operator: true}, schemas.EventContext{})
	require.NoError(t, err)
	require.Equal(t, schemas.RoleOperator, caller.Role)
	require.Nil(t, caller.OrgID)

	_, err = service.Operator(schemas.Person{Subject: "u1", Orgs: map[uuid.UUID]schemas.Role{uuid.New(): schemas.RoleAdmin}}, schemas.EventContext{})
	requireKind(t, service.Forbidden, err)
}

// What a person does stands in the audit log under their name, with where they
// did it.
func TestPeopleAreNamedInTheAuditLog(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	person := schemas.Person{Subject: "u1", Name: "Ada", Email: "ada@acme.example", Orgs: map[uuid.UUID]schemas.Role{*b.admin.OrgID: schemas.RoleAdmin}}
	ada, err := service.Member(person, *b.admin.OrgID, service.Origin("192.0.2.1", "Firefox", "r1"))
	require.NoError(t, err)
	_, err = b.SetNoticeEmails(t.Context(), ada, service.SetNoticeEmails{Emails: []string{"security@acme.example"}})
	require.NoError(t, err)
	events, err := b.SearchEvents(t.Context(), ada, service.EventFilter{Action: "auditferry.org.notice_emails_set"}, service.Page{})
	require.NoError(t, err)
	require.Len(t, events.Items, 1)
	require.Contains(t, string(events.Items[0].Body), `"actor":{"type":"user","id":"u1","name":"Ada","email":"ada@acme.example"}`)
	require.Contains(t, string(events.Items[0].Body), `"ip":"192.0.2.1"`)
}

// An admin who has not seen the others' addresses does not take them away.
func TestNoticeEmailsAreNotLost(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	save := func(emails, former []string) error {
		_, err := b.SetNoticeEmails(t.Context(), b.admin, service.SetNoticeEmails{Emails: emails, Former: former})
		return err
	}
	ada, bob := []string{"ada@acme.example"}, []string{"bob@acme.example"}
	require.NoError(t, save(ada, []string{}))
	requireKind(t, service.Conflict, save(bob, []string{}))
	org, err := b.OwnOrg(t.Context(), b.admin)
	require.NoError(t, err)
	require.Equal(t, ada, org.NoticeEmails)
	require.NoError(t, save(bob, ada))
	require.NoError(t, save(ada, nil), "whoever they were")

	twice := []string{"ada@acme.example", "Ada@acme.example"}
	requireKind(t, service.Invalid, save(twice, nil), "notice_emails[1]")
	many := make([]string, 21)
	for i := range many {
		many[i] = fmt.Sprintf("a%d@acme.example", i)
	}
	requireKind(t, service.Invalid, save(many, nil), "notice_emails")
	require.NoError(t, save(many[:20], nil))
}

func TestOrgsOf(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	names := []string{"Initech", "Globex"}
	person := schemas.Person{Orgs: map[uuid.UUID]schemas.Role{
		*b.admin.OrgID: schemas.RoleAdmin, uuid.New(): schemas.RoleAdmin, uuid.Nil: schemas.RoleAdmin,
	}}
	for _, name := range names {
		org, err := b.CreateOrg(t.Context(), service.Call{Caller: operator()}, service.CreateOrg{Name: name})
		require.NoError(t, err)
		if name == "Globex" {
			person.Orgs[org.ID] = schemas.RoleViewer
		}
	}
	orgs, err := b.OrgsOf(t.Context(), person)
	require.NoError(t, err)
	require.Len(t, orgs, 2, "without those that do not exist, and those that are not theirs")
	require.Equal(t, "Acme", orgs[0].Name)
	require.Equal(t, "Globex", orgs[1].Name)

	orgs, err = b.OrgsOf(t.Context(), schemas.Person{})
	require.NoError(t, err)
	require.Empty(t, orgs)
}

func TestSessions(t *testing.T) {
	t.Parallel()
	b := setup(t, ignore, nil)
	now := time.Now()
	session := func(subject string, began time.Time) service.Session {
		return service.Session{ID: uuid.New(), Subject: subject, Began: began, Ends: began.Add(8 * time.Hour)}
	}
	here, elsewhere, another := session("ada", now.Add(-time.Minute)), session("ada", now.Add(-time.Hour)), session("vic", now)
	ended := func(s service.Session) bool {
		ended, err := b.SessionEnded(t.Context(), s)
		require.NoError(t, err)
		return ended
	}
	for _, s := range []service.Session{here, elsewhere, another} {
		require.False(t, ended(s))
	}
	require.NoError(t, b.EndSession(t.Context(), here, false))
	require.True(t, ended(here))
	require.False(t, ended(elsewhere))

	require.NoError(t, b.EndSession(t.Context(), elsewhere, true))
	require.True(t, ended(elsewhere))
	require.True(t, ended(session("ada", now.Add(-time.Second))), "one that nobody has named")
	require.False(t, ended(session("ada", time.Now().Add(time.Second))), "she signs in again")
	require.False(t, ended(another))
}
