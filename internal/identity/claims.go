package identity

import (
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/auditferry/auditferry/schemas"
)

// everyOrg stands in the place of an organization's ID where the role is that
// of an operator.
const everyOrg = "*"

// personOf reads the claims of an ID token: name, email, and the one that says
// who is what where.
func (p *Provider) personOf(subject string, claims map[string]any) (schemas.Person, error) {
	person := schemas.Person{Subject: subject, Orgs: make(map[uuid.UUID]schemas.Role)}
	person.Name, _ = claims["name"].(string)
	person.Email, _ = claims["email"].(string)
	if verified := claims["email_verified"]; verified != nil && verified != true && verified != "true" {
		person.Email = "" // anybody's
	}
	if err := readOrgs(&person, claims[p.options.OrgsClaim]); err != nil {
		return schemas.Person{}, refused("read the claim %s: %w", p.options.OrgsClaim, err)
	}
	return person, nil
}

// readOrgs reads what a person is where. The claim is either an object of
// organization IDs and roles, or a list of strings of the form <ID>:<role>, as
// providers give groups. The roles are admin and viewer, and for the ID * it is
// operator. In a list, what has another form is some other group and passed
// over; in an object it is a mistake.
func readOrgs(person *schemas.Person, claim any) error {
	switch claim := claim.(type) {
	case nil:
		return nil // who is nothing anywhere may have no such claim
	case map[string]any:
		for org, role := range claim {
			name, _ := role.(string)
			if !grant(person, org, schemas.Role(name)) {
				return fmt.Errorf("%q: %q is not an organization's ID with the role admin or viewer, nor * with operator", org, role)
			}
		}
		return nil
	case []any:
		for _, entry := range claim {
			group, _ := entry.(string)
			org, role, _ := strings.Cut(group, ":")
			grant(person, org, schemas.Role(role))
		}
		return nil
	default:
		return fmt.Errorf("it is neither an object nor a list")
	}
}

// grant notes one role; ok is false when there is no such thing. Of two roles
// in one organization the greater counts.
func grant(person *schemas.Person, org string, role schemas.Role) (ok bool) {
	if org == everyOrg {
		person.Operator = person.Operator || role == schemas.RoleOperator
		return role == schemas.RoleOperator
	}
	id, err := uuid.Parse(org)
	if err != nil || role != schemas.RoleAdmin && role != schemas.RoleViewer {
		return false
	}
	if person.Orgs[id] != schemas.RoleAdmin {
		person.Orgs[id] = role
	}
	return true
}
