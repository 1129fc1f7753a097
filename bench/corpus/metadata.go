package corpus

import (
	"encoding/json"
	"fmt"
)

// action is something that a product audits: what it is called, what it is
// done to, and what it tells beside.
type action struct {
	name, target string
	metadata     func(*dice) json.RawMessage
}

// actions come with the most frequent first.
var actions = []action{
	{"document.viewed", "document", viewed},
	{"document.edited", "document", edited},
	{"api.called", "endpoint", called},
	{"session.started", "session", signedIn},
	{"comment.created", "document", commented},
	{"document.exported", "document", viewed},
	{"record.updated", "record", edited},
	{"record.viewed", "record", viewed},
	{"file.uploaded", "file", uploaded},
	{"file.downloaded", "file", uploaded},
	{"share.created", "document", shared},
	{"session.refreshed", "session", signedIn},
	{"task.assigned", "task", assigned},
	{"task.completed", "task", edited},
	{"share.revoked", "document", shared},
	{"role.granted", "user", assigned},
	{"role.revoked", "user", assigned},
	{"invoice.paid", "invoice", paid},
	{"invoice.created", "invoice", paid},
	{"user.invited", "user", assigned},
	{"user.deactivated", "user", assigned},
	{"project.created", "project", edited},
	{"project.archived", "project", edited},
	{"webhook.delivered", "webhook", called},
	{"webhook.failed", "webhook", called},
	{"api_key.created", "api_key", called},
	{"api_key.revoked", "api_key", called},
	{"session.mfa_challenged", "session", signedIn},
	{"settings.changed", "workspace", edited},
	{"policy.evaluated", "policy", assigned},
}

func viewed(d *dice) json.RawMessage {
	return fmt.Appendf(nil, `{"source":%q,"duration_ms":%d,"page":%d,"referrer":"https://app.example.com/%s/%s"}`,
		pick(d, sources), d.below(90_000), 1+d.skewed(60), pick(d, nouns), d.base36(10))
}

func edited(d *dice) json.RawMessage {
	return fmt.Appendf(nil, `{"changes":[{"field":%q,"from":%s,"to":%s}],"revision":%d,"bytes":%d}`,
		pick(d, fields), quoted(d.title()), quoted(d.title()), 1+d.skewed(400), d.below(2_000_000))
}

func called(d *dice) json.RawMessage {
	return fmt.Appendf(nil, `{"method":%q,"path":"/v2/%s/%s","status":%d,"latency_ms":%d.%03d,"bytes":%d}`,
		pick(d, methods), pick(d, nouns), d.base36(14), pick(d, statuses), d.skewed(900), d.below(1_000), d.below(400_000))
}

func signedIn(d *dice) json.RawMessage {
	return fmt.Appendf(nil, `{"method":%q,"mfa":%t,"country":%q,"device_id":%q,"risk":0.%02d}`,
		pick(d, signIns), !d.one(5), pick(d, countries), d.uuid().String(), d.skewed(100))
}

func commented(d *dice) json.RawMessage {
	return fmt.Appendf(nil, `{"thread":"thr_%s","text":%s,"mentions":%d}`,
		d.base36(12), quoted(d.words(4+d.skewed(30))), d.skewed(5))
}

func uploaded(d *dice) json.RawMessage {
	return fmt.Appendf(nil, `{"bytes":%d,"media_type":%q,"sha1":"%016x%016x%08x","folder":%s}`,
		d.below(50_000_000), pick(d, mediaTypes), d.next(), d.next(), d.next()>>32, quoted(d.title()))
}

func shared(d *dice) json.RawMessage {
	return fmt.Appendf(nil, `{"with":["%s@%s"],"permission":%q,"link":"https://share.example.com/%s","expires_in_days":%d}`,
		d.base36(8), pick(d, domains), pick(d, roles), d.base36(22), pick(d, []int{1, 7, 30, 90}))
}

func assigned(d *dice) json.RawMessage {
	return fmt.Appendf(nil, `{"role":{"from":%q,"to":%q},"group":%s,"ticket":"SEC-%d","approved":%t}`,
		pick(d, roles), pick(d, roles), quoted(d.title()), d.below(60_000), !d.one(10))
}

func paid(d *dice) json.RawMessage {
	return fmt.Appendf(nil, `{"amount":"%d.%02d","currency":%q,"number":"INV-%d-%05d","items":%d,"note":%s}`,
		d.skewed(90_000), d.below(100), pick(d, currencies), 2019+d.below(8), d.below(100_000), 1+d.skewed(40), quoted(d.words(5)))
}

// text is metadata with a document's text of about so many bytes.
func (d *dice) text(bytes int) json.RawMessage {
	made := []byte(`{"document":"`)
	for len(made) < bytes {
		made = append(append(made, d.words(12)...), ". "...)
	}
	return append(made, `"}`...)
}

// quoted is a JSON string; the words hold nothing that needs escaping but some
// quotation marks.
func quoted(text string) []byte {
	made, _ := json.Marshal(text) //nolint:errchkjson // a string always can be
	return made
}
