package postgres_test

import (
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/schemas"
)

func TestOrgs(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	second := b.addOrg("Umbrella")
	b.asOperator(func(tx *postgres.Tx) {
		first, err := tx.Orgs(ctx, uuid.Nil, 1)
		require.NoError(t, err)
		require.Len(t, first, 1)
		require.Equal(t, b.org, first[0].ID)
		require.Equal(t, time.UTC, first[0].CreatedAt.Location())
		rest, err := tx.Orgs(ctx, first[0].ID, 10)
		require.NoError(t, err)
		require.Len(t, rest, 1)
		require.Equal(t, second, rest[0].ID)
	})
	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.SetNoticeEmails(ctx, b.org, []string{"a@example.com", "b@example.com"}))
		org, err := tx.Org(ctx, b.org)
		require.NoError(t, err)
		require.Equal(t, []string{"a@example.com", "b@example.com"}, org.NoticeEmails)
		require.NoError(t, tx.SetNoticeEmails(ctx, b.org, nil))
		org, err = tx.Org(ctx, b.org)
		require.NoError(t, err)
		require.Empty(t, org.NoticeEmails)
		_, err = tx.Org(ctx, second)
		require.ErrorIs(t, err, postgres.ErrNotFound)
	})
}

func TestAPIKeys(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	key := schemas.APIKey{ID: newID(t), Role: schemas.RoleAdmin, Name: "Ada's", CreatedAt: now(), CreatedBy: "Ada"}
	b.in(func(tx *postgres.Tx) { require.NoError(t, tx.InsertAPIKey(ctx, key, []byte("hash"))) })
	key.OrgID = &b.org
	requireConflict(t, b.try(func(tx *postgres.Tx) error {
		other := key
		other.ID = newID(t)
		return tx.InsertAPIKey(ctx, other, []byte("hash"))
	}))
	require.ErrorIs(t, b.try(func(tx *postgres.Tx) error {
		others := newID(t)
		return tx.InsertAPIKey(ctx, schemas.APIKey{ID: newID(t), OrgID: &others, Role: schemas.RoleAdmin}, []byte("2"))
	}), postgres.ErrNotFound)

	found, err := b.APIKeyByHash(ctx, []byte("hash"))
	require.NoError(t, err)
	require.Equal(t, key, found) // as it was before this use
	found, err = b.APIKeyByHash(ctx, []byte("hash"))
	require.NoError(t, err)
	require.NotNil(t, found.LastUsedAt)
	again, err := b.APIKeyByHash(ctx, []byte("hash"))
	require.NoError(t, err)
	require.Equal(t, found.LastUsedAt, again.LastUsedAt, "noted more than once a minute")
	_, err = b.APIKeyByHash(ctx, []byte("unknown"))
	require.ErrorIs(t, err, postgres.ErrNotFound)

	b.in(func(tx *postgres.Tx) {
		require.NoError(t, tx.RevokeAPIKey(ctx, key.ID))
		first, err := tx.APIKeys(ctx)
		require.NoError(t, err)
		require.Len(t, first, 1)
		require.NotNil(t, first[0].RevokedAt)
		require.NoError(t, tx.RevokeAPIKey(ctx, key.ID))
		second, err := tx.APIKeys(ctx)
		require.NoError(t, err)
		require.Equal(t, first, second)
		require.ErrorIs(t, tx.RevokeAPIKey(ctx, newID(t)), postgres.ErrNotFound)
	})
	found, err = b.APIKeyByHash(ctx, []byte("hash"))
	require.NoError(t, err)
	require.NotNil(t, found.RevokedAt)
}

func TestTheFirstOperatorKeyIsMadeOnce(t *testing.T) {
	t.Parallel()
	b := setup(t)
	ctx := t.Context()
	upsert := func() {
		b.asOperator(func(tx *postgres.Tx) { require.NoError(t, tx.UpsertOperatorKey(ctx, "bootstrap", []byte("hash"))) })
	}
	upsert()
	upsert()
	key, err := b.APIKeyByHash(ctx, []byte("hash"))
	require.NoError(t, err)
	require.Nil(t, key.OrgID)
	require.Equal(t, schemas.RoleOperator, key.Role)

	b.in(func(tx *postgres.Tx) { // operators' keys are not an org's
		require.ErrorIs(t, tx.RevokeAPIKey(ctx, key.ID), postgres.ErrNotFound)
	})
	b.asOperator(func(tx *postgres.Tx) { require.NoError(t, tx.RevokeAPIKey(ctx, key.ID)) })
	upsert()
	key, err = b.APIKeyByHash(ctx, []byte("hash"))
	require.NoError(t, err)
	require.NotNil(t, key.RevokedAt, "a restart must not bring a revoked key back")
}
