package activities_test

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/mail"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// outbox takes every mail, unless it is told to fail.
type outbox struct {
	sent []mail.Message
	fail error
}

func (o *outbox) Send(_ context.Context, m mail.Message) error {
	if o.fail != nil {
		return o.fail
	}
	o.sent = append(o.sent, m)
	return nil
}

func (b *bundle) notices() (*activities.Notices, *outbox) {
	mails := &outbox{}
	return &activities.Notices{
		Store: b.Store, Mail: mails, OperatorEmails: []string{"ops@example.com"}, PublicURL: "https://audit.example.com/",
	}, mails
}

func notice(kind schemas.NoticeKind, op schemas.OperationRef) schemas.SendNoticeInput {
	return schemas.SendNoticeInput{Address: "ann@example.com", NoticeInput: schemas.NoticeInput{
		OrgID: op.OrgID, IntegrationID: op.IntegrationID, OperationID: &op.OperationID, Kind: kind,
	}}
}

// about is notice for an integration whose access check 3 is the newest.
func about(kind schemas.NoticeKind, op schemas.OperationRef) schemas.SendNoticeInput {
	in := notice(kind, op)
	in.Check = 3
	return in
}

func TestRecipients(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, _ := b.notices()
	admins := []string{"ann@example.com", "bob@example.com"}
	for kind, want := range map[schemas.NoticeKind][]string{
		schemas.NoticeIntegrationReady:    admins,
		schemas.NoticeDestinationUpdated:  admins,
		schemas.NoticeIntegrationDeleted:  admins,
		schemas.NoticeAccessVerified:      admins,
		schemas.NoticeAccessDenied:        admins,
		schemas.NoticeProvisioningWaiting: {"ops@example.com"},
	} {
		to := must[schemas.NoticeRecipients](t, a.Recipients, schemas.NoticeInput{OrgID: b.org, Kind: kind})
		require.Equal(t, want, to.Addresses, kind)
	}
	_, err := try[schemas.NoticeRecipients](t, attempt{}, a.Recipients, schemas.NoticeInput{OrgID: newID(t), Kind: schemas.NoticeIntegrationReady})
	requireError(t, err, schemas.ErrorNotFound, false)
}

// Every mail leads to the integration and tells what its own operation did.
func TestNoticesAreWordedByTheirKind(t *testing.T) {
	t.Parallel()
	newPlace := "s3://acme-logs/new/"
	for kind, test := range map[schemas.NoticeKind]struct {
		change  func(*schemas.Integration)
		params  func(t *testing.T) schemas.OperationParams
		outcome func(t *testing.T) schemas.OperationOutcome
		subject string
		says    []string
	}{
		schemas.NoticeIntegrationReady: {
			subject: `Grant access in AWS to finish "Archive"`,
			says: []string{
				"s3://acme-logs/old/", "first", "arn:aws:iam::210987654321:user/auditferry",
				`"s3:PutObject"`, "arn:aws:s3:::acme-logs/old/*", `"sts:ExternalId": "first"`, // ready to be pasted
			},
		},
		schemas.NoticeAccessVerified: {
			subject: `Access verified for "Archive"`,
			says:    []string{"s3://acme-logs/old/"},
		},
		schemas.NoticeAccessDenied: {
			change: func(i *schemas.Integration) {
				i.Access = schemas.AccessDenied
				i.Report = &schemas.AccessReport{Check: 3, Steps: []schemas.AccessStep{{
					Name: schemas.StepWrite, Status: schemas.StepFailed, Kind: schemas.KindDenied, Code: "AccessDenied",
					Explanation: "The role may not write.", Fix: "Add s3:PutObject.",
				}}}
			},
			subject: `No access in AWS for "Archive"`,
			says:    []string{"s3://acme-logs/old/", "AccessDenied", "The role may not write.", "Add s3:PutObject."},
		},
		schemas.NoticeDestinationUpdated: {
			change: func(i *schemas.Integration) { i.Destination.Prefix = "even-newer" },
			params: func(t *testing.T) schemas.OperationParams {
				to := parse(t, newPlace)
				return schemas.OperationParams{Destination: &to}
			},
			outcome: func(t *testing.T) schemas.OperationOutcome {
				return schemas.OperationOutcome{PreviousDestination: parse(t, "s3://acme-logs/old/"), ExportsPaused: 2}
			},
			subject: `Destination of "Archive" updated`,
			says:    []string{newPlace, "s3://acme-logs/old/", "2 linked exports are paused"},
		},
		schemas.NoticeIntegrationDeleted: {
			outcome: func(*testing.T) schemas.OperationOutcome { return schemas.OperationOutcome{ExportsDeleted: 3} },
			subject: `Storage integration "Archive" deleted`,
			says:    []string{"s3://acme-logs/old/", "3 linked exports have been deleted"},
		},
		schemas.NoticeProvisioningWaiting: {
			change:  unprovisioned,
			subject: `Integration "Archive" of Acme waits for credentials`,
			says:    []string{"s3://acme-logs/old/", "POST /v1/integrations/"},
		},
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a, mails := b.notices()
			i := b.addIntegration("s3://acme-logs/old/", func(i *schemas.Integration) {
				if test.change != nil {
					test.change(i)
				}
			})
			var params schemas.OperationParams
			if test.params != nil {
				params = test.params(t)
			}
			op := b.addOperation(i, schemas.OpUpdateDestination, params)
			if test.outcome != nil {
				outcome := test.outcome(t)
				b.in(func(ctx context.Context, tx *postgres.Tx) error {
					return tx.SetOperationOutcome(ctx, op.OperationID, outcome)
				})
			}
			for range 2 {
				mustDo(t, a.SendNotice, about(kind, op))
			}
			bob := about(kind, op)
			bob.Address = "bob@example.com"
			mustDo(t, a.SendNotice, bob)

			require.Len(t, mails.sent, 3)
			sent := mails.sent[0]
			require.Equal(t, "ann@example.com", sent.To)
			require.Equal(t, test.subject, sent.Subject)
			link := "https://audit.example.com/integrations/" + i.ID.String()
			if kind == schemas.NoticeProvisioningWaiting { // operators are none of the org's members
				link = "https://audit.example.com/operator/integrations/" + b.org.String() + "/" + i.ID.String() + "/provision"
			}
			for _, words := range append(test.says, link) {
				require.Contains(t, sent.Text, words)
			}
			require.NotContains(t, sent.Text, "even-newer")
			require.Equal(t, sent.ID, mails.sent[1].ID, "a mail that was sent twice can be told")
			require.NotEqual(t, sent.ID, mails.sent[2].ID)
		})
	}
}

// A mail that would tell what is not so any more is not sent.
func TestOutdatedNoticesAreSkipped(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, mails := b.notices()
	provisioned := b.addIntegration("s3://acme-one/")
	mustDo(t, a.SendNotice, notice(schemas.NoticeProvisioningWaiting, b.addOperation(provisioned, schemas.OpCreateIntegration, schemas.OperationParams{})))
	revoked := b.addIntegration("s3://acme-two/", func(i *schemas.Integration) { i.Credentials = nil })
	mustDo(t, a.SendNotice, notice(schemas.NoticeIntegrationReady, b.addOperation(revoked, schemas.OpProvision, schemas.OperationParams{})))
	deleted := b.addIntegration("s3://acme-three/", func(i *schemas.Integration) { i.Status = schemas.IntegrationDeleting })
	mustDo(t, a.SendNotice, notice(schemas.NoticeAccessVerified, b.addOperation(deleted, schemas.OpCheckAccess, schemas.OperationParams{})))
	require.Empty(t, mails.sent)
}

// That access is denied is told while it is: not once another check has begun,
// and not of a check that was superseded.
func TestDenialsAreToldWhileTheyCount(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, mails := b.notices()
	access, probe := b.checking()
	b.requests(denyOp("put"))
	must[schemas.ProbeResult](t, access.Probe, probe)
	i := b.integration(probe.IntegrationID)
	denial := schemas.SendNoticeInput{Address: "ann@example.com", NoticeInput: schemas.NoticeInput{
		OrgID: b.org, IntegrationID: i.ID, Check: 1, Kind: schemas.NoticeAccessDenied,
	}}
	mustDo(t, a.SendNotice, denial)
	require.Empty(t, mails.sent, "the check is still under way")
	b.say(i, schemas.AccessDenied, 1)
	mustDo(t, a.SendNotice, denial)
	require.Len(t, mails.sent, 1)

	b.setCheck(i.ID, 2)
	mustDo(t, a.SendNotice, denial)
	probe.Check = 2
	must[schemas.ProbeResult](t, access.Probe, probe)
	b.say(i, schemas.AccessDenied, 2)
	mustDo(t, a.SendNotice, denial)
	require.Len(t, mails.sent, 1)
	denial.Check = 2
	mustDo(t, a.SendNotice, denial)
	require.Len(t, mails.sent, 2)
}

func TestNoticesOfNothingAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, _ := b.notices()
	op := b.addOperation(b.addIntegration("s3://acme-logs/"), schemas.OpProvision, schemas.OperationParams{})
	_, err := attempt{}.perform(t, a.SendNotice, notice("birthday", op))
	requireError(t, err, schemas.ErrorInvalidInput, false)

	op.OperationID = newID(t)
	_, err = attempt{}.perform(t, a.SendNotice, notice(schemas.NoticeIntegrationReady, op))
	requireError(t, err, schemas.ErrorNotFound, false)
}

// A server that is down is asked again; an address that nothing can be sent to
// is not.
func TestUndeliveredNotices(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a, mails := b.notices()
	op := b.addOperation(b.addIntegration("s3://acme-logs/"), schemas.OpProvision, schemas.OperationParams{})
	in := notice(schemas.NoticeIntegrationReady, op)
	mails.fail = errors.New("greylisted")
	_, err := attempt{}.perform(t, a.SendNotice, in)
	requireError(t, err, schemas.ErrorMailUndelivered, true)

	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, listener.Close()) // nobody listens there any more
	a.Mail, err = mail.New("smtp://"+listener.Addr().String(), "Auditferry <noreply@example.com>")
	require.NoError(t, err)
	_, err = attempt{}.perform(t, a.SendNotice, in)
	requireError(t, err, schemas.ErrorMailUndelivered, true)
	in.Address = "ann"
	_, err = attempt{}.perform(t, a.SendNotice, in)
	requireError(t, err, schemas.ErrorMailRefused, false)
}
