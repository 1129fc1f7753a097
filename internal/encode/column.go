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

// columns describes each column. Which of the texts are worth a dictionary in
// Parquet was tried out: those that repeat within 100,000 events.
var columns = [columnCount]struct {
	name     string
	kind     kind
	required bool
	repeats  bool
}{
	colSeq:              {name: "seq", kind: kindNumber, required: true},
	colRecordedAt:       {name: "recorded_at", kind: kindTime, required: true},
	colID:               {name: "id", kind: kindText, required: true},
	colOccurredAt:       {name: "occurred_at", kind: kindTime, required: true},
	colAction:           {name: "action", kind: kindText, required: true, repeats: true},
	colOutcome:          {name: "outcome", kind: kindText, required: true, repeats: true},
	colReason:           {name: "reason", kind: kindText, repeats: true},
	colActorType:        {name: "actor_type", kind: kindText, repeats: true},
	colActorID:          {name: "actor_id", kind: kindText, required: true, repeats: true},
	colActorName:        {name: "actor_name", kind: kindText, repeats: true},
	colActorEmail:       {name: "actor_email", kind: kindText, repeats: true},
	colContextIP:        {name: "context_ip", kind: kindText, repeats: true},
	colContextUserAgent: {name: "context_user_agent", kind: kindText, repeats: true},
	colContextRequestID: {name: "context_request_id", kind: kindText},
	colContextSessionID: {name: "context_session_id", kind: kindText, repeats: true},
	colTargets:          {name: "targets", kind: kindJSON},
	colMetadata:         {name: "metadata", kind: kindJSON},
}
