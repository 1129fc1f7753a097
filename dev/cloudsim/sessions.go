package cloudsim

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
)

// sweepEvery is how late a session's key may vanish after it has expired.
const sweepEvery = 5 * time.Second

var errNoRole = errors.New("the role does not exist")

// session is an assumed role.
type session struct {
	user        string // in versitygw
	role        string // ARN
	name        string
	credentials aws.Credentials
	expires     time.Time
	policy      string // the role's, as versitygw has it
}

// arn is how AWS names the session itself.
func (s session) arn() string {
	account := strings.Split(s.role, ":")[4]
	role := s.role[strings.LastIndex(s.role, "/")+1:]
	return fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/%s", account, role, s.name)
}

// sessions are the open ones, each a user in versitygw below our path.
type sessions struct {
	iam     *versity
	path    string
	grants  *grants
	changed chan struct{} // a role will change at another time than was known

	mu     sync.Mutex // held over calls to versitygw too: users and sessions stay equal
	byKey  map[string]session
	purged bool
}

// open makes a session's user; deny is the policy that narrows it, or empty.
// A role that is gone since the caller looked is errNoRole.
func (s *sessions) open(ctx context.Context, role Role, name, deny string, expires time.Time) (session, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.purge(ctx); err != nil {
		return session{}, err
	}
	role, exists := s.grants.snapshot().role(role.ARN, time.Now())
	if !exists {
		return session{}, errNoRole
	}
	policies := map[string]string{rolePolicyName: role.PermissionPolicy}
	if deny != "" {
		policies[sessionPolicyName] = deny
	}
	opened := session{user: "session-" + rand.Text(), role: role.ARN, name: name, expires: expires, policy: role.PermissionPolicy}
	var err error
	if opened.credentials, err = s.iam.createUser(ctx, s.path, opened.user, policies); err != nil {
		return session{}, errors.Join(err, s.iam.deleteUser(ctx, opened.user))
	}
	s.byKey[opened.credentials.AccessKeyID] = opened
	return opened, nil
}

// purge removes, once, the users that a killed simulator left behind.
func (s *sessions) purge(ctx context.Context) error {
	if s.purged {
		return nil
	}
	users, err := s.iam.users(ctx, s.path)
	if err != nil {
		return err
	}
	for _, user := range users {
		if err := s.iam.deleteUser(ctx, user); err != nil {
			return err
		}
	}
	s.purged = true
	return nil
}

func (s *sessions) find(accessKeyID string) (session, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	found, open := s.byKey[accessKeyID]
	return found, open
}

// refresh gives every session the policy that its role has now.
func (s *sessions) refresh(ctx context.Context) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	current := s.grants.snapshot()
	var errs []error
	for key, open := range s.byKey {
		role, exists := current.role(open.role, time.Now())
		if !exists || role.PermissionPolicy == open.policy {
			continue
		}
		if err := s.iam.putPolicy(ctx, open.user, rolePolicyName, role.PermissionPolicy); err != nil {
			errs = append(errs, err)
			continue
		}
		open.policy = role.PermissionPolicy
		s.byKey[key] = open
	}
	return errors.Join(errs...)
}

// expect lets the sweep see a change of a role in time.
func (s *sessions) expect() {
	select {
	case s.changed <- struct{}{}:
	default: // it has yet to look anyway
	}
}

// end removes the sessions that match.
func (s *sessions) end(ctx context.Context, match func(session) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	var errs []error
	for key, open := range s.byKey {
		if !match(open) {
			continue
		}
		if err := s.iam.deleteUser(ctx, open.user); err != nil {
			errs = append(errs, err)
			continue
		}
		delete(s.byKey, key)
	}
	return errors.Join(errs...)
}

// endExpired removes sessions that were over at the given time.
func (s *sessions) endExpired(ctx context.Context, now time.Time) error {
	return s.end(ctx, func(open session) bool { return !open.expires.After(now) })
}

// sweep ends expired sessions and brings changes of roles to the open ones,
// until the context is done. What versitygw refuses now is tried again the
// next time.
func (s *sessions) sweep(ctx context.Context) {
	for {
		wait := sweepEvery
		if next := s.grants.snapshot().nextRole(time.Now()); !next.IsZero() {
			wait = min(wait, time.Until(next))
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-s.changed:
			timer.Stop()
		case <-timer.C:
		}
		_ = s.endExpired(ctx, time.Now())
		_ = s.refresh(ctx)
	}
}
