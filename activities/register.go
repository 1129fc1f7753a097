package activities

import "go.temporal.io/sdk/worker"

// All is every concern; its zero value will do for replaying histories.
type All struct {
	Integrations *Integrations
	Provisioning *Provisioning
	Access       *Access
	Schedules    *Schedules
	Exports      *Exports
	Notices      *Notices
	Reconcile    *Reconcile
	Retention    *Retention
	Watch        *Watch
}

// Register registers every activity under its method's name. Workers of both
// queues have them all; which queue runs what is up to the workflows' options.
func (a All) Register(r worker.ActivityRegistry) {
	for _, concern := range []any{
		a.Integrations, a.Provisioning, a.Access, a.Schedules, a.Exports, a.Notices, a.Reconcile, a.Retention, a.Watch,
	} {
		r.RegisterActivity(concern)
	}
}
