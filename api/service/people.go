package service

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// Member is the caller that a person is in an organization. It is NotFound
// when the person is nothing there, whether the organization exists or not.
func Member(person schemas.Person, org uuid.UUID, origin schemas.EventContext) (Caller, error) {
	role, belongs := person.Orgs[org]
	if !belongs {
		return Caller{}, notAnOrg(postgres.ErrNotFound)
	}
	return Caller{OrgID: &org, Role: role, Actor: actorOf(person), Origin: origin}, nil
}

// Operator is the caller that a person is for all organizations. It is
// Forbidden to those who are not operators.
func Operator(person schemas.Person, origin schemas.EventContext) (Caller, error) {
	if !person.Operator {
		return Caller{}, &Error{Kind: Forbidden, Detail: "These pages are for the operators of the service, and you are not one of them."}
	}
	return Caller{Role: schemas.RoleOperator, Actor: actorOf(person), Origin: origin}, nil
}

func actorOf(person schemas.Person) schemas.Actor {
	return schemas.Actor{Type: "user", ID: person.Subject, Name: person.DisplayName(), Email: person.Email}
}

// OrgsOf lists the organizations that a person belongs to and that exist, by
// name.
func (s *Service) OrgsOf(ctx context.Context, person schemas.Person) ([]schemas.Org, error) {
	var orgs []schemas.Org
	for id := range person.Orgs {
		org, err := s.orgByID(ctx, id)
		if isKind(err, NotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		orgs = append(orgs, org)
	}
	slices.SortFunc(orgs, func(a, b schemas.Org) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), slices.Compare(a.ID[:], b.ID[:]))
	})
	return orgs, nil
}

// Session is one sign-in of a person.
type Session struct {
	ID          uuid.UUID
	Subject     string
	Began, Ends time.Time
}

// SessionEnded tells whether a session was ended before its time.
func (s *Service) SessionEnded(ctx context.Context, session Session) (bool, error) {
	return asOperator(ctx, s, func(tx *postgres.Tx) (bool, error) {
		return tx.SessionEnded(ctx, session.Subject, session.ID, session.Began)
	})
}

// EndSession ends a session for good, or with everywhere all that its person
// has begun until now.
func (s *Service) EndSession(ctx context.Context, session Session, everywhere bool) error {
	_, err := asOperator(ctx, s, func(tx *postgres.Tx) (struct{}, error) {
		err := tx.EndSession(ctx, session.Subject, &session.ID, session.Ends)
		if err == nil && everywhere {
			err = tx.EndSession(ctx, session.Subject, nil, now().Add(schemas.MaxSession))
		}
		return struct{}{}, err
	})
	return err
}

// Clock is the time by which sessions begin and end, whichever program asks: the
// database's.
func (s *Service) Clock(ctx context.Context) (time.Time, error) { return s.store.Clock(ctx) }
