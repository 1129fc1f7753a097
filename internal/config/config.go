// Package config reads the environment into one validated struct per program.
// It is the only place that does so; the libraries' own standard variables
// (AWS_*, GOOGLE_APPLICATION_CREDENTIALS, TEMPORAL_*, SSL_CERT_FILE) keep
// their meaning.
package config

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
)

// prefix stands before the name of every variable of ours.
const prefix = "AUDITFERRY_"

// Common is what both programs need.
type Common struct {
	DatabaseURL string `env:"DATABASE_URL,required,notEmpty"` // of the role that row level security binds
	LogLevel    string `env:"LOG_LEVEL" envDefault:"info"`
	LogFormat   string `env:"LOG_FORMAT" envDefault:"json"` // json or console
	PublicURL   string `env:"PUBLIC_URL,required,notEmpty"` // where admins reach the API and portal; mails link there

	// Who makes credentials, cloud by cloud: auto or external.
	ProvisionerAWS   string `env:"PROVISIONER_AWS" envDefault:"auto"`
	ProvisionerAzure string `env:"PROVISIONER_AZURE" envDefault:"auto"`
	ProvisionerGCP   string `env:"PROVISIONER_GCP" envDefault:"auto"`

	Retention time.Duration `env:"RETENTION" envDefault:"720h"` // how long events are kept; the same for all programs

	AzureAuthorityHost string `env:"AZURE_AUTHORITY_HOST"` // where admins consent; empty: Microsoft's public cloud
}

// API is the configuration of the api program.
type API struct {
	Common
	MigrateDatabaseURL string        `env:"MIGRATE_DATABASE_URL"` // of the tables' owner; empty: migrations are run elsewhere
	Listen             string        `env:"LISTEN" envDefault:"127.0.0.1:8080"`
	OperatorKey        string        `env:"OPERATOR_KEY,unset"` // first operator's API key; empty: none is made
	ShutdownGrace      time.Duration `env:"SHUTDOWN_GRACE" envDefault:"20s"`
	TrustedProxies     []string      `env:"TRUSTED_PROXIES"` // networks such as 10.0.0.0/8 whose X-Forwarded-For is believed
	Portal             Portal
}

// Worker is the configuration of the worker program.
type Worker struct {
	Common
	Listen        string        `env:"WORKER_LISTEN" envDefault:"127.0.0.1:8081"` // health and metrics
	ShutdownGrace time.Duration `env:"SHUTDOWN_GRACE" envDefault:"20s"`
	TempDir       string        `env:"TEMP_DIR"` // where large parts spill to; empty: the system's

	// WorkflowCache is the number of workflows kept in memory; 0 replays every
	// task from its history.
	WorkflowCache int `env:"WORKFLOW_CACHE" envDefault:"600"`

	SMTPURL        string   `env:"SMTP_URL,required,notEmpty"` // smtp://user:password@host:587 or smtps://...
	MailFrom       string   `env:"MAIL_FROM,required,notEmpty"`
	OperatorEmails []string `env:"OPERATOR_EMAILS"`

	Export         Export
	AWS            AWS           `envPrefix:"AWS_"`
	Azure          Azure         `envPrefix:"AZURE_"`
	GCP            GCP           `envPrefix:"GCP_"`
	ReconcileEvery time.Duration `env:"RECONCILE_EVERY" envDefault:"1m"`
	WatchEvery     time.Duration `env:"WATCH_EVERY" envDefault:"1m"` // how often is looked for what admins have to be told
	Signing        Signing
}

// Export bounds what one run takes on.
type Export struct {
	WindowRows int64 `env:"EXPORT_WINDOW_ROWS" envDefault:"10000000"`
	PartBytes  int64 `env:"EXPORT_PART_BYTES" envDefault:"67108864"` // target size of an object
	Parallel   int   `env:"EXPORT_PARALLEL_PARTS" envDefault:"2"`
	Concurrent int   `env:"EXPORT_CONCURRENT" envDefault:"4"`        // exports a worker writes at a time
	SpillBytes int   `env:"EXPORT_SPILL_BYTES" envDefault:"8388608"` // a part above this goes to a temporary file
}

// LoadAPI reads the api program's configuration. The error names every
// variable that is missing or wrong.
func LoadAPI() (API, error) {
	cfg, err := env.ParseAsWithOptions[API](env.Options{Prefix: prefix})
	if err != nil {
		return API{}, readable(err)
	}
	return cfg, errors.Join(cfg.validate(), cfg.validateOperatorKey(), cfg.validateProxies(), cfg.Portal.read())
}

// LoadWorker reads the worker program's configuration. The error names every
// variable that is missing or wrong.
func LoadWorker() (Worker, error) {
	cfg, err := env.ParseAsWithOptions[Worker](env.Options{Prefix: prefix})
	if err != nil {
		return Worker{}, readable(err)
	}
	cfg.Azure.AppPool, err = readAppPool(cfg.Azure.AppPoolFile)
	return cfg, errors.Join(cfg.validate(), err, cfg.validateClouds(), cfg.Export.validate(), cfg.Signing.read())
}

func readable(err error) error {
	return fmt.Errorf("configuration: %w", err)
}

func (c Common) validate() error {
	var errs []error
	if u, err := url.Parse(c.PublicURL); err != nil || u.Host == "" || !strings.HasPrefix(u.Scheme, "http") {
		errs = append(errs, wrong("PUBLIC_URL", "must be an http or https URL"))
	}
	if c.Retention < minRetention {
		errs = append(errs, wrong("RETENTION", fmt.Sprintf("must be at least %s, in hours such as 720h: events are dropped by the day", minRetention)))
	}
	if c.LogFormat != "json" && c.LogFormat != "console" {
		errs = append(errs, wrong("LOG_FORMAT", "must be json or console"))
	}
	if c.AzureAuthorityHost != "" && !isHTTPS(c.AzureAuthorityHost) {
		errs = append(errs, wrong("AZURE_AUTHORITY_HOST", "must be an https URL such as https://login.microsoftonline.us"))
	}
	for name, value := range map[string]string{
		"PROVISIONER_AWS": c.ProvisionerAWS, "PROVISIONER_AZURE": c.ProvisionerAzure, "PROVISIONER_GCP": c.ProvisionerGCP,
	} {
		if value != "auto" && value != "external" {
			errs = append(errs, wrong(name, "must be auto or external"))
		}
	}
	return errors.Join(errs...)
}

// minRetention is below all that anybody could want, and above what would drop
// the events of today.
const minRetention = 48 * time.Hour

// minOperatorKey is as long as a UUID without hyphens: long enough for a random
// key, and too long for a chosen word.
const minOperatorKey = 32

func (a API) validateOperatorKey() error {
	if a.OperatorKey != "" && len(a.OperatorKey) < minOperatorKey {
		return wrong("OPERATOR_KEY", fmt.Sprintf("must be at least %d random characters", minOperatorKey))
	}
	return nil
}

func (e Export) validate() error {
	var errs []error
	if e.WindowRows < 1 {
		errs = append(errs, wrong("EXPORT_WINDOW_ROWS", "must be at least 1"))
	}
	if e.PartBytes < 1<<10 {
		errs = append(errs, wrong("EXPORT_PART_BYTES", "must be at least 1024"))
	}
	if e.Parallel < 1 || e.Parallel > 64 {
		errs = append(errs, wrong("EXPORT_PARALLEL_PARTS", "must be from 1 to 64"))
	}
	if e.Concurrent < 1 {
		errs = append(errs, wrong("EXPORT_CONCURRENT", "must be at least 1"))
	}
	if e.SpillBytes < 0 {
		errs = append(errs, wrong("EXPORT_SPILL_BYTES", "must not be negative"))
	}
	return errors.Join(errs...)
}

func wrong(name, what string) error { return fmt.Errorf("%s%s %s", prefix, name, what) }
