package service

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/auditferry/auditferry/internal/postgres"
	"github.com/auditferry/auditferry/internal/temporalclient"
	"github.com/auditferry/auditferry/schemas"
)

// Temporal is what Health asks of Temporal.
type Temporal interface {
	// Namespace names the namespace, once the server has told of it.
	Namespace(ctx context.Context) (string, error)
	// Pollers lists who asks for tasks of a queue.
	Pollers(ctx context.Context, queue string) ([]temporalclient.Poller, error)
	// Schedule tells how a schedule of the service does.
	Schedule(ctx context.Context, id string) (temporalclient.ScheduleState, error)
}

// PartState says how good it is.
type PartState string

// The states.
const (
	PartUnknown PartState = "unknown" // it cannot be found out at the moment
	PartGood    PartState = "good"
	PartWarning PartState = "warning" // it goes on, but somebody should look
	PartBad     PartState = "bad"     // something stands still
)

// Part is one of the things that the service is made of, or lives on.
type Part struct {
	Name     string
	State    PartState
	Found    string     // what was found, a sentence
	At       *time.Time // when what Found speaks of happened; nil where it says nothing
	Todo     string     // what an operator does about it; "" is nothing
	Schedule string     // the ID of a schedule in Temporal; "" for what is none
}

// healthPatience is how long Temporal has to answer: a person waits, and the
// page that says that it does not is the one that they want to see.
const healthPatience = 2 * time.Second

// When what waits has waited too long. Reconcile takes up within a minute or
// two what a crash left behind.
const (
	lateAfter  = 10 * time.Minute
	stuckAfter = time.Hour
)

// workerGone is how long a worker may be silent. It asks for tasks by calls that
// wait for a minute.
const workerGone = 2 * time.Minute

// Health looks at every part, whatever state the others are in. Operators may.
func (s *Service) Health(ctx context.Context, caller Caller) ([]Part, error) {
	if err := caller.operator(); err != nil {
		return nil, err
	}
	looks := []func(context.Context) []Part{s.databaseParts}
	if s.temporal != nil {
		looks = append(looks, s.temporalPart,
			s.workers(schemas.TaskQueueControl, "Workers, commands", "Commands are accepted, and wait."),
			s.workers(schemas.TaskQueueExport, "Workers, exports", "Nothing is delivered."),
			s.scheduled(schemas.ScheduleReconcile, "What a crash left behind is not taken up."),
			s.scheduled(schemas.ScheduleWatch, "Nobody is mailed about failing exports and expiring events."),
			s.scheduled(schemas.ScheduleRetention, "Partitions are not made ahead, and old events are not dropped."))
	}
	found := make([][]Part, len(looks))
	ctx, cancel := context.WithTimeout(ctx, healthPatience)
	defer cancel()
	var wait sync.WaitGroup
	for i, look := range looks {
		wait.Go(func() { found[i] = look(ctx) })
	}
	wait.Wait()
	var parts []Part
	for _, part := range found {
		parts = append(parts, part...)
	}
	return sayOnce(parts), nil
}

// sayOnce leaves out why parts are unknown when Temporal's own part says it.
func sayOnce(parts []Part) []Part {
	silent := slices.ContainsFunc(parts, func(p Part) bool { return p.Name == partTemporal && p.State == PartBad })
	for i := range parts {
		if silent && parts[i].State == PartUnknown {
			parts[i].Found = "Temporal does not answer."
		}
	}
	return parts
}

func (s *Service) databaseParts(ctx context.Context) []Part {
	part := Part{Name: "Database", State: PartGood}
	applied, wanted, err := s.store.SchemaVersion(ctx)
	switch {
	case err != nil:
		part.State, part.Found = PartBad, "It does not answer: "+err.Error()+"."
		part.Todo = "Look at the Postgres server, and at the way from here to it."
		return []Part{part}
	case applied < wanted:
		part.State, part.Found = PartBad, fmt.Sprintf("Its schema has version %d, and this program needs %d.", applied, wanted)
		part.Todo = "Run the migrations: auditferry migrate."
	case applied > wanted:
		part.Found = fmt.Sprintf("It answers. Its schema has version %d, which a newer program brought; this one needs %d.", applied, wanted)
	default:
		part.Found = fmt.Sprintf("It answers. Its schema has version %d.", applied)
	}
	var waits postgres.Backlog
	err = s.store.AsOperator(ctx, func(tx *postgres.Tx) (err error) {
		waits, err = tx.Backlog(ctx)
		return err
	})
	if err != nil {
		part.State, part.Found = PartBad, "What waits could not be counted: "+err.Error()+"."
		return []Part{part}
	}
	return []Part{part,
		waiting("Operations", waits.Operations, "All have ended.", "open", "Look at the workers and at the schedule reconcile first; then at the integration's workflow."),
		waiting("Schedules of exports", waits.Unapplied, "All are as their exports want them.", "to be applied yet", "Look at Temporal and at the schedule reconcile: it applies them every minute."),
	}
}

// waiting judges a pile by its oldest.
func waiting(name string, pile postgres.Pile, none, what, todo string) Part {
	part := Part{Name: name, State: PartGood, Found: none, At: pile.Oldest}
	if pile.Oldest == nil {
		return part
	}
	part.Found = fmt.Sprintf("%d %s, the oldest since then.", pile.Count, what)
	switch waited := time.Since(*pile.Oldest); {
	case waited > stuckAfter:
		part.State, part.Todo = PartBad, todo
	case waited > lateAfter:
		part.State, part.Todo = PartWarning, todo
	}
	return part
}

const partTemporal = "Temporal"

func (s *Service) temporalPart(ctx context.Context) []Part {
	namespace, err := s.temporal.Namespace(ctx)
	if err != nil {
		return []Part{{
			Name: partTemporal, State: PartBad, Found: "It does not answer: " + err.Error() + ".",
			Todo: "Look at the Temporal server, and at the TEMPORAL_* settings of this program. Commands are accepted meanwhile, and carried out when it is back.",
		}}
	}
	return []Part{{Name: partTemporal, State: PartGood, Found: "It answers, and has the namespace " + namespace + "."}}
}

// unknown is what cannot be seen without Temporal.
func unknown(name string, err error) Part {
	return Part{Name: name, State: PartUnknown, Found: "Temporal did not tell: " + err.Error() + "."}
}

func (s *Service) workers(queue, name, without string) func(context.Context) []Part {
	return func(ctx context.Context) []Part {
		pollers, err := s.temporal.Pollers(ctx, queue)
		if err != nil {
			return []Part{unknown(name, err)}
		}
		part := Part{Name: name, State: PartGood}
		here := 0
		for _, poller := range pollers {
			if time.Since(poller.SeenAt) <= workerGone {
				here++
			}
			if part.At == nil || poller.SeenAt.After(*part.At) {
				part.At = &poller.SeenAt
			}
		}
		switch here {
		case 0:
			part.State, part.Found = PartBad, "None takes tasks from "+queue+". "+without
			part.Todo = "Start a worker, or look at the log of one that should be running."
		case 1:
			part.Found = "One takes tasks from " + queue + "."
		default:
			part.Found = fmt.Sprintf("%d take tasks from %s.", here, queue)
		}
		return []Part{part}
	}
}

// The outcomes of a workflow that are worth a word.
const (
	outcomeCompleted = "completed"
	outcomeRunning   = "running"
)

func (s *Service) scheduled(id, without string) func(context.Context) []Part {
	return func(ctx context.Context) []Part {
		part := Part{Name: "Schedule " + id, State: PartGood, Schedule: id}
		found, err := s.temporal.Schedule(ctx, id)
		part.At = found.LastAt
		switch {
		case err != nil:
			return []Part{unknown(part.Name, err)}
		case !found.Exists:
			part.State, part.Found, part.Schedule = PartBad, "There is none. "+without, ""
			part.Todo = "Start a worker: it makes the schedule."
		case found.Paused:
			part.State, part.Found = PartBad, "It is paused. "+without
			part.Todo = "Unpause it in Temporal."
		case found.LastAt == nil:
			part.Found = "Its first run is still to come."
		case found.Outcome == outcomeRunning && time.Since(*found.LastAt) > lateAfter:
			part.State, part.Found = PartWarning, "Its last run has not ended yet."
			part.Todo = "Look at the workers, and at the run in Temporal."
		case found.Outcome == outcomeRunning:
			part.Found = "It is running."
		case found.Outcome == "":
			part.Found = "It ran; nobody knows any more how that ended."
		case found.Outcome != outcomeCompleted:
			part.State, part.Found = PartBad, "Its last run ended as "+found.Outcome+". "+without
			part.Todo = "Look at the run in Temporal for the reason."
		default:
			part.Found = "Its last run completed."
		}
		return []Part{part}
	}
}
