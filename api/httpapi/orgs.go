package httpapi

import (
	"context"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
)

func (h handlers) ListOrgs(ctx context.Context, r ListOrgsRequestObject) (ListOrgsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.Orgs(ctx, caller, pageOf(r.Params.Cursor, r.Params.Limit))
	return ListOrgs200JSONResponse{Items: list.Items, NextCursor: cursor(list.NextCursor)}, err
}

func (h handlers) CreateOrg(ctx context.Context, r CreateOrgRequestObject) (CreateOrgResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	org, err := h.service.CreateOrg(ctx, call, service.CreateOrg{Name: r.Body.Name, NoticeEmails: r.Body.NoticeEmails})
	return CreateOrg201JSONResponse(org), err
}

func (h handlers) GetOrg(ctx context.Context, r GetOrgRequestObject) (GetOrgResponseObject, error) {
	ctx, caller := callerOf(ctx)
	org, err := h.service.Org(ctx, caller, r.OrgId)
	return GetOrg200JSONResponse(org), err
}

func (h handlers) GetOwnOrg(ctx context.Context, _ GetOwnOrgRequestObject) (GetOwnOrgResponseObject, error) {
	ctx, caller := callerOf(ctx)
	org, err := h.service.OwnOrg(ctx, caller)
	return GetOwnOrg200JSONResponse(org), err
}

func (h handlers) EditOwnOrg(ctx context.Context, r EditOwnOrgRequestObject) (EditOwnOrgResponseObject, error) {
	ctx, caller := callerOf(ctx)
	org, err := h.service.SetNoticeEmails(ctx, caller, service.SetNoticeEmails{Emails: r.Body.NoticeEmails})
	return EditOwnOrg200JSONResponse(org), err
}

func (h handlers) ListOrgAPIKeys(ctx context.Context, r ListOrgAPIKeysRequestObject) (ListOrgAPIKeysResponseObject, error) {
	ctx, caller := callerOf(ctx)
	keys, err := h.service.APIKeys(ctx, caller, &r.OrgId)
	return ListOrgAPIKeys200JSONResponse{Items: keys}, err
}

func (h handlers) CreateOrgAPIKey(ctx context.Context, r CreateOrgAPIKeyRequestObject) (CreateOrgAPIKeyResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	created, err := h.createAPIKey(ctx, call, &r.OrgId, *r.Body)
	return CreateOrgAPIKey201JSONResponse(created), err
}

func (h handlers) RevokeOrgAPIKey(ctx context.Context, r RevokeOrgAPIKeyRequestObject) (RevokeOrgAPIKeyResponseObject, error) {
	ctx, caller := callerOf(ctx)
	return RevokeOrgAPIKey204Response{}, h.service.RevokeAPIKey(ctx, caller, &r.OrgId, r.KeyId)
}

func (h handlers) ListAPIKeys(ctx context.Context, _ ListAPIKeysRequestObject) (ListAPIKeysResponseObject, error) {
	ctx, caller := callerOf(ctx)
	keys, err := h.service.APIKeys(ctx, caller, nil)
	return ListAPIKeys200JSONResponse{Items: keys}, err
}

func (h handlers) CreateAPIKey(ctx context.Context, r CreateAPIKeyRequestObject) (CreateAPIKeyResponseObject, error) {
	ctx, call := callOf(ctx, r.Params.IdempotencyKey)
	created, err := h.createAPIKey(ctx, call, nil, *r.Body)
	return CreateAPIKey201JSONResponse(created), err
}

func (h handlers) RevokeAPIKey(ctx context.Context, r RevokeAPIKeyRequestObject) (RevokeAPIKeyResponseObject, error) {
	ctx, caller := callerOf(ctx)
	return RevokeAPIKey204Response{}, h.service.RevokeAPIKey(ctx, caller, nil, r.KeyId)
}

func (h handlers) createAPIKey(ctx context.Context, call service.Call, org *uuid.UUID, in CreateAPIKey) (CreatedAPIKey, error) {
	created, err := h.service.CreateAPIKey(ctx, call, service.CreateAPIKey{OrgID: org, Name: in.Name, Role: in.Role})
	return CreatedAPIKey{ApiKey: created.Key, Secret: created.Secret}, err
}

func (h handlers) ListOrgIntegrations(ctx context.Context, r ListOrgIntegrationsRequestObject) (ListOrgIntegrationsResponseObject, error) {
	ctx, caller := callerOf(ctx)
	list, err := h.service.OrgIntegrations(ctx, caller, r.OrgId, pageOf(r.Params.Cursor, r.Params.Limit))
	return ListOrgIntegrations200JSONResponse{Items: list.Items, NextCursor: cursor(list.NextCursor)}, err
}
