package config

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strings"
	"unicode"

	"github.com/auditferry/auditferry/schemas"
)

// AppKey is one multi-tenant app of a pool, with what it signs in with.
type AppKey struct {
	ClientID     string `json:"client_id"`
	ClientSecret string `json:"client_secret"`
	AppName      string `json:"app_name"` // as the customer's tenant shows it, name_suffix
}

// readAppPool reads the apps from a file; no file is no pool. Its errors say
// where something is wrong and never quote what stands there: a secret may have
// slipped into any place.
func readAppPool(file string) ([]AppKey, error) {
	if file == "" {
		return nil, nil
	}
	content, err := os.ReadFile(file) //nolint:gosec // G304: the operator's own choice of a file
	if err != nil {
		return nil, wrongPool(err.Error())
	}
	return parseAppPool(content)
}

func wrongPool(what string) error { return wrong("AZURE_APP_POOL_FILE", "cannot be used: "+what) }

func parseAppPool(content []byte) ([]AppKey, error) {
	var entries []json.RawMessage
	if err := json.Unmarshal(content, &entries); err != nil {
		return nil, wrongPool(whereWrong(content, err))
	}
	if len(entries) == 0 {
		return nil, wrongPool("the list is empty; name an app, or unset the variable")
	}
	var errs []error
	apps := make([]AppKey, len(entries))
	first := make(map[string]int, len(entries)) // number of the first app with a client ID
	for n, entry := range entries {
		bad := func(what string) { errs = append(errs, wrongPool(fmt.Sprintf("app %d %s", n+1, what))) }
		app := &apps[n]
		if !app.read(entry) {
			bad("must be an object of client_id, client_secret and app_name, all strings, and nothing else")
			continue
		}
		for _, what := range app.mistakes() {
			bad(what)
		}
		if other, known := first[app.ClientID]; known && app.ClientID != "" {
			bad(fmt.Sprintf("has the client_id of app %d; list every app once", other))
			continue
		}
		first[app.ClientID] = n + 1
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return apps, nil
}

// whereWrong tells where a text stops being a list in JSON. The decoder's own
// words would quote the text.
func whereWrong(content []byte, err error) string {
	var syntax *json.SyntaxError
	if !errors.As(err, &syntax) {
		return "it must be a list in JSON"
	}
	line := 1 + bytes.Count(content[:min(int(syntax.Offset), len(content))], []byte("\n"))
	return fmt.Sprintf("it must be a list in JSON, and is not from line %d on", line)
}

func (a *AppKey) read(entry json.RawMessage) bool {
	decoder := json.NewDecoder(bytes.NewReader(entry))
	decoder.DisallowUnknownFields()
	return decoder.Decode(a) == nil && entry[0] == '{'
}

// clientID is in lower case, as Entra shows it: two spellings of one app would
// pass for two.
var clientID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

func (a *AppKey) mistakes() (all []string) {
	if !clientID.MatchString(a.ClientID) {
		all = append(all, "needs a client_id: a UUID in lower case, from the app's overview in Microsoft Entra ID")
	}
	if a.ClientSecret == "" || strings.ContainsFunc(a.ClientSecret, func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }) {
		all = append(all, "needs a client_secret without spaces: the value of the secret, not its ID")
	}
	shown := schemas.Credentials{Azure: &schemas.AzureCredentials{
		ConsentURL: "https://login.microsoftonline.com/?client_id=any", MultiTenantAppName: a.AppName,
	}}
	var field *schemas.FieldError
	if errors.As(shown.Validate(schemas.Azure), &field) {
		all = append(all, "needs an app_name, which "+field.Message)
	}
	return all
}
