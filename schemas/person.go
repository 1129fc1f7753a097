package schemas

import (
	"errors"
	"time"

	"github.com/google/uuid"
)

// ErrSignInRefused is behind every error of a sign-in that trying once more
// cannot mend: the identity provider, or what it said of the person, is to blame
// and not the way to it.
var ErrSignInRefused = errors.New("the identity provider's answer cannot be accepted")

// MaxSession is the longest that a person can stay signed in. What they are in
// an organization is asked for at sign-in alone.
const MaxSession = 7 * 24 * time.Hour

// Person is somebody who has signed in, as the identity provider describes
// them.
type Person struct {
	Subject  string             `json:"sub"` // theirs at the provider, and nobody else's, ever
	Name     string             `json:"name,omitempty"`
	Email    string             `json:"email,omitempty"`
	Orgs     map[uuid.UUID]Role `json:"orgs,omitempty"` // what they are where: RoleAdmin or RoleViewer
	Operator bool               `json:"operator,omitempty"`
}

// DisplayName is what to call the person; never "".
func (p Person) DisplayName() string {
	switch {
	case p.Name != "":
		return p.Name
	case p.Email != "":
		return p.Email
	default:
		return p.Subject
	}
}

// SignIn is a sign-in that has begun: the person is at the identity provider.
// All but the URL stay with the browser that began it, and are secret.
type SignIn struct {
	URL      string `json:"-"` // where the person goes
	State    string `json:"state"`
	Nonce    string `json:"nonce"`
	Verifier string `json:"verifier"` // PKCE, RFC 7636
}
