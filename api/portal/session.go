package portal

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"
	"github.com/go-jose/go-jose/v4"
	"github.com/google/uuid"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// session is what a browser's cookie holds of a person who has signed in.
type session struct {
	ID     uuid.UUID      `json:"id"`
	Person schemas.Person `json:"person"`
	Orgs   []membership   `json:"orgs"` // of the person's, those that exist; by name
	Began  time.Time      `json:"began"`
	Ends   time.Time      `json:"ends"`
}

type membership struct {
	ID   uuid.UUID `json:"id"`
	Name string    `json:"name"`
}

func (s session) ref() service.Session {
	return service.Session{ID: s.ID, Subject: s.Person.Subject, Began: s.Began, Ends: s.Ends}
}

// membership finds an organization that the person belongs to. One that the
// identity provider names and nobody has made is none.
func (s session) membership(org uuid.UUID) (membership, error) {
	for _, known := range s.Orgs {
		if known.ID == org {
			return known, nil
		}
	}
	return membership{}, errNoPage
}

// attempt is a sign-in that has begun, and the page that it is for.
type attempt struct {
	schemas.SignIn
	Next string    `json:"next"`
	Ends time.Time `json:"ends"`
}

// maxCookie is what browsers keep of one cookie at least, name and attributes
// included (RFC 6265, section 6.1), less what those take.
const maxCookie = 4096 - 128

// errTooMuch is the error of a session that no browser would keep.
var errTooMuch = errors.New("the identity provider names too many organizations")

// attemptLifetime is how long a person may take at the identity provider.
const attemptLifetime = 15 * time.Minute

// sessions keeps what a browser must hand back unchanged and cannot read: JSON
// in a JWE (RFC 7516) under a key of ours alone.
type sessions struct {
	key      []byte
	lifetime time.Duration
	secure   bool
}

// sessionKeyBytes is the length of a key of AES-256.
const sessionKeyBytes = 32

func newSessions(key []byte, lifetime time.Duration, secure bool) (sessions, error) {
	if len(key) != sessionKeyBytes {
		return sessions{}, fmt.Errorf("the session key has %d bytes; %d random ones are needed", len(key), sessionKeyBytes)
	}
	return sessions{key, lifetime, secure}, nil
}

// The purposes of the cookies. One is never taken for the other.
const (
	sessionCookie = "session"
	attemptCookie = "signin"
)

// name binds a cookie to this host alone where browsers can hold us to it.
func (s sessions) name(purpose string) string {
	if s.secure {
		return "__Host-auditferry-" + purpose
	}
	return "auditferry-" + purpose
}

// put seals a value into a cookie that lives until then.
func (s sessions) put(c *gin.Context, purpose string, value any, until time.Time) error {
	plain, err := json.Marshal(value)
	if err != nil {
		return fmt.Errorf("serialize the cookie %s: %w", purpose, err)
	}
	options := (&jose.EncrypterOptions{Compression: jose.DEFLATE}).WithType(jose.ContentType(purpose))
	encrypter, err := jose.NewEncrypter(jose.A256GCM, jose.Recipient{Algorithm: jose.DIRECT, Key: s.key}, options)
	if err != nil {
		return fmt.Errorf("encrypt the cookie %s: %w", purpose, err)
	}
	sealed, err := encrypter.Encrypt(plain)
	if err != nil {
		return fmt.Errorf("encrypt the cookie %s: %w", purpose, err)
	}
	text, err := sealed.CompactSerialize()
	if err != nil {
		return fmt.Errorf("encrypt the cookie %s: %w", purpose, err)
	}
	if len(text) > maxCookie {
		return fmt.Errorf("%w: the cookie %s would have %d bytes, and browsers keep %d", errTooMuch, purpose, len(text), maxCookie)
	}
	s.set(c, purpose, text, until)
	return nil
}

func (s sessions) set(c *gin.Context, purpose, value string, until time.Time) {
	http.SetCookie(c.Writer, &http.Cookie{ //nolint:gosec // Secure depends on how the portal is reached
		Name: s.name(purpose), Value: value, Path: "/", Expires: until,
		HttpOnly: true, Secure: s.secure, SameSite: http.SameSiteLaxMode,
	})
}

func (s sessions) clear(c *gin.Context, purpose string) { s.set(c, purpose, "", time.Unix(1, 0)) }

// get opens a cookie; false when there is none of ours.
func (s sessions) get(c *gin.Context, purpose string, value any) bool {
	cookie, err := c.Request.Cookie(s.name(purpose))
	if err != nil {
		return false
	}
	sealed, err := jose.ParseEncryptedCompact(cookie.Value, []jose.KeyAlgorithm{jose.DIRECT}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil || sealed.Header.ExtraHeaders[jose.HeaderType] != purpose {
		return false
	}
	plain, err := sealed.Decrypt(s.key)
	return err == nil && json.Unmarshal(plain, value) == nil
}

// begin signs a person in.
func (s sessions) begin(c *gin.Context, now time.Time, person schemas.Person, orgs []schemas.Org) error {
	begun := session{ID: uuid.New(), Person: person, Began: now, Ends: now.Add(s.lifetime)}
	for _, org := range orgs {
		begun.Orgs = append(begun.Orgs, membership{org.ID, org.Name})
	}
	return s.put(c, sessionCookie, begun, begun.Ends)
}

// current is the session of the request; false when nobody is signed in.
func (s sessions) current(c *gin.Context) (session, bool) {
	var current session
	found := s.get(c, sessionCookie, &current) && time.Now().Before(current.Ends)
	return current, found
}
