// Command worker runs the workflows and activities. It is configured by
// environment variables alone, and scales by running more of them.
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
	"sync"
	"syscall"
	"time"

	"go.temporal.io/sdk/client"
	"go.temporal.io/sdk/worker"
	"go.uber.org/zap"

	"github.com/auditferry/auditferry/activities"
	"github.com/auditferry/auditferry/internal/config"
	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/schedule"
	"github.com/auditferry/auditferry/internal/temporalclient"
	"github.com/auditferry/auditferry/schemas"
	"github.com/auditferry/auditferry/workflows"
)

func main() {
	flag.Usage = func() { fmt.Fprint(os.Stderr, config.Usage[config.Worker]("worker")) }
	flag.Parse()
	if flag.NArg() > 0 {
		flag.Usage()
		os.Exit(2)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context) error {
	cfg, err := config.LoadWorker()
	if err != nil {
		return err
	}
	log, err := cfg.Logger()
	if err != nil {
		return err
	}
	defer log.Sync() //nolint:errcheck // standard error cannot always be synced
	store, err := postgres.Open(ctx, cfg.DatabaseURL)
	if err != nil {
		return err
	}
	defer store.Close()
	temporal, err := temporalclient.Dial(temporalclient.Options{Log: log})
	if err != nil {
		return err
	}
	defer temporal.Close()
	if err := prepare(ctx, cfg, temporal); err != nil {
		return err
	}
	signer, err := prepareSigner(ctx, cfg, log, store)
	if err != nil {
		return err
	}
	all, err := wire(ctx, cfg, store, temporal, signer)
	if err != nil {
		return err
	}
	return serve(ctx, cfg, log, temporal, all)
}

// prepare makes sure that Temporal has what the workflows take for granted.
func prepare(ctx context.Context, cfg config.Worker, temporal client.Client) error {
	if err := temporalclient.EnsureSearchAttributes(ctx, temporal); err != nil {
		return err
	}
	schedules := schedule.Adapter{Client: temporal}
	if err := schedules.EnsureFixed(ctx, schemas.ScheduleReconcile, cfg.ReconcileEvery, schemas.WorkflowReconcile, schemas.TaskQueueControl); err != nil {
		return err
	}
	if err := schedules.EnsureFixed(ctx, schemas.ScheduleWatch, cfg.WatchEvery, schemas.WorkflowWatch, schemas.TaskQueueControl); err != nil {
		return err
	}
	return schedules.EnsureFixed(ctx, schemas.ScheduleRetention, 24*time.Hour, schemas.WorkflowRetention, schemas.TaskQueueControl)
}

// serve runs the workers of both queues until ctx ends, then lets what is
// under way finish for as long as the grace allows. An activity that does not
// is taken up by another worker.
func serve(ctx context.Context, cfg config.Worker, log *zap.Logger, temporal client.Client, all activities.All) error {
	worker.SetStickyWorkflowCacheSize(cfg.WorkflowCache)
	failed := make(chan error, 3)
	options := worker.Options{
		WorkerStopTimeout: cfg.ShutdownGrace,
		OnFatalError:      func(err error) { failed <- err },
	}
	control := worker.New(temporal, schemas.TaskQueueControl, options)
	workflows.Register(control)
	all.Register(control)

	options.DisableWorkflowWorker = true
	options.MaxConcurrentActivityExecutionSize = cfg.Export.Concurrent
	export := worker.New(temporal, schemas.TaskQueueExport, options)
	all.Register(export)

	health, err := listenHealth(ctx, cfg.Listen, temporal, failed)
	if err != nil {
		return err
	}
	defer health.Close() //nolint:errcheck // the process ends
	var draining sync.WaitGroup
	defer draining.Wait()
	for _, w := range []worker.Worker{control, export} {
		if err := w.Start(); err != nil {
			return fmt.Errorf("start worker: %w", err)
		}
		defer draining.Go(w.Stop) // both at once, so that they share the grace
	}
	log.Info("Worker is ready", zap.String("health", cfg.Listen))
	select {
	case <-ctx.Done():
		log.Info("Worker drains", zap.Duration("grace", cfg.ShutdownGrace))
		return nil
	case err := <-failed:
		return err
	}
}

// listenHealth answers /healthz while the process lives and /readyz while it
// can reach Temporal.
func listenHealth(ctx context.Context, address string, temporal client.Client, failed chan<- error) (*http.Server, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("listen for health checks: %w", err)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusOK) })
	mux.HandleFunc("GET /readyz", func(w http.ResponseWriter, r *http.Request) {
		if _, err := temporal.CheckHealth(r.Context(), &client.CheckHealthRequest{}); err != nil {
			http.Error(w, "Temporal does not answer", http.StatusServiceUnavailable)
		}
	})
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
			failed <- fmt.Errorf("serve health checks: %w", err)
		}
	}()
	return server, nil
}
