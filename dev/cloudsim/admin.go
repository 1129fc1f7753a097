package cloudsim

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
)

// StorageBlobDataContributor is the role that the reference asks for.
const StorageBlobDataContributor = "Storage Blob Data Contributor"

// GCPExportPermissions are those of the custom role that the reference asks
// for.
func GCPExportPermissions() []string {
	return []string{permissionObjectsCreate, permissionObjectsDelete, permissionObjectsList, permissionBucketsGet}
}

var (
	roleARN = regexp.MustCompile(`^arn:aws:iam::\d{12}:role/[\w+=,.@/-]{1,512}$`)
	userARN = regexp.MustCompile(`^arn:aws:iam::\d{12}:user/[\w+=,.@/-]{1,512}$`)
)

// Grants returns what is granted now, including what has yet to take effect.
func (s *Server) Grants() Grants {
	g := s.grants.snapshot()
	g.dropReplaced(time.Now())
	return g
}

// BindServiceAccount gives a member, "serviceAccount:" and an email address,
// permissions on a bucket in place of those it had; they take effect after
// the delay.
func (s *Server) BindServiceAccount(bucket, member string, permissions []string, delay time.Duration) error {
	if bucket == "" || !strings.HasPrefix(member, "serviceAccount:") || len(permissions) == 0 {
		return fmt.Errorf("a binding needs a bucket, a member such as serviceAccount:name@project.iam.gserviceaccount.com, and permissions")
	}
	binding := Binding{
		Bucket: bucket, Member: member,
		Permissions: slices.Clone(permissions), EffectiveAt: time.Now().Add(delay),
	}
	return s.grants.change(func(g *Grants) error {
		g.Bindings = slices.DeleteFunc(g.Bindings, binding.same)
		g.Bindings = append(g.Bindings, binding)
		return nil
	})
}

// Unbind takes a member's permissions on a bucket back at once. A binding
// that does not exist is no error.
func (s *Server) Unbind(bucket, member string) error {
	binding := Binding{Bucket: bucket, Member: member}
	return s.grants.change(func(g *Grants) error {
		g.Bindings = slices.DeleteFunc(g.Bindings, binding.same)
		return nil
	})
}

func (b Binding) same(other Binding) bool {
	return b.Bucket == other.Bucket && b.Member == other.Member
}

// AllowImpersonation says whether the service's own Google identity may make
// tokens for the service account; it may until told otherwise.
func (s *Server) AllowImpersonation(allowed bool) error {
	return s.grants.change(func(g *Grants) error {
		g.ImpersonationDenied = !allowed
		return nil
	})
}
