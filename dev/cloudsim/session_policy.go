package cloudsim

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// negated pairs the condition operators whose negation IAM has, also for
// requests that lack the key.
var negated = map[string]string{
	"StringEquals":              "StringNotEquals",
	"StringNotEquals":           "StringEquals",
	"StringEqualsIgnoreCase":    "StringNotEqualsIgnoreCase",
	"StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
	"StringLike":                "StringNotLike",
	"StringNotLike":             "StringLike",
	"ArnLike":                   "ArnNotLike",
	"ArnNotLike":                "ArnLike",
	"ArnEquals":                 "ArnNotEquals",
	"ArnNotEquals":              "ArnEquals",
	"IpAddress":                 "NotIpAddress",
	"NotIpAddress":              "IpAddress",
}

// denyAllBut turns a session policy into one that denies whatever the session
// policy does not allow. Attached beside the role's policy it makes exactly
// the intersection of both, which is what AWS grants a session and what
// versitygw, which knows users only, cannot be asked for.
//
// Session policies that cannot be turned around this way are refused: those
// with NotAction or NotResource, with wildcards among several actions, with an
// action under conditions in more than one statement, and with an operator
// that has no negation.
func denyAllBut(sessionPolicy string) (string, error) {
	if err := validatePermissionPolicy(sessionPolicy); err != nil {
		return "", err
	}
	doc, err := parsePolicy(sessionPolicy)
	if err != nil {
		return "", err
	}
	deny := policyDocument{Version: doc.Version}
	byAction := map[string][]policyStatement{}
	var actions oneOrMany
	for _, st := range doc.Statement {
		if len(st.NotAction) > 0 || len(st.NotResource) > 0 {
			return "", fmt.Errorf("the simulator cannot narrow a session by NotAction or NotResource")
		}
		if st.Effect == "Deny" {
			st.Sid = ""
			deny.Statement = append(deny.Statement, st)
			continue
		}
		for _, action := range st.Action {
			if byAction[action] == nil {
				actions = append(actions, action)
			}
			byAction[action] = append(byAction[action], st)
		}
	}
	if len(actions) == 0 {
		return "", fmt.Errorf("the session policy allows nothing")
	}
	if len(actions) > 1 && slices.ContainsFunc(actions, func(a string) bool { return strings.ContainsAny(a, "*?") }) {
		return "", fmt.Errorf("the simulator cannot narrow a session by wildcards among several actions")
	}
	deny.Statement = append(deny.Statement, policyStatement{Effect: "Deny", NotAction: actions, Resource: oneOrMany{"*"}})
	for _, action := range actions {
		rest, err := denyRest(action, byAction[action])
		if err != nil {
			return "", err
		}
		deny.Statement = append(deny.Statement, rest...)
	}
	text, err := json.Marshal(deny)
	return string(text), err
}

// denyRest denies an action wherever none of the statements allows it.
func denyRest(action string, allowed []policyStatement) ([]policyStatement, error) {
	var resources oneOrMany
	for _, st := range allowed {
		if len(allowed) > 1 && len(st.Condition) > 0 {
			return nil, fmt.Errorf("the simulator cannot narrow a session by conditions on %s in several statements", action)
		}
		resources = append(resources, st.Resource...)
	}
	deny := []policyStatement{{Effect: "Deny", Action: oneOrMany{action}, NotResource: resources}}
	for operator, keys := range allowed[0].Condition {
		negation, known := negated[operator]
		if !known {
			return nil, fmt.Errorf("the simulator cannot narrow a session by the condition operator %q", operator)
		}
		// All conditions must hold for an Allow, so any that does not denies.
		for key, values := range keys {
			deny = append(deny, policyStatement{
				Effect: "Deny", Action: oneOrMany{action}, Resource: resources,
				Condition: conditions{negation: {key: values}},
			})
		}
	}
	return deny, nil
}
