package service

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

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
	Is       string // what it is for, a sentence
	State    PartState
	Found    string     // what was found, a sentence
	At       *time.Time // when what Found speaks of happened; nil where it says nothing
	Todo     string     // what an operator does about it; "" is nothing
	Schedule string     // the ID of a schedule in Temporal to look at; "" is none
	Workflow string     // the same of a workflow
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
			s.workers(schemas.TaskQueueControl, "Workers, commands", "They carry out commands, check access and send mails.", "Commands are accepted, and wait."),
			s.workers(schemas.TaskQueueExport, "Workers, exports", "They write what is delivered.", "Nothing is delivered."),
			s.scheduled(schemas.ScheduleReconcile, "It takes up what a crash left behind.", "What a crash left behind stays there."),
			s.scheduled(schemas.ScheduleWatch, "It looks for exports that fail and events that expire.", "Nobody is mailed about them."),
			s.scheduled(schemas.ScheduleRetention, "It drops events that have been kept long enough.", "Old events stay, and the database grows."))
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
			parts[i].Found, parts[i].Todo = "Temporal does not answer.", ""
		}
	}
	return parts
}

func (s *Service) databaseParts(ctx context.Context) []Part {
	part := Part{Name: "Database", Is: "It holds events, integrations, exports and the ledger.", State: PartGood}
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
	var piles []Part
	err = s.store.AsOperator(ctx, func(tx *postgres.Tx) (err error) {
		piles, err = pilesOf(ctx, tx)
		return err
	})
	if err != nil {
		part.State, part.Found = PartBad, "What waits could not be counted: "+err.Error()+"."
		part.Todo = "Look at the log of the Postgres server."
		return []Part{part}
	}
	return append([]Part{part}, piles...)
}

func pilesOf(ctx context.Context, tx *postgres.Tx) ([]Part, error) {
	waits, err := tx.Backlog(ctx)
	if err != nil {
		return nil, err
	}
	operations := waiting(Part{Name: "Operations", Is: "What people have asked for, until it is carried out."}, waits.Operations,
		"All have ended.", "open", "Look at the workers and at the schedule reconcile first.")
	schedules := waiting(Part{Name: "Schedules of exports", Is: "They start the runs."}, waits.Unapplied,
		"All are as their exports want them.", "to be applied yet", "Look at Temporal and at the schedule reconcile: it applies them every minute.")
	if operations.State == PartGood {
		return []Part{operations, schedules}, nil
	}
	// Which one it is, is what an operator asks next.
	op, err := tx.LongestOpen(ctx)
	if errors.Is(err, postgres.ErrNotFound) {
		return []Part{operations, schedules}, nil // it has ended since
	}
	if err != nil {
		return nil, err
	}
	names, err := tx.OrgNames(ctx, []uuid.UUID{op.OrgID})
	operations.Found += fmt.Sprintf(" That is %s of %s, operation %s.", op.Kind, names[op.OrgID], op.ID)
	switch {
	case op.BackfillID != nil:
		operations.Workflow = schemas.BackfillWorkflowID(*op.BackfillID)
	case op.ExportID != nil:
		operations.Schedule = schemas.ExportScheduleID(*op.ExportID)
	case op.IntegrationID != nil:
		operations.Workflow = schemas.IntegrationWorkflowID(*op.IntegrationID)
		operations.Todo += " Then look at the integration's workflow: its details say what it waits for."
	}
	return []Part{operations, schedules}, err
}

// waiting judges a pile by its oldest.
func waiting(part Part, pile postgres.Pile, none, what, todo string) Part {
	part.State, part.Found, part.At = PartGood, none, pile.Oldest
	if pile.Oldest == nil {
		return part
	}
	part.Found = fmt.Sprintf("%d %s; the oldest is from the time beside this.", pile.Count, what)
	switch waited := time.Since(*pile.Oldest); {
	case waited > stuckAfter:
		part.State, part.Todo = PartBad, todo
	case waited > lateAfter:
		part.State, part.Todo = PartWarning, todo
	}
	return part
}

const (
	partTemporal = "Temporal"
	temporalIs   = "It keeps the time, and hands workers their tasks."
)

func (s *Service) temporalPart(ctx context.Context) []Part {
	namespace, err := s.temporal.Namespace(ctx)
	if err != nil {
		return []Part{{
			Name: partTemporal, Is: temporalIs, State: PartBad, Found: "It does not answer: " + err.Error() + ".",
			Todo: "Look at the Temporal server, and at the TEMPORAL_* settings of this program. Commands are accepted meanwhile, and carried out when it is back.",
		}}
	}
	return []Part{{Name: partTemporal, Is: temporalIs, State: PartGood, Found: "It answers, and has the namespace " + namespace + "."}}
}

// unknown is what cannot be seen without Temporal.
func unknown(part Part, err error) []Part {
	part.State, part.Found = PartUnknown, "Temporal did not tell: "+err.Error()+"."
	part.Todo = "Look again in a minute. If it stays so, look at the log of the Temporal server."
	return []Part{part}
}

func (s *Service) workers(queue, name, is, without string) func(context.Context) []Part {
	return func(ctx context.Context) []Part {
		part := Part{Name: name, Is: is, State: PartGood}
		pollers, err := s.temporal.Pollers(ctx, queue)
		if err != nil {
			return unknown(part, err)
		}
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

func (s *Service) scheduled(id, is, without string) func(context.Context) []Part {
	return func(ctx context.Context) []Part {
		part := Part{Name: "Schedule " + id, Is: is, State: PartGood, Schedule: id}
		found, err := s.temporal.Schedule(ctx, id)
		part.At = found.LastAt
		switch {
		case err != nil:
			return unknown(part, err)
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
