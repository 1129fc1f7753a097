package cloudsim

import (
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"
)

// policyDocument is an IAM policy as far as the simulator reads it.
type policyDocument struct {
	Version   string     `json:"Version,omitempty"`
	Statement statements `json:"Statement"`
}

type policyStatement struct {
	Sid         string     `json:"Sid,omitempty"`
	Effect      string     `json:"Effect"`
	Principal   principals `json:"Principal,omitempty"`
	Action      oneOrMany  `json:"Action,omitempty"`
	NotAction   oneOrMany  `json:"NotAction,omitempty"`
	Resource    oneOrMany  `json:"Resource,omitempty"`
	NotResource oneOrMany  `json:"NotResource,omitempty"`
	Condition   conditions `json:"Condition,omitempty"`
}

// conditions are operator -> key -> values.
type conditions map[string]map[string]oneOrMany

// oneOrMany is a list that IAM lets people write as a single string.
type oneOrMany []string

// UnmarshalJSON reads a string or a list of strings.
func (o *oneOrMany) UnmarshalJSON(raw []byte) error {
	var one string
	if err := json.Unmarshal(raw, &one); err == nil {
		*o = oneOrMany{one}
		return nil
	}
	var many []string
	if err := json.Unmarshal(raw, &many); err != nil {
		return errors.New("must be a string or a list of strings")
	}
	*o = many
	return nil
}

// statements are a list that IAM lets people write as a single object.
type statements []policyStatement

// UnmarshalJSON reads an object or a list of objects.
func (s *statements) UnmarshalJSON(raw []byte) error {
	var many []policyStatement
	if err := json.Unmarshal(raw, &many); err == nil {
		*s = many
		return nil
	}
	var one policyStatement
	if err := json.Unmarshal(raw, &one); err != nil {
		return err
	}
	*s = statements{one}
	return nil
}

// principals are kind -> names; "*" is anyone.
type principals map[string]oneOrMany

// UnmarshalJSON reads "*" or an object.
func (p *principals) UnmarshalJSON(raw []byte) error {
	var anyone string
	if err := json.Unmarshal(raw, &anyone); err == nil {
		if anyone != "*" {
			return fmt.Errorf("principal %q must be \"*\" or an object", anyone)
		}
		*p = principals{"AWS": {"*"}}
		return nil
	}
	var kinds map[string]oneOrMany
	if err := json.Unmarshal(raw, &kinds); err != nil {
		return err
	}
	*p = kinds
	return nil
}

func parsePolicy(text string) (policyDocument, error) {
	var doc policyDocument
	if err := json.Unmarshal([]byte(text), &doc); err != nil {
		return policyDocument{}, fmt.Errorf("not valid policy JSON: %w", err)
	}
	if len(doc.Statement) == 0 {
		return policyDocument{}, errors.New("the policy has no statement")
	}
	for _, st := range doc.Statement {
		if st.Effect != "Allow" && st.Effect != "Deny" {
			return policyDocument{}, fmt.Errorf("effect %q must be Allow or Deny", st.Effect)
		}
		if len(st.Action) == 0 && len(st.NotAction) == 0 {
			return policyDocument{}, errors.New("a statement has no action")
		}
	}
	return doc, nil
}

func validatePermissionPolicy(text string) error {
	doc, err := parsePolicy(text)
	if err != nil {
		return err
	}
	for _, st := range doc.Statement {
		if len(st.Principal) > 0 {
			return errors.New("a permission policy names no principal")
		}
		if len(st.Resource) == 0 && len(st.NotResource) == 0 {
			return errors.New("a statement has no resource")
		}
	}
	return nil
}

func validateTrustPolicy(text string) error {
	doc, err := parsePolicy(text)
	if err != nil {
		return err
	}
	for _, st := range doc.Statement {
		if len(st.Principal) == 0 {
			return errors.New("a statement of a trust policy needs a principal")
		}
		if len(st.Resource) > 0 || len(st.NotResource) > 0 || len(st.NotAction) > 0 {
			return errors.New("a statement of a trust policy has actions and no resource")
		}
		for operator := range st.Condition {
			if _, known := stringOperators[operator]; !known {
				return fmt.Errorf("the simulator does not know the condition operator %q", operator)
			}
		}
	}
	return nil
}

// caller is who asks to assume a role, and how.
type caller struct {
	arn         string
	externalID  *string // nil: none was sent
	sessionName string
}

// trusts tells whether a trust policy lets the caller assume the role.
func trusts(trustPolicy string, c caller) (bool, error) {
	doc, err := parsePolicy(trustPolicy)
	if err != nil {
		return false, err
	}
	allowed := false
	for _, st := range doc.Statement {
		if !st.appliesTo(c) {
			continue
		}
		if st.Effect == "Deny" {
			return false, nil
		}
		allowed = true
	}
	return allowed, nil
}

func (st policyStatement) appliesTo(c caller) bool {
	return slices.ContainsFunc(st.Action, func(pattern string) bool { return like(strings.ToLower(pattern), "sts:assumerole") }) &&
		slices.ContainsFunc(st.Principal["AWS"], c.isNamedBy) &&
		st.Condition.hold(c.context())
}

// isNamedBy tells whether a principal element means the caller. An account, by
// its number or its root ARN, means everyone in it.
func (c caller) isNamedBy(principal string) bool {
	account := strings.Split(c.arn, ":")[4]
	return principal == "*" || principal == c.arn || principal == account ||
		principal == "arn:aws:iam::"+account+":root"
}

func (c caller) context() map[string]string {
	context := map[string]string{"aws:principalarn": c.arn, "sts:rolesessionname": c.sessionName}
	if c.externalID != nil {
		context["sts:externalid"] = *c.externalID
	}
	return context
}

// stringOperators compare a value of the policy with one of the request.
var stringOperators = map[string]func(pattern, value string) bool{
	"StringEquals":           func(p, v string) bool { return p == v },
	"StringEqualsIgnoreCase": strings.EqualFold,
	"StringLike":             like,
	"ArnEquals":              like,
	"ArnLike":                like,
}

// hold tells whether all conditions are met; a key that the request does not
// have meets none.
func (c conditions) hold(context map[string]string) bool {
	for operator, keys := range c {
		compare, known := stringOperators[operator]
		if !known {
			return false
		}
		for key, patterns := range keys {
			value, present := context[strings.ToLower(key)]
			if !present || !slices.ContainsFunc(patterns, func(p string) bool { return compare(p, value) }) {
				return false
			}
		}
	}
	return true
}

// like matches IAM's wildcards, * and ?, which do not stop at slashes.
func like(pattern, value string) bool {
	// path.Match stops at slashes and reads brackets and backslashes; none of
	// them means anything to IAM.
	plain := strings.NewReplacer("/", "\x00", "[", `\[`, `\`, `\\`)
	matched, err := path.Match(plain.Replace(pattern), strings.ReplaceAll(value, "/", "\x00"))
	return err == nil && matched
}
