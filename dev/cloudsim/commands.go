package cloudsim

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// fields are what a form or a JSON object of strings says.
type fields map[string]string

// commands are the cloud admin's doings, by the path below /do/. Each is a
// method of Server with its arguments read from fields of the JSON names.
var commands = map[string]func(*Server, context.Context, fields) error{
	"aws/put-role": func(s *Server, ctx context.Context, f fields) error {
		delay, err := f.delay()
		if err != nil {
			return err
		}
		return s.PutRoleAfter(ctx, Role{ARN: f["arn"], TrustPolicy: f["trust_policy"], PermissionPolicy: f["permission_policy"]}, delay)
	},
	"aws/delete-role": func(s *Server, ctx context.Context, f fields) error {
		return s.DeleteRole(ctx, f["arn"])
	},
	"aws/set-bucket-owner": func(s *Server, _ context.Context, f fields) error {
		return s.SetBucketOwner(f["bucket"], f["account"])
	},
	"azure/consent": func(s *Server, _ context.Context, f fields) error {
		return s.Consent(f["tenant_id"], f["client_id"])
	},
	"azure/revoke-consent": func(s *Server, _ context.Context, f fields) error {
		return s.RevokeConsent(f["tenant_id"], f["client_id"])
	},
	"azure/assign-role": func(s *Server, _ context.Context, f fields) error {
		delay, err := f.delay()
		if err != nil {
			return err
		}
		return s.AssignRole(f.assignment(), delay)
	},
	"azure/remove-assignment": func(s *Server, _ context.Context, f fields) error {
		return s.RemoveAssignment(f.assignment())
	},
	"azure/disable-app": func(s *Server, _ context.Context, f fields) error {
		return s.DisableApp(f["tenant_id"], f["client_id"], f["disabled"] == "true")
	},
	"azure/set-network-rules": func(s *Server, _ context.Context, f fields) error {
		return s.SetNetworkRules(f["account"], f["allowed"] == "true")
	},
	"gcp/bind": func(s *Server, _ context.Context, f fields) error {
		delay, err := f.delay()
		if err != nil {
			return err
		}
		return s.BindServiceAccount(f["bucket"], f["member"], strings.Fields(f["permissions"]), delay)
	},
	"gcp/unbind": func(s *Server, _ context.Context, f fields) error {
		return s.Unbind(f["bucket"], f["member"])
	},
	"gcp/create-service-account": func(s *Server, _ context.Context, f fields) error {
		return s.CreateServiceAccount(f["email"])
	},
	"gcp/delete-service-account": func(s *Server, _ context.Context, f fields) error {
		return s.DeleteServiceAccount(f["email"])
	},
	"gcp/set-bucket-project": func(s *Server, _ context.Context, f fields) error {
		return s.SetBucketProject(f["bucket"], f["number"])
	},
	"gcp/impersonation": func(s *Server, _ context.Context, f fields) error {
		return s.AllowImpersonation(f["allowed"] == "true")
	},
}

func (f fields) assignment() RoleAssignment {
	return RoleAssignment{
		TenantID: f["tenant_id"], Member: f["member"], Role: f["role"],
		Account: f["account"], Container: f["container"],
	}
}

// delay reads a duration such as 45m; none is no delay.
func (f fields) delay() (time.Duration, error) {
	if f["delay"] == "" {
		return 0, nil
	}
	delay, err := time.ParseDuration(f["delay"])
	if err != nil || delay < 0 {
		return 0, fmt.Errorf("delay %q must be a duration such as 30s or 45m", f["delay"])
	}
	return delay, nil
}

// do carries out a command. JSON is answered with 204 or an error object, a
// form with the page.
func (s *Server) do(w http.ResponseWriter, r *http.Request) {
	run, known := commands[r.PathValue("cloud")+"/"+r.PathValue("command")]
	if !known {
		http.NotFound(w, r)
		return
	}
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		s.doJSON(w, r, run)
		return
	}
	f, err := formFields(r)
	if err == nil {
		err = run(s, r.Context(), f)
	}
	if err != nil {
		s.refusedForm(w, f, err)
		return
	}
	// Seeing the result must not repeat the command when the page is reloaded.
	http.Redirect(w, r, "/#"+url.PathEscape(r.PathValue("cloud")), http.StatusSeeOther)
}

func (s *Server) doJSON(w http.ResponseWriter, r *http.Request, run func(*Server, context.Context, fields) error) {
	var f fields
	err := json.NewDecoder(r.Body).Decode(&f)
	if err == nil {
		err = run(s, r.Context(), f)
	}
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"error": err.Error()})
		return
	}
	w.WriteHeader(http.StatusNoContent)
}

func formFields(r *http.Request) (fields, error) {
	if err := r.ParseForm(); err != nil {
		return nil, fmt.Errorf("read the form: %w", err)
	}
	f := fields{}
	for name, values := range r.PostForm {
		f[name] = strings.TrimSpace(strings.Join(values, " "))
	}
	return f, nil
}
