package cloudsim

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
)

const (
	stsNamespace = "https://sts.amazonaws.com/doc/2011-06-15/"

	// https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRole.html
	minSession       = 15 * time.Minute
	maxSession       = 12 * time.Hour
	defaultSession   = time.Hour
	maxSessionPolicy = 2048 // characters
	maxExternalID    = 1224 // characters; more than a regular expression may count here

	permissionAssumeRole = "sts:AssumeRole"
)

var (
	sessionName = regexp.MustCompile(`^[\w+=,.@-]{2,64}$`)
	externalID  = regexp.MustCompile(`^[\w+=,.@:/-]+$`)
)

// sts answers AssumeRole and GetCallerIdentity of the STS query API.
//
// versitygw takes no session token that it did not issue, so a session is a
// user of its own there: the key is real, the token empty, and versitygw
// itself enforces the role's policy narrowed by the session policy.
type sts struct {
	cfg      AWSConfig
	grants   *grants
	log      *requestLog
	sessions *sessions
}

// stsError is a refusal in the words of AWS.
type stsError struct {
	status  int
	code    string
	message string
}

func (e *stsError) Error() string { return e.code + ": " + e.message }

func (t *sts) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	out := t.log.record(w, Request{Cloud: "aws", Method: r.Method, Path: r.URL.Path})
	answer, err := t.answer(r, &out.entry)
	if err == nil {
		writeXML(out, http.StatusOK, answer)
		return
	}
	var refusal *stsError
	if !errors.As(err, &refusal) {
		refusal = &stsError{http.StatusServiceUnavailable, "ServiceUnavailable", err.Error()}
	}
	out.entry.Reason = refusal.Error()
	writeXML(out, refusal.status, refusal.body())
}

func (t *sts) answer(r *http.Request, entry *Request) (any, error) {
	body, err := io.ReadAll(io.LimitReader(r.Body, 1<<20))
	if err != nil {
		return nil, err
	}
	form, err := url.ParseQuery(string(body))
	if err != nil {
		return nil, &stsError{http.StatusBadRequest, "MalformedQueryString", err.Error()}
	}
	action := form.Get("Action")
	entry.Permission, entry.Resource = "sts:"+action, "*"
	if action == "AssumeRole" {
		entry.Resource = form.Get("RoleArn")
	}
	arn, err := t.authenticate(r, body, entry)
	if err != nil {
		return nil, err
	}
	switch action {
	case "AssumeRole":
		return t.assumeRole(r.Context(), arn, form)
	case "GetCallerIdentity":
		return newCallerIdentity(arn), nil
	default:
		return nil, &stsError{http.StatusBadRequest, "InvalidAction", "Could not find operation " + action + " for version 2011-06-15"}
	}
}

// authenticate tells whose key signed the request, and the log as whom the
// caller came.
func (t *sts) authenticate(r *http.Request, body []byte, entry *Request) (arn string, err error) {
	sig, err := parseSignature(r)
	if err != nil {
		entry.Principal = anonymous
		return "", &stsError{http.StatusForbidden, "MissingAuthenticationToken", "Request is missing Authentication Token"}
	}
	arn, secret, known := t.cfg.ServiceUserARN, t.cfg.SecretAccessKey, sig.accessKeyID == t.cfg.AccessKeyID
	if s, open := t.sessions.find(sig.accessKeyID); open {
		arn, secret, known = s.arn(), s.credentials.SecretAccessKey, true
	}
	if !known {
		entry.Principal = sig.accessKeyID
		return "", &stsError{http.StatusForbidden, "InvalidClientTokenId", "The security token included in the request is invalid."}
	}
	entry.Principal = arn
	if err := sig.verify(r.Context(), r, sha256Hex(body), secret); err != nil {
		return "", &stsError{http.StatusForbidden, "SignatureDoesNotMatch", err.Error()}
	}
	return arn, nil
}

func (t *sts) assumeRole(ctx context.Context, callerARN string, form url.Values) (any, error) {
	name, duration, err := checkAssumeRole(form)
	if err != nil {
		return nil, err
	}
	c := caller{arn: callerARN, sessionName: name}
	if form.Has("ExternalId") {
		id := form.Get("ExternalId")
		c.externalID = &id
	}
	arn := form.Get("RoleArn")
	role, exists := t.grants.snapshot().role(arn, time.Now())
	// A role that does not exist is refused like one that does not trust the
	// caller, so that nobody can find out which roles there are.
	denied := &stsError{http.StatusForbidden, "AccessDenied",
		fmt.Sprintf("User: %s is not authorized to perform: sts:AssumeRole on resource: %s", callerARN, arn)}
	if !exists {
		return nil, denied
	}
	trusted, err := trusts(role.TrustPolicy, c)
	if err != nil {
		return nil, err
	}
	if !trusted {
		return nil, denied
	}
	deny := ""
	if policy := form.Get("Policy"); policy != "" {
		if deny, err = denyAllBut(policy); err != nil {
			return nil, &stsError{http.StatusBadRequest, "MalformedPolicyDocument", err.Error()}
		}
	}
	s, err := t.sessions.open(ctx, role, name, deny, time.Now().Add(duration))
	if errors.Is(err, errNoRole) {
		return nil, denied
	}
	if err != nil {
		return nil, err
	}
	return newAssumedRole(s), nil
}

func checkAssumeRole(form url.Values) (name string, duration time.Duration, err error) {
	invalid := func(field, rule string) error {
		return &stsError{http.StatusBadRequest, "ValidationError", "1 validation error detected: Value at '" + field + "' failed to satisfy constraint: " + rule}
	}
	name = form.Get("RoleSessionName")
	if !sessionName.MatchString(name) {
		return "", 0, invalid("roleSessionName", "Member must satisfy regular expression pattern: [\\w+=,.@-]{2,64}")
	}
	if id := form.Get("ExternalId"); form.Has("ExternalId") && (len(id) < 2 || len(id) > maxExternalID || !externalID.MatchString(id)) {
		return "", 0, invalid("externalId", "Member must satisfy regular expression pattern: [\\w+=,.@:\\/-]{2,1224}")
	}
	if len(form.Get("Policy")) > maxSessionPolicy {
		return "", 0, invalid("policy", "Member must have length less than or equal to 2048")
	}
	duration = defaultSession
	if raw := form.Get("DurationSeconds"); raw != "" {
		seconds, err := strconv.Atoi(raw)
		duration = time.Duration(seconds) * time.Second
		if err != nil || duration < minSession || duration > maxSession {
			return "", 0, invalid("durationSeconds", "Member must be from 900 to 43200")
		}
	}
	return name, duration, nil
}

func (e *stsError) body() any {
	kind := "Sender"
	if e.status >= http.StatusInternalServerError {
		kind = "Receiver"
	}
	return struct {
		XMLName   xml.Name `xml:"ErrorResponse"`
		Namespace string   `xml:"xmlns,attr"`
		Type      string   `xml:"Error>Type"`
		Code      string   `xml:"Error>Code"`
		Message   string   `xml:"Error>Message"`
		RequestID string   `xml:"RequestId"`
	}{Namespace: stsNamespace, Type: kind, Code: e.code, Message: e.message, RequestID: uuid.NewString()}
}

func newAssumedRole(s session) any {
	return struct {
		XMLName         xml.Name `xml:"AssumeRoleResponse"`
		Namespace       string   `xml:"xmlns,attr"`
		AccessKeyID     string   `xml:"AssumeRoleResult>Credentials>AccessKeyId"`
		SecretAccessKey string   `xml:"AssumeRoleResult>Credentials>SecretAccessKey"`
		SessionToken    string   `xml:"AssumeRoleResult>Credentials>SessionToken"`
		Expiration      string   `xml:"AssumeRoleResult>Credentials>Expiration"`
		ARN             string   `xml:"AssumeRoleResult>AssumedRoleUser>Arn"`
		ID              string   `xml:"AssumeRoleResult>AssumedRoleUser>AssumedRoleId"`
		RequestID       string   `xml:"ResponseMetadata>RequestId"`
	}{
		Namespace: stsNamespace, AccessKeyID: s.credentials.AccessKeyID, SecretAccessKey: s.credentials.SecretAccessKey,
		Expiration: s.expires.UTC().Format(time.RFC3339), ARN: s.arn(), ID: s.user + ":" + s.name, RequestID: uuid.NewString(),
	}
}

func newCallerIdentity(arn string) any {
	return struct {
		XMLName   xml.Name `xml:"GetCallerIdentityResponse"`
		Namespace string   `xml:"xmlns,attr"`
		ARN       string   `xml:"GetCallerIdentityResult>Arn"`
		UserID    string   `xml:"GetCallerIdentityResult>UserId"`
		Account   string   `xml:"GetCallerIdentityResult>Account"`
		RequestID string   `xml:"ResponseMetadata>RequestId"`
	}{Namespace: stsNamespace, ARN: arn, UserID: "AIDA" + strings.ToUpper(sha256Hex([]byte(arn))[:16]),
		Account: strings.Split(arn, ":")[4], RequestID: uuid.NewString()}
}

func writeXML(w http.ResponseWriter, status int, body any) {
	text, err := xml.Marshal(body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	// A client that has gone away does not miss the rest.
	_, _ = w.Write(append([]byte(xml.Header), text...)) // #nosec G705 -- encoding/xml escapes, and no browser reads it
}
