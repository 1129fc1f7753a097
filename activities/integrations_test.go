package activities_test

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

// begins calls a command's first activity twice, as happens when its answer is
// lost, and expects both to proceed.
func begins(t *testing.T, begin, input any) {
	t.Helper()
	for range 2 {
		require.Equal(t, schemas.BeginCommandResult{Proceed: true}, must[schemas.BeginCommandResult](t, begin, input))
	}
}

func refused(t *testing.T, begin, input any, reason string) {
	t.Helper()
	require.Equal(t, schemas.BeginCommandResult{Reason: reason}, must[schemas.BeginCommandResult](t, begin, input))
}

func (b *bundle) store(op schemas.OperationRef, externalID string) schemas.StoreCredentialsInput {
	return schemas.StoreCredentialsInput{OperationRef: op, Credentials: *awsCredentials(externalID)}
}

// Invariant 4: however often credentials arrive, they are stored once.
func TestStoreCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/", unprovisioned)
	creation := b.addOperation(i, schemas.OpCreateIntegration, schemas.OperationParams{})

	begins(t, a.StoreCredentials, b.store(creation, "first"))
	stored := b.integration(i.ID)
	require.Equal(t, awsCredentials("first"), stored.Credentials)
	require.Equal(t, schemas.IntegrationAwaitingAccess, stored.Status)
	require.Equal(t, 1, b.audited("auditferry.integration.provisioned"))
	require.Equal(t, schemas.OperationRunning, b.operation(creation.OperationID).Status)

	for range 2 {
		mustDo(t, a.FinishOperation, creation)
	}
	ended := b.operation(creation.OperationID)
	require.Equal(t, schemas.OperationSucceeded, ended.Status)
	refused(t, a.StoreCredentials, b.store(creation, "late"), "the operation has succeeded")
	require.Equal(t, awsCredentials("first"), b.integration(i.ID).Credentials)
	mustDo(t, a.FailOperation, schemas.FailOperationInput{OperationRef: creation, Message: "too late"})
	require.Equal(t, ended, b.operation(creation.OperationID), "the first outcome stays")
}

// Invariant 4: the creation ends with the first credentials, whoever sent them;
// the same ones again are no news, and other ones replace them.
func TestOperatorsReplaceCredentials(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/", unprovisioned)
	creation := b.addOperation(i, schemas.OpCreateIntegration, schemas.OperationParams{})
	byHand := b.addOperation(i, schemas.OpProvision, schemas.OperationParams{})
	begins(t, a.StoreCredentials, b.store(byHand, "by-hand"))
	require.Equal(t, schemas.OperationSucceeded, b.operation(creation.OperationID).Status)
	refused(t, a.StoreCredentials, b.store(creation, "automatic"), "the operation has succeeded")
	require.Equal(t, awsCredentials("by-hand"), b.integration(i.ID).Credentials)
	mustDo(t, a.FinishOperation, byHand)

	same := b.addOperation(i, schemas.OpProvision, schemas.OperationParams{})
	refused(t, a.StoreCredentials, b.store(same, "by-hand"), "these credentials are stored already")
	require.Equal(t, schemas.OperationSucceeded, b.operation(same.OperationID).Status)
	require.Equal(t, 1, b.audited("auditferry.integration.provisioned"))

	rotation := b.addOperation(i, schemas.OpProvision, schemas.OperationParams{})
	begins(t, a.StoreCredentials, b.store(rotation, "rotated"))
	require.Equal(t, awsCredentials("rotated"), b.integration(i.ID).Credentials)
	require.Equal(t, 2, b.audited("auditferry.integration.provisioned"))
}

// What may be replaced is looked at again when the operation's turn comes:
// earlier credentials may have come by another way than an operation, or not.
func TestCredentialsThatNobodyHasSeenStay(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/", unprovisioned)
	creation := b.addOperation(i, schemas.OpCreateIntegration, schemas.OperationParams{})
	handIn := func(seen *schemas.Credentials) schemas.OperationRef {
		return b.addOperation(i, schemas.OpProvision, schemas.OperationParams{Replaces: schemas.CredentialsVersion(seen, true)})
	}
	late := handIn(nil)
	begins(t, a.StoreCredentials, b.store(creation, "automatic"))
	refused(t, a.StoreCredentials, b.store(late, "by-hand"),
		"other credentials are there than whoever handed these in has seen; hand them in again to replace those")
	require.Equal(t, schemas.OperationFailed, b.operation(late.OperationID).Status)
	require.Equal(t, awsCredentials("automatic"), b.integration(i.ID).Credentials)

	refused(t, a.StoreCredentials, b.store(handIn(nil), "automatic"), "these credentials are stored already")
	begins(t, a.StoreCredentials, b.store(handIn(awsCredentials("automatic")), "by-hand"))
	require.Equal(t, awsCredentials("by-hand"), b.integration(i.ID).Credentials)
}

func TestCredentialsOfAnotherCloudAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/", unprovisioned)
	op := b.addOperation(i, schemas.OpProvision, schemas.OperationParams{})
	_, err := try[schemas.BeginCommandResult](t, attempt{}, a.StoreCredentials, schemas.StoreCredentialsInput{
		OperationRef: op,
		Credentials:  schemas.Credentials{GCP: &schemas.GCPCredentials{ServiceAccount: "auditferry@acme-project.iam.gserviceaccount.com"}},
	})
	requireError(t, err, schemas.ErrorInvalidInput, false)
	require.Nil(t, b.integration(i.ID).Credentials)
	mustDo(t, a.FailOperation, schemas.FailOperationInput{OperationRef: op, Message: "wrong cloud"})
	require.Equal(t, "wrong cloud", b.operation(op.OperationID).Error)
}

// Invariants 4 and 6: what is not this integration's to do is not done.
func TestForeignOperationsAreRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/")
	sibling := b.addIntegration("s3://acme-sibling/")
	other := b.otherOrg()
	foreign := other.addIntegration("s3://other-logs/")

	unknown := schemas.OperationRef{OrgID: b.org, IntegrationID: i.ID, OperationID: newID(t)}
	ofSibling := b.addOperation(sibling, schemas.OpDeleteIntegration, schemas.OperationParams{})
	ofSibling.IntegrationID = i.ID
	ofOther := other.addOperation(foreign, schemas.OpDeleteIntegration, schemas.OperationParams{})
	ofOther.OrgID, ofOther.IntegrationID = b.org, i.ID
	ofOtherKind := b.addOperation(i, schemas.OpCreateExport, schemas.OperationParams{})
	for name, begin := range map[string]any{
		"update destination": a.UpdateDestination, "check access": a.BeginAccessCheck, "delete": a.BeginDelete,
	} {
		t.Run(name, func(t *testing.T) {
			refused(t, begin, unknown, "there is no such operation")
			refused(t, begin, ofSibling, "the operation is of another integration")
			refused(t, begin, ofOther, "there is no such operation")
			refused(t, begin, ofOtherKind, "the operation is of kind create_export")
		})
	}
	crossed := ofOther
	crossed.IntegrationID = foreign.ID // another org's, named from this one
	_, err := try[schemas.BeginCommandResult](t, attempt{}, a.BeginDelete, crossed)
	requireError(t, err, schemas.ErrorNotFound, false)
	require.Equal(t, schemas.IntegrationActive, other.integration(foreign.ID).Status)
	require.Equal(t, schemas.IntegrationActive, b.integration(i.ID).Status)
}

func TestBeginAccessCheck(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/")
	begins(t, a.BeginAccessCheck, b.addOperation(i, schemas.OpCheckAccess, schemas.OperationParams{}))

	bare := b.addIntegration("s3://acme-bare/", unprovisioned)
	op := b.addOperation(bare, schemas.OpCheckAccess, schemas.OperationParams{})
	result := must[schemas.BeginCommandResult](t, a.BeginAccessCheck, op)
	require.False(t, result.Proceed)
	require.Contains(t, result.Reason, "no credentials yet")
	require.Equal(t, schemas.OperationFailed, b.operation(op.OperationID).Status)
	require.Equal(t, result.Reason, b.operation(op.OperationID).Error)
}

func TestLoadAndRecordAccess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	i := b.addIntegration("s3://acme-logs/", unprovisioned)
	ref := schemas.IntegrationRef{OrgID: b.org, IntegrationID: i.ID}
	require.Equal(t, schemas.LoadIntegrationResult{
		Cloud: schemas.AWS, Status: schemas.IntegrationProvisioning, Access: schemas.AccessUnknown,
	}, must[schemas.LoadIntegrationResult](t, a.LoadIntegration, ref))

	for range 2 {
		mustDo(t, a.RecordAccess, schemas.RecordAccessInput{
			IntegrationRef: ref, Status: schemas.IntegrationAwaitingAccess, Access: schemas.AccessChecking, Check: 3,
		})
	}
	require.Equal(t, schemas.LoadIntegrationResult{
		Cloud: schemas.AWS, Status: schemas.IntegrationAwaitingAccess, Access: schemas.AccessChecking, Check: 3,
	}, must[schemas.LoadIntegrationResult](t, a.LoadIntegration, ref))

	_, err := try[schemas.LoadIntegrationResult](t, attempt{}, a.LoadIntegration, schemas.IntegrationRef{OrgID: b.org, IntegrationID: newID(t)})
	requireError(t, err, schemas.ErrorNotFound, false)
}

// moving is an integration that an admin has asked to move, with an active
// export, one that is paused already, and a deleted one.
type moving struct {
	integration             schemas.Integration
	active, paused, deleted schemas.Export
	to                      schemas.Destination
	op                      schemas.OperationRef
}

func (b *bundle) moving(retarget bool) moving {
	b.t.Helper()
	m := moving{integration: b.addIntegration("s3://acme-logs/old/"), to: parse(b.t, "s3://acme-logs/new/")}
	m.active = b.addExport(m.integration, "active")
	m.paused = b.addExport(m.integration, "paused", pausedBy(schemas.PausedByAdmin))
	m.deleted = b.addExport(m.integration, "deleted", func(e *schemas.Export) { e.State = schemas.ExportDeleted })
	m.op = b.addOperation(m.integration, schemas.OpUpdateDestination, schemas.OperationParams{Destination: &m.to, Retarget: retarget})
	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		return tx.ClaimDestination(ctx, m.integration.ID, m.to)
	})
	return m
}

// Invariant 4: an update of the destination is carried out once.
func TestUpdateDestinationPauses(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	m := b.moving(false)
	begins(t, a.UpdateDestination, m.op)

	require.Equal(t, m.to, b.integration(m.integration.ID).Destination)
	active := b.export(m.active.ID)
	require.Equal(t, schemas.ExportPaused, active.State)
	require.Equal(t, schemas.PausedByDestinationUpdate, active.PauseReason)
	require.Equal(t, m.integration.Destination, active.Destination, "the old one, until somebody resumes it")
	require.Equal(t, m.active.SpecVersion+1, active.SpecVersion)
	require.Equal(t, schemas.PausedByAdmin, b.export(m.paused.ID).PauseReason)
	require.Equal(t, m.deleted, b.export(m.deleted.ID))
	require.Equal(t, schemas.OperationOutcome{PreviousDestination: m.integration.Destination, ExportsPaused: 2},
		b.operation(m.op.OperationID).Outcome)
	require.Equal(t, 1, b.audited("auditferry.integration.destination_updated"))
	require.True(t, b.isFree(m.integration.Destination))
	require.False(t, b.isFree(m.to))

	for range 2 {
		mustDo(t, a.FinishOperation, m.op)
	}
	refused(t, a.UpdateDestination, m.op, "the operation has succeeded")
}

// Invariant 4: a move that cannot be carried out leaves no claim behind, which
// nobody could give up any more but by deleting the integration.
func TestAFailedMoveGivesUpItsPlace(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	m := b.moving(false)
	fail := schemas.FailOperationInput{OperationRef: m.op, Message: "broken"}
	mustDo(t, a.FailOperation, fail)
	require.Equal(t, schemas.OperationFailed, b.operation(m.op.OperationID).Status)
	require.True(t, b.isFree(m.to))
	require.False(t, b.isFree(m.integration.Destination))

	b.in(func(ctx context.Context, tx *postgres.Tx) error {
		return tx.ClaimDestination(ctx, m.integration.ID, m.to) // for the next attempt
	})
	mustDo(t, a.FailOperation, fail)
	require.False(t, b.isFree(m.to), "a repetition gives up nothing that is not its own")
}

// Whose account the new bucket is in goes with the move, and a place that the
// integration has keeps no owner that the admin has now corrected.
func TestUpdateDestinationNamesTheBucketsOwner(t *testing.T) {
	t.Parallel()
	const account = "444455556666"
	for name, test := range map[string]struct {
		to, owner string
		verified  bool
	}{
		"to another bucket":               {"s3://acme-new/", account, false},
		"to another bucket of the role's": {"s3://acme-new/", "", false},
		"the same place":                  {"s3://acme-logs/", "", true},
		"the same place, another account": {"s3://acme-logs/", account, false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t)
			a := &activities.Integrations{Store: b.Store}
			i := b.addIntegration("s3://acme-logs/")
			to := parse(t, test.to)
			b.claim(i, to)
			export := b.addExport(i, "daily")
			op := b.addOperation(i, schemas.OpUpdateDestination, schemas.OperationParams{Destination: &to, BucketOwner: test.owner})
			begins(t, a.UpdateDestination, op)
			state := schemas.ExportActive // as long as it need not move
			if to != i.Destination {
				state = schemas.ExportPaused
			}
			require.Equal(t, state, b.export(export.ID).State)

			moved := b.integration(i.ID)
			require.Equal(t, to, moved.Destination)
			require.Equal(t, schemas.Grant{RoleARN: i.Grant.RoleARN, BucketOwner: test.owner}, moved.Grant)
			claim := b.claimed(moved)
			require.Equal(t, test.verified, claim.VerifiedAt != nil)
			require.Equal(t, test.verified, claim.Owner != nil)
			require.Equal(t, test.to == "s3://acme-new/", b.isFree(i.Destination))
		})
	}
}

func TestUpdateDestinationRetargets(t *testing.T) {
	t.Parallel()
	b := setup(t)
	a := &activities.Integrations{Store: b.Store}
	m := b.moving(true)
	begins(t, a.UpdateDestination, m.op)

	active, paused := b.export(m.active.ID), b.export(m.paused.ID)
	require.Equal(t, schemas.ExportActive, active.State)
	require.Equal(t, m.to, active.Destination)
	require.Equal(t, m.active.SpecVersion+1, active.SpecVersion)
	require.Equal(t, schemas.ExportPaused, paused.State, "retargeting does not resume")
	require.Equal(t, m.to, paused.Destination)
	require.Equal(t, m.deleted, b.export(m.deleted.ID))
	require.Equal(t, schemas.OperationOutcome{PreviousDestination: m.integration.Destination, ExportsRetargeted: 2},
		b.operation(m.op.OperationID).Outcome)
	require.Equal(t, 1, b.audited("auditferry.integration.destination_updated"))
}
