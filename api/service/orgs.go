package service

import (
	"context"
	"errors"
	"slices"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// CreateOrg is a request for a new organization.
type CreateOrg struct {
	Name         string
	NoticeEmails []string
}

// CreateOrg makes an organization. Operators may.
func (s *Service) CreateOrg(ctx context.Context, call Call, in CreateOrg) (schemas.Org, error) {
	if err := call.operator(); err != nil {
		return schemas.Org{}, err
	}
	if err := invalid(checkName(in.Name), checkEmails(in.NoticeEmails)); err != nil {
		return schemas.Org{}, err
	}
	return asOperator(ctx, s, func(tx *postgres.Tx) (schemas.Org, error) {
		return once(ctx, tx, call.IdempotencyKey, in, func() (schemas.Org, error) {
			org := schemas.Org{
				ID:           newID(),
				Name:         in.Name,
				NoticeEmails: append([]string{}, in.NoticeEmails...),
				CreatedAt:    now(),
			}
			return org, tx.InsertOrg(ctx, org)
		})
	})
}

// Orgs lists all organizations in the order of their creation. Operators may.
func (s *Service) Orgs(ctx context.Context, caller Caller, page Page) (List[schemas.Org], error) {
	if err := caller.operator(); err != nil {
		return List[schemas.Org]{}, err
	}
	after, err := page.after()
	if err != nil {
		return List[schemas.Org]{}, err
	}
	return asOperator(ctx, s, func(tx *postgres.Tx) (List[schemas.Org], error) {
		orgs, err := tx.Orgs(ctx, after, page.limit()+1)
		return listOf(page, orgs, func(o schemas.Org) []byte { return idCursor(o.ID) }), err
	})
}

// Org returns any organization. Operators may.
func (s *Service) Org(ctx context.Context, caller Caller, id uuid.UUID) (schemas.Org, error) {
	if err := caller.operator(); err != nil {
		return schemas.Org{}, err
	}
	return s.orgByID(ctx, id)
}

// OwnOrg returns the caller's organization. Admins and viewers may.
func (s *Service) OwnOrg(ctx context.Context, caller Caller) (schemas.Org, error) {
	id, err := caller.reader()
	if err != nil {
		return schemas.Org{}, err
	}
	return s.orgByID(ctx, id)
}

func (s *Service) orgByID(ctx context.Context, id uuid.UUID) (schemas.Org, error) {
	if id == uuid.Nil {
		return schemas.Org{}, notAnOrg(postgres.ErrNotFound)
	}
	return inOrg(ctx, s, id, func(tx *postgres.Tx) (schemas.Org, error) {
		org, err := tx.Org(ctx, id)
		return org, notAnOrg(err)
	})
}

func notAnOrg(err error) error {
	if errors.Is(err, postgres.ErrNotFound) {
		return &Error{Kind: NotFound, Detail: "There is no organization with this ID."}
	}
	return err
}

// SetNoticeEmails is a request to say who gets an organization's mails. Former
// are the addresses that the caller has seen, and empty when they have seen that
// there are none; nil replaces whichever there are.
type SetNoticeEmails struct{ Emails, Former []string }

// SetNoticeEmails says who gets the mails of the caller's organization. It is a
// Conflict when the caller has seen other addresses. Admins may.
func (s *Service) SetNoticeEmails(ctx context.Context, caller Caller, in SetNoticeEmails) (schemas.Org, error) {
	id, err := caller.admin()
	if err != nil {
		return schemas.Org{}, err
	}
	if err := invalid(checkEmails(in.Emails)); err != nil {
		return schemas.Org{}, err
	}
	return inOrg(ctx, s, id, func(tx *postgres.Tx) (schemas.Org, error) {
		org, err := tx.LockOrg(ctx, id)
		if err != nil {
			return schemas.Org{}, notAnOrg(err)
		}
		if in.Former != nil && !slices.Equal(in.Former, org.NoticeEmails) {
			return schemas.Org{}, conflict("Somebody else has changed the addresses since you looked. Look at theirs, and save yours again if they are to take their place.")
		}
		org.NoticeEmails = append([]string{}, in.Emails...)
		if err := tx.SetNoticeEmails(ctx, id, org.NoticeEmails); err != nil {
			return schemas.Org{}, err
		}
		target := schemas.Target{Type: "org", ID: id.String(), Name: org.Name}
		_, err = audit(ctx, tx, caller, "org.notice_emails_set", target, map[string]any{"notice_emails": in.Emails})
		return org, err
	})
}
