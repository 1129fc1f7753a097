package cloudsim

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// handlers are the simulator's faces once they are built.
type handlers struct {
	sts, s3, authority, blob, google, storage, page http.Handler
}

func (s *Server) faces() []face {
	l, e := s.cfg.Listen, &s.endpoints
	return []face{
		{"sts", l.STS, true, func() http.Handler { return s.handlers.sts }, &e.STS},
		{"s3", l.S3, false, func() http.Handler { return s.handlers.s3 }, &e.S3},
		{"authority", l.Authority, true, func() http.Handler { return s.handlers.authority }, &e.Authority},
		{"blob", l.Blob, true, func() http.Handler { return s.handlers.blob }, &e.Blob},
		{"google", l.Google, true, func() http.Handler { return s.handlers.google }, &e.IAMCredentials},
		{"storage", l.Storage, false, func() http.Handler { return s.handlers.storage }, &e.Storage},
		{"page", l.Page, false, func() http.Handler { return s.handlers.page }, &e.Page},
	}
}

// build makes the handlers; by now the endpoints are known.
func (s *Server) build() error {
	s.endpoints.Blob += "/{account}"
	s.endpoints.CAFile = s.ca.file
	s.endpoints.IAM = s.endpoints.IAMCredentials
	transport := http.DefaultTransport.(*http.Transport).Clone()
	ctx, stop := context.WithCancel(context.Background())
	s.stop = func() {
		stop()
		transport.CloseIdleConnections()
	}
	for cloud, build := range map[string]func(http.RoundTripper) error{
		"aws": s.buildAWS, "azure": s.buildAzure, "gcp": s.buildGCP,
	} {
		if err := build(transport); err != nil {
			return fmt.Errorf("%s: %w", cloud, err)
		}
	}
	stores, err := s.cfg.stores(ctx, &http.Client{Transport: transport})
	if err != nil {
		return err
	}
	s.handlers.page = s.pageHandler(&browser{stores: stores})
	s.serving.Go(func() { s.sessions.sweep(ctx) })
	return nil
}

func (s *Server) buildAWS(transport http.RoundTripper) error {
	cfg := s.cfg.AWS
	if cfg.AccessKeyID != "" && !userARN.MatchString(cfg.ServiceUserARN) {
		return fmt.Errorf("service user %q must look like arn:aws:iam::123456789012:user/name", cfg.ServiceUserARN)
	}
	s.sessions = &sessions{
		iam: &versity{
			endpoint:    cfg.IAMEndpoint,
			credentials: aws.Credentials{AccessKeyID: cfg.RootAccessKeyID, SecretAccessKey: cfg.RootSecretAccessKey},
			client:      &http.Client{Transport: transport, Timeout: iamTimeout},
		},
		// Several simulators may share one versitygw; each tidies its own users.
		path:    "/cloudsim/" + sha256Hex([]byte(s.cfg.Dir))[:16] + "/",
		grants:  s.grants,
		changed: make(chan struct{}, 1),
		byKey:   map[string]session{},
	}
	s.handlers.sts = &sts{cfg: cfg, grants: s.grants, log: s.log, sessions: s.sessions}
	var err error
	s.handlers.s3, err = newS3Gateway(cfg, s.grants, s.sessions, s.log, transport)
	return err
}

func (s *Server) buildAzure(transport http.RoundTripper) error {
	if err := s.cfg.Azure.checkApps(); err != nil {
		return err
	}
	key, err := loadKey(filepath.Join(s.cfg.Dir, "entra-key.pem"), newRSAKey)
	if err != nil {
		return err
	}
	t, err := newTokens(key, "https://sts.windows.net/", storageAudience)
	if err != nil {
		return err
	}
	authority := &entra{cfg: s.cfg.Azure, base: s.endpoints.Authority, grants: s.grants, log: s.log, tokens: t, admin: s}
	s.handlers.authority = authority.handler()
	s.handlers.blob, err = newBlobProxy(s.cfg.Azure, s.endpoints.Authority, s.grants, s.log, t, transport)
	return err
}

func (s *Server) buildGCP(transport http.RoundTripper) error {
	key, err := loadKey(filepath.Join(s.cfg.Dir, googleKeyFile), newRSAKey)
	if err != nil {
		return err
	}
	t, err := newTokens(key, googleIssuer, googleAudience)
	if err != nil {
		return err
	}
	if s.endpoints.GoogleKeyFile, err = writeGoogleKey(s.cfg.Dir, s.endpoints.IAMCredentials+"/token", key); err != nil {
		return err
	}
	s.identity = &googleIdentity{cfg: s.cfg.GCP, grants: s.grants, log: s.log, tokens: t, base: key.Public()}
	s.handlers.google = s.identity.handler()
	s.handlers.storage, err = newGCSProxy(s.cfg.GCP, s.endpoints.Storage, s.grants, s.log, t, transport)
	return err
}
