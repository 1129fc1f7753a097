package cloudsim

import (
	"context"
	"fmt"
	"slices"
	"time"
)

// PutRole creates a role or replaces both its policies. Open sessions keep
// their keys and get the new permissions at once.
func (s *Server) PutRole(ctx context.Context, role Role) error {
	return s.PutRoleAfter(ctx, role, 0)
}

// PutRoleAfter is PutRole with the time that AWS takes to make a change known
// everywhere: until the delay is over the role is as it was, or is not there.
// Putting it again starts the delay anew.
func (s *Server) PutRoleAfter(ctx context.Context, role Role, delay time.Duration) error {
	if !roleARN.MatchString(role.ARN) {
		return fmt.Errorf("role ARN %q must look like arn:aws:iam::123456789012:role/name", role.ARN)
	}
	if err := validateTrustPolicy(role.TrustPolicy); err != nil {
		return fmt.Errorf("trust policy: %w", err)
	}
	if err := validatePermissionPolicy(role.PermissionPolicy); err != nil {
		return fmt.Errorf("permission policy: %w", err)
	}
	now := now()
	role.EffectiveAt = now.Add(delay)
	err := s.grants.change(func(g *Grants) error {
		g.Roles = slices.DeleteFunc(g.Roles, func(r Role) bool {
			return r.ARN == role.ARN && (delay <= 0 || r.EffectiveAt.After(now))
		})
		g.Roles = append(g.Roles, role)
		return nil
	})
	if err != nil {
		return err
	}
	s.sessions.expect()
	return s.sessions.refresh(ctx)
}

// DeleteRole removes a role, with what has yet to take effect, and ends its
// sessions. A role that does not exist is no error.
func (s *Server) DeleteRole(ctx context.Context, arn string) error {
	err := s.grants.change(func(g *Grants) error {
		g.Roles = slices.DeleteFunc(g.Roles, func(r Role) bool { return r.ARN == arn })
		return nil
	})
	if err != nil {
		return err
	}
	return s.sessions.end(ctx, func(open session) bool { return open.role == arn })
}

// role is what holds of a role at the time.
func (g Grants) role(arn string, at time.Time) (Role, bool) {
	var found Role
	exists := false
	for _, r := range g.Roles {
		if r.ARN == arn && !r.EffectiveAt.After(at) && (!exists || !r.EffectiveAt.Before(found.EffectiveAt)) {
			found, exists = r, true
		}
	}
	return found, exists
}

// nextRole is when the next change of a role takes effect, or the zero time.
func (g Grants) nextRole(at time.Time) time.Time {
	var next time.Time
	for _, r := range g.Roles {
		if r.EffectiveAt.After(at) && (next.IsZero() || r.EffectiveAt.Before(next)) {
			next = r.EffectiveAt
		}
	}
	return next
}

// dropReplaced forgets roles that a later change has replaced by now.
func (g *Grants) dropReplaced(at time.Time) {
	g.Roles = slices.DeleteFunc(g.Roles, func(r Role) bool {
		holds, exists := g.role(r.ARN, at)
		return exists && r.EffectiveAt.Before(holds.EffectiveAt)
	})
}

// now is a time that is the same after it was written to a file and read.
func now() time.Time { return time.Now().UTC().Round(0) }
