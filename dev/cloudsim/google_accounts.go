package cloudsim

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net/http"
	"regexp"
	"slices"
	"time"
)

// defaultProject is where the service's own identity lives.
const defaultProject = "auditferry-dev"

const (
	permissionAccountsCreate = "iam.serviceAccounts.create"
	permissionAccountsGet    = "iam.serviceAccounts.get"
	permissionAccountsDelete = "iam.serviceAccounts.delete"
)

var (
	// https://cloud.google.com/iam/docs/reference/rest/v1/projects.serviceAccounts/create
	accountName  = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{4,28}[a-z0-9])$`)
	accountEmail = regexp.MustCompile(`^([^@]+)@([a-z][-a-z0-9]{4,28}[a-z0-9])\.iam\.gserviceaccount\.com$`)
)

// ServiceAccount is one that was made after the simulator's start, for an
// integration of its own.
type ServiceAccount struct {
	Email       string    `json:"email"`
	Project     string    `json:"project"`
	DisplayName string    `json:"display_name"`
	UniqueID    string    `json:"unique_id"` // another one with the same email has another
	CreatedAt   time.Time `json:"created_at"`
}

var (
	errAccountExists = errors.New("the service account exists already")
	errNoAccount     = errors.New("there is no such service account")
)

// CreateServiceAccount makes a service account, as the IAM API does.
func (s *Server) CreateServiceAccount(email string) error {
	parts := accountEmail.FindStringSubmatch(email)
	if parts == nil || !accountName.MatchString(parts[1]) {
		return fmt.Errorf("service account %q must look like name@project.iam.gserviceaccount.com, with a name of 6 to 30 characters", email)
	}
	_, err := s.identity.create(parts[2], parts[1], "")
	return err
}

// DeleteServiceAccount deletes a service account that was made here: its
// tokens and its bindings end at once.
func (s *Server) DeleteServiceAccount(email string) error {
	if s.cfg.GCP.isConfigured(email) {
		return fmt.Errorf("service account %s is the simulator's configuration; it stays", email)
	}
	return s.identity.remove(email)
}

// isConfigured tells whether an account is there without having been made.
func (c GCPConfig) isConfigured(email string) bool {
	return email == baseServiceAccount || email == c.ServiceAccount && email != ""
}

func (g *googleIdentity) create(project, name, displayName string) (ServiceAccount, error) {
	number, err := rand.Int(rand.Reader, big.NewInt(1e18))
	if err != nil {
		return ServiceAccount{}, err
	}
	made := ServiceAccount{
		Email: name + "@" + project + ".iam.gserviceaccount.com", Project: project, DisplayName: displayName,
		UniqueID: fmt.Sprintf("1%020d", number), CreatedAt: now(),
	}
	return made, g.grants.change(func(all *Grants) error {
		if _, exists := all.account(made.Email); exists || g.cfg.isConfigured(made.Email) {
			return errAccountExists
		}
		all.ServiceAccounts = append(all.ServiceAccounts, made)
		return nil
	})
}

// remove deletes an account with its bindings: they name the account that was,
// and not another of the same email.
func (g *googleIdentity) remove(email string) error {
	return g.grants.change(func(all *Grants) error {
		if _, exists := all.account(email); !exists {
			return errNoAccount
		}
		all.ServiceAccounts = slices.DeleteFunc(all.ServiceAccounts, func(a ServiceAccount) bool { return a.Email == email })
		all.Bindings = slices.DeleteFunc(all.Bindings, func(b Binding) bool { return b.Member == "serviceAccount:"+email })
		return nil
	})
}

func (g Grants) account(email string) (ServiceAccount, bool) {
	i := slices.IndexFunc(g.ServiceAccounts, func(a ServiceAccount) bool { return a.Email == email })
	if i < 0 {
		return ServiceAccount{}, false
	}
	return g.ServiceAccounts[i], true
}

// uniqueID of an account that exists; configured ones have none.
func (c GCPConfig) uniqueID(g Grants, email string) (id string, exists bool) {
	account, made := g.account(email)
	return account.UniqueID, made || c.isConfigured(email)
}

// createAccount answers projects.serviceAccounts.create.
func (g *googleIdentity) createAccount(w http.ResponseWriter, r *http.Request) {
	project := r.PathValue("project")
	g.answer(w, r, permissionAccountsCreate, "projects/"+project, project, func() (any, *googleError) {
		var order struct {
			AccountID      string `json:"accountId"`
			ServiceAccount struct {
				DisplayName string `json:"displayName"`
			} `json:"serviceAccount"`
		}
		if err := json.NewDecoder(r.Body).Decode(&order); err != nil {
			return nil, invalidArgument("Invalid JSON payload received. " + err.Error())
		}
		if !accountName.MatchString(order.AccountID) {
			return nil, invalidArgument("The account ID \"" + order.AccountID + "\" does not have the correct format. It must be 6 to 30 lowercase letters, digits and hyphens, begin with a letter and not end with a hyphen.")
		}
		made, err := g.create(project, order.AccountID, order.ServiceAccount.DisplayName)
		if errors.Is(err, errAccountExists) {
			return nil, &googleError{http.StatusConflict, "ALREADY_EXISTS", "alreadyExists",
				"Service account " + order.AccountID + " already exists within project projects/" + project + "."}
		}
		if err != nil {
			return nil, internal(err)
		}
		return made.resource(), nil
	})
}

// getAccount answers projects.serviceAccounts.get.
func (g *googleIdentity) getAccount(w http.ResponseWriter, r *http.Request) {
	email := r.PathValue("email")
	g.answer(w, r, permissionAccountsGet, email, projectOf(r, email), func() (any, *googleError) {
		if account, exists := g.grants.snapshot().account(email); exists {
			return account.resource(), nil
		}
		if g.cfg.isConfigured(email) {
			return ServiceAccount{Email: email, Project: projectOf(r, email)}.resource(), nil
		}
		return nil, unknownAccount(email)
	})
}

// deleteAccount answers projects.serviceAccounts.delete.
func (g *googleIdentity) deleteAccount(w http.ResponseWriter, r *http.Request) {
	email := r.PathValue("email")
	g.answer(w, r, permissionAccountsDelete, email, projectOf(r, email), func() (any, *googleError) {
		if g.cfg.isConfigured(email) {
			return nil, permissionDenied(permissionAccountsDelete)
		}
		err := g.remove(email)
		if errors.Is(err, errNoAccount) {
			return nil, unknownAccount(email)
		}
		if err != nil {
			return nil, internal(err)
		}
		return struct{}{}, nil
	})
}

// answer logs a call of the IAM API and carries it out for the service's own
// identity, which administers the accounts of its own project.
func (g *googleIdentity) answer(w http.ResponseWriter, r *http.Request, permission, resource, project string, do func() (any, *googleError)) {
	out := g.log.record(w, Request{
		Cloud: "gcp", Principal: anonymous, Method: r.Method, Path: r.URL.RequestURI(), Permission: permission, Resource: resource,
	})
	result, refusal := g.authorized(r, &out.entry, project, do)
	if refusal != nil {
		out.entry.Reason = refusal.message
		refusal.write(out)
		return
	}
	writeJSON(out, http.StatusOK, result)
}

func (g *googleIdentity) authorized(r *http.Request, entry *Request, project string, do func() (any, *googleError)) (any, *googleError) {
	caller, err := g.caller(r)
	if err != nil {
		return nil, unauthenticated(err)
	}
	entry.Principal = caller
	if caller != baseServiceAccount || project != g.cfg.project() {
		return nil, permissionDenied(entry.Permission)
	}
	return do()
}

func (c GCPConfig) project() string {
	if c.Project == "" {
		return defaultProject
	}
	return c.Project
}

// projectOf is the project of an account in a path; a hyphen stands for the
// account's own. An account that is in another project does not exist here.
func projectOf(r *http.Request, email string) string {
	project := r.PathValue("project")
	if parts := accountEmail.FindStringSubmatch(email); parts != nil && (project == "-" || project == parts[2]) {
		return parts[2]
	}
	return ""
}

func (a ServiceAccount) resource() map[string]string {
	return map[string]string{
		"name":      "projects/" + a.Project + "/serviceAccounts/" + a.Email,
		"projectId": a.Project, "uniqueId": a.UniqueID, "email": a.Email, "displayName": a.DisplayName,
		"oauth2ClientId": a.UniqueID, "etag": "MDEwMjE5MjA=",
	}
}

func invalidArgument(message string) *googleError {
	return &googleError{http.StatusBadRequest, "INVALID_ARGUMENT", "badRequest", message}
}

func internal(err error) *googleError {
	return &googleError{http.StatusInternalServerError, "INTERNAL", "backendError", err.Error()}
}

func unknownAccount(email string) *googleError {
	return &googleError{http.StatusNotFound, "NOT_FOUND", "notFound", "Unknown service account " + email + "."}
}

// permissionDenied is what Google says of what does not exist, too.
func permissionDenied(permission string) *googleError {
	return &googleError{http.StatusForbidden, "PERMISSION_DENIED", "forbidden",
		"Permission '" + permission + "' denied on resource (or it may not exist)."}
}

// isOf tells whether the account of a token is still the one that it was
// made for.
func (c claims) isOf(cfg GCPConfig, g Grants) error {
	id, exists := cfg.uniqueID(g, c.Email)
	if !exists || c.Subject != id {
		return fmt.Errorf("the service account %s was deleted", c.Email)
	}
	return nil
}
