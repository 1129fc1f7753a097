package chaos

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// maxExtras bounds the exports that an integration gets during the play: each
// delivers everything from the beginning.
const maxExtras = 3

// administer gives commands until acting ends. The admin waits for the answer
// to a command, not for the operation's end.
func (o *org) administer(ctx, acting context.Context, chance *rand.Rand) error {
	for pause(acting, between(chance, time.Second, 7*time.Second)) {
		f := o.ferries[chance.IntN(len(o.ferries))]
		var err error
		switch chance.IntN(8) {
		case 0, 1:
			err = o.pauseAndResume(ctx, acting, f, chance)
		case 2, 3:
			err = o.move(ctx, f)
		case 4:
			err = o.addExport(ctx, f, chance)
		case 5:
			err = o.deleteExport(ctx, f, chance)
		default:
			_, err = o.give(ctx, "run now", http.MethodPost, path("exports", f.any(chance), "run"), nil)
		}
		if err != nil {
			return fmt.Errorf("administer %s: %w", o.name, err)
		}
	}
	return nil
}

// give gives a command. One that the present state does not allow is no error,
// and no operation.
func (o *org) give(ctx context.Context, kind, method, path string, in any) (op schemas.Operation, err error) {
	err = o.client.command(ctx, method, path, in, &op)
	var refused *refusal
	// 422 is what a move to where the integration is already gets, after one that
	// has failed.
	allowed := !errors.As(err, &refused) || refused.status != http.StatusConflict && refused.status != http.StatusUnprocessableEntity
	o.mu.Lock()
	defer o.mu.Unlock()
	if !allowed {
		o.refused[kind]++
		return op, nil
	}
	o.commands[kind]++
	return op, err
}

func path(collection string, id uuid.UUID, verb string) string {
	return fmt.Sprintf("/v1/%s/%s/%s", collection, id, verb)
}

// any is one of the exports that are not deleted; the first never is.
func (f *ferry) any(chance *rand.Rand) uuid.UUID {
	live := f.live()
	return live[chance.IntN(len(live))].id
}

func (f *ferry) live() []*export {
	var live []*export
	for _, e := range f.exports {
		if !e.deleted {
			live = append(live, e)
		}
	}
	return live
}

func (o *org) pauseAndResume(ctx, acting context.Context, f *ferry, chance *rand.Rand) error {
	id := f.any(chance)
	if _, err := o.give(ctx, "pause", http.MethodPost, path("exports", id, "pause"), nil); err != nil {
		return err
	}
	pause(acting, between(chance, 0, 6*time.Second))
	return o.resume(ctx, id)
}

func (o *org) resume(ctx context.Context, id uuid.UUID) error {
	_, err := o.give(ctx, "resume", http.MethodPost, path("exports", id, "resume"), map[string]any{"retarget": true})
	return err
}

func (o *org) move(ctx context.Context, f *ferry) error {
	op, err := o.give(ctx, "update destination", http.MethodPost, path("integrations", f.integration, "destination"),
		map[string]any{"destination": o.folder(f.cloud, f.place+1).URL(), "retarget": true})
	if op.ID != uuid.Nil {
		f.place++
	}
	return err
}

func (o *org) addExport(ctx context.Context, f *ferry, chance *rand.Rand) error {
	if f.extras == maxExtras {
		return nil
	}
	f.extras++
	name := fmt.Sprintf("Extra %d to %s", f.extras, f.cloud)
	op, err := o.give(ctx, "create export", http.MethodPost, "/v1/exports", map[string]any{
		"name":           name,
		"integration_id": f.integration,
		"schedule":       map[string]any{"kind": "interval", "every": schemas.MinInterval.String()},
		"compression":    compressions[chance.IntN(len(compressions))],
		"start_from":     "earliest",
	})
	if err == nil && op.ExportID != nil {
		f.exports = append(f.exports, &export{id: *op.ExportID, name: name})
	}
	return err
}

func (o *org) deleteExport(ctx context.Context, f *ferry, chance *rand.Rand) error {
	extras := f.live()[1:]
	if len(extras) == 0 {
		return nil
	}
	e := extras[chance.IntN(len(extras))]
	op, err := o.give(ctx, "delete export", http.MethodDelete, fmt.Sprintf("/v1/exports/%s", e.id), nil)
	e.deleted = err == nil && op.ID != uuid.Nil
	return err
}
