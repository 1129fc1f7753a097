package encode

// column is a column of CSV and Parquet, in the order in which they stand
// there.
type column int

// The columns. Text that is absent from an event is absent from its row, too,
// and no text of an event is ever empty unless the event requires it.
const (
	colSeq column = iota
	colRecordedAt
	colID
	colOccurredAt
	colAction
	colOutcome
	colReason
	colActorType
	colActorID
	colActorName
	colActorEmail
	colContextIP
	colContextUserAgent
	colContextRequestID
	colContextSessionID
	colTargets
	colMetadata

	columnCount
)

// kind is what a column holds.
type kind int

const (
	kindNumber kind = iota
	kindTime
	// kindText is a string of the event. A NUL character in it, which would
	// make the whole file unreadable for many readers, is written as its
	// symbol ␀ (U+2400).
	kindText
	// kindJSON is JSON text exactly as it stands in the body: numbers of any
	// size, the order of members and escapes, also that of NUL, are kept.
	kindJSON
)

// columns describes each column.
var columns = [columnCount]struct {
	name     string
	kind     kind
	required bool
}{
	colSeq:              {name: "seq", kind: kindNumber, required: true},
	colRecordedAt:       {name: "recorded_at", kind: kindTime, required: true},
	colID:               {name: "id", kind: kindText, required: true},
	colOccurredAt:       {name: "occurred_at", kind: kindTime, required: true},
	colAction:           {name: "action", kind: kindText, required: true},
	colOutcome:          {name: "outcome", kind: kindText, required: true},
	colReason:           {name: "reason", kind: kindText},
	colActorType:        {name: "actor_type", kind: kindText},
	colActorID:          {name: "actor_id", kind: kindText, required: true},
	colActorName:        {name: "actor_name", kind: kindText},
	colActorEmail:       {name: "actor_email", kind: kindText},
	colContextIP:        {name: "context_ip", kind: kindText},
	colContextUserAgent: {name: "context_user_agent", kind: kindText},
	colContextRequestID: {name: "context_request_id", kind: kindText},
	colContextSessionID: {name: "context_session_id", kind: kindText},
	colTargets:          {name: "targets", kind: kindJSON},
	colMetadata:         {name: "metadata", kind: kindJSON},
}
