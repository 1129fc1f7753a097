package stack

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/dev/tools"
	"github.com/auditferry/auditferry/schemas"
)

// OIDCServer is an OpenID Connect provider whose login page takes any
// password.
type OIDCServer struct {
	Issuer       string // URL
	ClientID     string
	ClientSecret string
	RedirectURL  string // of the portal
	Audience     string // of access tokens, which are JWTs

	users string // the file that the provider reads at every login
}

// OIDCUser is a person who can log in.
type OIDCUser struct {
	Login    string                     `json:"login"`
	Name     string                     `json:"name"`
	Email    string                     `json:"email"`
	Orgs     map[uuid.UUID]schemas.Role `json:"orgs"` // what the person is in which org
	Operator bool                       `json:"operator,omitempty"`
}

// SetUsers replaces the people who can log in. It holds from the next login
// on: the orgs' IDs are known only once the product runs. A login at the same
// time finds the list of before or the new one.
func (o OIDCServer) SetUsers(users []OIDCUser) error {
	data, err := json.MarshalIndent(users, "", "  ")
	if err == nil {
		err = os.WriteFile(o.users+".new", data, 0o600)
	}
	if err == nil {
		err = os.Rename(o.users+".new", o.users)
	}
	if err != nil {
		return fmt.Errorf("set the OIDC provider's users: %w", err)
	}
	return nil
}

func (s *Stack) startOIDC(ctx context.Context) error {
	port, err := s.ports.take(PortOIDC)
	if err != nil {
		return err
	}
	root, err := tools.Root()
	if err != nil {
		return err
	}
	server := s.oidcServer(port)
	if _, err := os.Stat(server.users); os.IsNotExist(err) {
		if err := server.SetUsers([]OIDCUser{}); err != nil {
			return err
		}
	}
	_, err = s.run(ctx, program{
		name: "oidc", path: "node", args: []string{filepath.Join(root, "dev", "oidc", "server.mjs")},
		env: s.plainEnv(
			"OIDC_PROVIDER="+s.tools[tools.OIDCProvider], "OIDC_ISSUER="+server.Issuer, "OIDC_PORT="+strconv.Itoa(port),
			"OIDC_CLIENT_ID="+server.ClientID, "OIDC_CLIENT_SECRET="+server.ClientSecret,
			"OIDC_REDIRECT_URI="+server.RedirectURL, "OIDC_AUDIENCE="+server.Audience, "OIDC_USERS="+server.users,
		),
		ready: answers(server.Issuer + "/.well-known/openid-configuration"),
	})
	if err != nil {
		return err
	}
	s.OIDC = server
	return nil
}

func (s *Stack) oidcServer(port int) OIDCServer {
	return OIDCServer{
		Issuer: "http://" + address(port), ClientID: "auditferry", ClientSecret: "auditferry-dev-oidc-secret",
		RedirectURL: s.publicURL() + "/login/callback", Audience: "urn:auditferry:api",
		users: filepath.Join(s.dir, "oidc-users.json"),
	}
}
