package portal

import (
	"slices"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// operationRow is an operation in words.
type operationRow struct {
	schemas.Operation
	Detail string // what was asked for, what has come of it, and why it has failed
}

func operationRows(operations []schemas.Operation) []operationRow {
	rows := make([]operationRow, len(operations))
	for i, op := range operations {
		rows[i] = operationRow{op, operationDetail(op)}
	}
	return rows
}

// operationDetail is what an operation was about, as far as its kind does not
// say it.
func operationDetail(op schemas.Operation) string {
	var asked string
	switch {
	case op.Params.Destination != nil:
		asked = "To " + op.Params.Destination.URL() + "."
		if from := op.Outcome.PreviousDestination.URL(); from != "" {
			asked = "From " + from + " to " + op.Params.Destination.URL() + "."
		}
	case op.Params.AcceptOwner:
		asked = "To accept the bucket’s new owner."
	}
	said := slices.DeleteFunc([]string{asked, outcomeText(op.Outcome), op.Error}, func(text string) bool { return text == "" })
	return strings.Join(said, " ")
}

// underWay tells whether an operation has not ended.
func underWay(operations []operationRow) bool {
	for _, op := range operations {
		if !op.Status.Ended() {
			return true
		}
	}
	return false
}

// buttonKey makes a button act once however often it is pressed. It changes with
// every operation on what the button is about, newest first, and not whenever
// the page is asked what is new: buttons that are replaced under the pointer are
// hard to press.
func buttonKey(button string, about uuid.UUID, operations []operationRow) string {
	state := button
	if len(operations) > 0 {
		state += operations[0].ID.String()
	}
	return uuid.NewSHA1(about, []byte(state)).String()
}
