// Command api serves the HTTP API. It is configured by environment variables
// alone, keeps no state, and scales by running more of them.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/auditferry/auditferry/api/httpapi"
	"github.com/auditferry/auditferry/api/portal"
	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/internal/config"
	"github.com/auditferry/auditferry/internal/dispatch"
	"github.com/auditferry/auditferry/internal/identity"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/schedule"
	"github.com/auditferry/auditferry/internal/temporalclient"
	"github.com/auditferry/auditferry/schemas"
)

func main() {
	flag.Usage = func() { fmt.Fprint(os.Stderr, config.Usage[config.API]("api")) }
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "api:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := config.LoadAPI()
	if err != nil {
		return err
	}
	log, err := cfg.Logger()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	warn(cfg, log)
	store, err := openStore(ctx, cfg)
	if err != nil {
		return err
	}
	defer store.Close()
	// Lazy: without Temporal, reads are served and commands are accepted.
	temporal, err := temporalclient.Dial(temporalclient.Options{Log: log, Lazy: true})
	if err != nil {
		return err
	}
	defer temporal.Close()
	all := service.New(service.Options{
		Store:          store,
		Dispatcher:     dispatch.New(store, schedule.Adapter{Client: temporal}, temporalclient.Signaler{Client: temporal}, temporalclient.Starter{Client: temporal}),
		Log:            log,
		Temporal:       temporalclient.Watcher{Client: temporal},
		Provisioners:   provisioners(cfg.Common),
		Retention:      cfg.Retention,
		AzureAuthority: cfg.AzureAuthorityHost,
		Stopping:       ctx.Done(),
	})
	if cfg.OperatorKey != "" {
		if err := all.KeepOperatorKey(ctx, cfg.OperatorKey); err != nil {
			return err
		}
	}
	pages, err := openPortal(cfg, log, all)
	if err != nil {
		return err
	}
	handler, err := httpapi.New(httpapi.Options{
		Service: all, Authenticator: all, Log: log, Pages: pages, TrustedProxies: cfg.TrustedProxies,
	})
	if err != nil {
		return err
	}
	return serve(ctx, cfg, log, handler)
}

// warn names what is allowed, and not what one wants to have.
func warn(cfg config.API, log *zap.Logger) {
	if cfg.Portal.Made {
		log.Warn("AUDITFERRY_SESSION_KEY is not set: sessions end with this program, and no other api program knows them")
	}
	if cfg.HidesClients() {
		log.Warn("AUDITFERRY_TRUSTED_PROXIES is not set, and AUDITFERRY_PUBLIC_URL is https: all clients seem to have the proxy's address, " +
			"so audit events name it, and all people share one limit of sign-ins. Set it to the proxy's network, such as 10.0.0.0/8")
	}
}

// openPortal makes the pages; nil when there is no identity provider to sign in
// at.
func openPortal(cfg config.API, log *zap.Logger, all *service.Service) (httpapi.Pages, error) {
	if !cfg.Portal.Served() {
		log.Info("no portal: AUDITFERRY_OIDC_ISSUER is not set")
		return nil, nil
	}
	return portal.New(portal.Options{
		Service: all,
		Provider: identity.New(identity.Options{
			Issuer:       cfg.Portal.Issuer,
			ClientID:     cfg.Portal.ClientID,
			ClientSecret: cfg.Portal.ClientSecret,
			RedirectURL:  strings.TrimSuffix(cfg.PublicURL, "/") + "/login/callback",
			Scopes:       cfg.Portal.Scopes,
			OrgsClaim:    cfg.Portal.OrgsClaim,
		}),
		Log:             log,
		SessionKey:      cfg.Portal.SessionKey,
		SessionLifetime: cfg.Portal.Lifetime,
		Secure:          cfg.Secure(),
		TemporalUI:      strings.TrimSuffix(cfg.Portal.Temporal, "/"),
	})
}

func openStore(ctx context.Context, cfg config.API) (*postgres.Store, error) {
	if cfg.MigrateDatabaseURL != "" {
		if err := postgres.Migrate(ctx, cfg.MigrateDatabaseURL); err != nil {
			return nil, err
		}
	}
	return postgres.Open(ctx, cfg.DatabaseURL)
}

func provisioners(cfg config.Common) map[schemas.Cloud]schemas.Provisioner {
	return map[schemas.Cloud]schemas.Provisioner{
		schemas.AWS:   schemas.Provisioner(cfg.ProvisionerAWS),
		schemas.Azure: schemas.Provisioner(cfg.ProvisionerAzure),
		schemas.GCP:   schemas.Provisioner(cfg.ProvisionerGCP),
	}
}

const (
	headerTimeout = 10 * time.Second // a client that is slower than this holds a connection on purpose
	readTimeout   = time.Minute      // 5 MiB over a slow line
	writeTimeout  = readTimeout + service.MaxWait + 15*time.Second
	idleTimeout   = 2 * time.Minute // above the keep-alive of common load balancers, so that they hang up first
)

// serve answers requests until ctx ends, then lets those under way finish for
// as long as the grace allows.
func serve(ctx context.Context, cfg config.API, log *zap.Logger, handler http.Handler) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", cfg.Listen)
	if err != nil {
		return fmt.Errorf("listen for requests: %w", err)
	}
	server := &http.Server{
		Handler:           handler,
		ReadHeaderTimeout: headerTimeout,
		ReadTimeout:       readTimeout,
		WriteTimeout:      writeTimeout,
		IdleTimeout:       idleTimeout,
		ErrorLog:          zap.NewStdLog(log),
	}
	failed := make(chan error, 1)
	go func() { failed <- server.Serve(listener) }()
	log.Info("API is ready", zap.Stringer("address", listener.Addr()))
	select {
	case err := <-failed:
		return fmt.Errorf("serve requests: %w", err)
	case <-ctx.Done():
	}
	log.Info("API drains", zap.Duration("grace", cfg.ShutdownGrace))
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), cfg.ShutdownGrace)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(fmt.Errorf("drain requests: %w", err), server.Close())
	}
	return nil
}
