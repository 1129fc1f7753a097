package portal

import (
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/browser"
)

var secretText = regexp.MustCompile(`\baf_[A-Za-z0-9_]+`)

// A key is shown once, works at once, and is refused once it is revoked.
func TestKeys(t *testing.T) {
	for _, look := range []browser.Look{{}, {NoScripts: true}} {
		t.Run(map[bool]string{false: "scripts", true: "no scripts"}[look.NoScripts], func(t *testing.T) {
			o := begin(t)
			ada := o.as("ada", look)
			ada.Expect(http.StatusUnprocessableEntity)
			ada.click("API keys")
			ada.click("Create key")
			ada.choose("Ingest")
			ada.click("Create key")
			ada.wrong(map[string]string{"Name": ""})
			ada.fill("Name", "Product, production")
			ada.click("Create key")
			ada.sees("Copy the key now.")
			text, err := ada.Text()
			ada.must(err)
			secret := secretText.FindString(text)
			require.NotEmpty(t, secret, text)
			require.Equal(t, http.StatusCreated, appendEvent(t, o, secret))

			ada.click("I have copied the key")
			ada.in("Product, production").sees("Ingest")
			text, err = ada.Text()
			ada.must(err)
			require.NotContains(t, text, secret)
			ada.visit(o.path("api-keys"))
			ada.in("Product, production").seesNo("Never")

			ada.click("Revoke Product, production")
			ada.sees("at once and for good")
			ada.click("Revoke key")
			ada.sees("“Product, production” is refused from now on.", "Revoked keys (1)")
			ada.in("Product, production").sees("by Ada Admin")
			ada.visit(o.path("api-keys"))
			ada.sees("Revoked keys (1)")
			ada.seesNo("Product, production") // folded
			require.Equal(t, http.StatusUnauthorized, appendEvent(t, o, secret))
		})
	}
}

func appendEvent(t *testing.T, o *story, secret string) int {
	t.Helper()
	body := strings.NewReader(`[{"occurred_at":"2026-01-02T03:04:05Z","action":"key.tried","actor":{"id":"me"}}]`)
	request, err := http.NewRequestWithContext(o.ctx, http.MethodPost, o.API.URL+"/v1/events", body)
	require.NoError(t, err)
	request.Header.Set("Authorization", "Bearer "+secret)
	request.Header.Set("Content-Type", "application/json")
	answer, err := http.DefaultClient.Do(request)
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	return answer.StatusCode
}

// Who gets mails is what the admin has typed; viewers read it.
func TestNotices(t *testing.T) {
	o := begin(t)
	ada, vic := o.as("ada", browser.Look{}), o.as("vic", browser.Look{})
	ada.Expect(http.StatusUnprocessableEntity)
	ada.click("Members’ mails")
	ada.fill("Mail addresses", "security@example.com\nnobody")
	ada.click("Save")
	ada.wrong(map[string]string{"Mail addresses": ""})
	value, err := ada.Value("Mail addresses")
	ada.must(err)
	require.Equal(t, "security@example.com\nnobody", value)
	ada.fill("Mail addresses", "security@example.com\naudit@example.com")
	ada.click("Save")
	ada.sees("Addresses saved")

	// Another window, in which the addresses are still to be seen as they were.
	late := o.as("ada", browser.Look{})
	late.Expect(http.StatusConflict)
	late.visit(o.path("notices"))
	ada.fill("Mail addresses", "security@example.com\naudit@example.com\nops@example.com")
	ada.click("Save")
	ada.sees("Addresses saved")
	late.fill("Mail addresses", "security@example.com")
	late.click("Save")
	late.sees("Somebody else has changed the addresses since you looked.", "ops@example.com")
	late.fill("Mail addresses", "security@example.com\naudit@example.com")
	late.click("Save")
	late.sees("Addresses saved")

	vic.click("Members’ mails")
	vic.sees("security@example.com", "audit@example.com")
	commands, err := vic.Commands()
	vic.must(err)
	require.Empty(t, commands)
}
