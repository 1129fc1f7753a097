package e2e

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"

	"github.com/stretchr/testify/require"
	"go.temporal.io/api/enums/v1"
	"go.temporal.io/api/history/v1"
	"google.golang.org/protobuf/encoding/protojson"

	"github.com/auditferry/auditferry/dev/actor"
)

// Histories for the replay test are recorded from the programs as they are
// built from a released state, by hand:
//
//	go test ./e2e -run TestStories/cached -record
var recording = flag.Bool("record", false, "write the stories' histories into workflows/testdata/histories")

var recorded sync.Map // names, so that the second mode does not write them again

// record keeps the histories of all runs of a workflow, the oldest first.
func (o *org) record(name, workflowID string) {
	o.t.Helper()
	if _, again := recorded.LoadOrStore(name, true); !*recording || again {
		return
	}
	var runs []*history.History
	require.NoError(o.t, actor.Until(o.ctx, func() (string, error) {
		runs = o.runsOf(workflowID)
		last := runs[len(runs)-1].Events
		switch last[len(last)-1].EventType {
		case enums.EVENT_TYPE_WORKFLOW_TASK_COMPLETED, enums.EVENT_TYPE_WORKFLOW_EXECUTION_COMPLETED:
			return "", nil // it waits for a signal or a timer, or is over
		default:
			return workflowID + " to come to rest", nil
		}
	}))
	for i, run := range runs {
		kind := run.Events[0].GetWorkflowExecutionStartedEventAttributes().GetWorkflowType().GetName()
		dir := filepath.Join("..", "workflows", "testdata", "histories", strings.ToLower(kind))
		require.NoError(o.t, os.MkdirAll(dir, 0o750))
		data, err := protojson.MarshalOptions{Multiline: true, Indent: "  "}.Marshal(run)
		require.NoError(o.t, err)
		file := filepath.Join(dir, fmt.Sprintf("%s-%d.json", name, i+1))
		require.NoError(o.t, os.WriteFile(file, append(anonymous(data), '\n'), 0o600))
	}
}

// runsOf follows the chain of continue-as-new back to its first run.
func (o *org) runsOf(workflowID string) []*history.History {
	o.t.Helper()
	var runs []*history.History
	for runID := ""; ; {
		run := &history.History{}
		events := o.temporal.GetWorkflowHistory(o.ctx, workflowID, runID, false, enums.HISTORY_EVENT_FILTER_TYPE_ALL_EVENT)
		for events.HasNext() {
			event, err := events.Next()
			require.NoError(o.t, err)
			run.Events = append(run.Events, event)
		}
		runs = append([]*history.History{run}, runs...)
		runID = run.Events[0].GetWorkflowExecutionStartedEventAttributes().GetContinuedExecutionRunId()
		if runID == "" {
			return runs
		}
	}
}

// Where and by which process something was done is not what a recording is about.
var (
	identity    = regexp.MustCompile(`("identity":\s*)"[^"]*"`)
	stickyQueue = regexp.MustCompile(`("name":\s*)"[^":]*:([0-9a-f-]{36}")`)
)

func anonymous(data []byte) []byte {
	data = identity.ReplaceAll(data, []byte(`${1}""`))
	return stickyQueue.ReplaceAll(data, []byte(`${1}"worker:${2}`))
}
