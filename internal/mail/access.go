package mail

import (
	"errors"
	"fmt"
	"strings"

	"github.com/auditferry/auditferry/schemas"
)

// maxAnswer bounds how many characters of a cloud's own words a mail quotes:
// enough for any sentence, not for a page of HTML that a proxy put in its way.
const maxAnswer = 500

// IntegrationReady tells the admins that the credentials are there, what they
// are, and what to do with them in their cloud, all of it from the guide. Link
// leads to the integration. It fails when the guide is not of this integration
// as it is now, or has no credentials yet.
func IntegrationReady(org schemas.Org, integration schemas.Integration, guide schemas.SetupGuide, link string) (Message, error) {
	steps, err := guided(integration, guide)
	if err != nil {
		return Message{}, fmt.Errorf("word the mail about integration %s: %w", integration.ID, err)
	}
	values := make([]value, len(guide.Values))
	for i, v := range guide.Values {
		values[i] = value{v.Name, v.Value}
	}
	closing := []string{
		"None of these values is a secret: they are of no use to anybody but this service.",
		"Access is being checked already. The integration's page shows the result of every attempt and lets you check again.",
	}
	if forms := otherForms(guide); forms != "" {
		closing = append([]string{"The integration's page has the same " + forms + "."}, closing...)
	}
	return content{
		Subject: fmt.Sprintf("Grant access in %s to finish %q", cloudName(integration.Cloud), integration.Name),
		Intro: []string{fmt.Sprintf("The storage integration %q of %s has its credentials. Audit logs can be exported as soon as you grant access in %s.",
			integration.Name, org.Name, cloudName(integration.Cloud))},
		Values:     values,
		Steps:      steps,
		Closing:    closing,
		Link:       link,
		LinkText:   "View the integration",
		Recipients: recipients(org),
	}.message()
}

// guided takes the steps from the guide, each with the text that is to be
// pasted there.
func guided(integration schemas.Integration, guide schemas.SetupGuide) ([]step, error) {
	if guide.Destination != integration.Destination {
		return nil, fmt.Errorf("its setup guide is for %q", guide.Destination)
	}
	if integration.Credentials == nil || !guide.Ready {
		return nil, errors.New("it has no credentials yet")
	}
	steps := make([]step, len(guide.Steps))
	for i, s := range guide.Steps {
		steps[i] = step{Text: s.Text, Link: s.Link, Code: s.Copy}
		if s.Document == "" {
			continue
		}
		document, ok := guide.Document(s.Document)
		if !ok {
			return nil, fmt.Errorf("its setup guide has no document %q", s.Document)
		}
		steps[i].Code = strings.TrimSpace(document.Content)
	}
	return steps, nil
}

// otherForms names the forms of the guide that would make a mail unreadable.
func otherForms(guide schemas.SetupGuide) string {
	var forms []string
	for _, form := range []struct {
		format schemas.SetupFormat
		words  string
	}{{schemas.SetupShell, "as commands"}, {schemas.SetupTerraform, "as Terraform"}} {
		for _, d := range guide.Documents {
			if d.Format == form.format {
				forms = append(forms, form.words)
				break
			}
		}
	}
	return strings.Join(forms, " and ")
}

// AccessVerified tells the admins that an access check has written to the
// destination, so that nothing more is to be done in their cloud.
func AccessVerified(org schemas.Org, integration schemas.Integration, link string) (Message, error) {
	return content{
		Subject: fmt.Sprintf("Access verified for %q", integration.Name),
		Intro: []string{
			fmt.Sprintf("Auditferry can write to %s. Scheduled exports of the storage integration %q of %s deliver from now on.",
				integration.Destination, integration.Name, org.Name),
			"What linked exports could not deliver while access was missing comes with their next runs.",
		},
		Values: []value{{"Destination", integration.Destination.URL()}},
		Steps: []step{
			{Text: "If no export is linked to this integration yet, schedule one. Until then nothing is delivered."},
		},
		Closing:    []string{"Keep the access that you granted as it is: exports need it with every run."},
		Link:       link,
		LinkText:   "View the integration",
		Recipients: recipients(org),
	}.message()
}

// AccessDenied tells the admins that an access check has ended without
// success, why, and what to do about it. Report is that of its last attempt.
func AccessDenied(org schemas.Org, integration schemas.Integration, report schemas.AccessReport, link string) (Message, error) {
	failure, found := report.Failure()
	if report.Granted || !found {
		return Message{}, fmt.Errorf("word the mail about integration %s: its access report tells of no failure", integration.ID)
	}
	intro := []string{fmt.Sprintf("The access check of the storage integration %q of %s has ended without success, and no further try comes by itself. Auditferry cannot write to %s.",
		integration.Name, org.Name, integration.Destination)}
	if failure.Explanation != "" {
		intro = append(intro, failure.Explanation)
	}
	var steps []step
	if failure.Fix != "" {
		steps = append(steps, step{Text: failure.Fix})
	}
	steps = append(steps, step{Text: "Open the integration's page and choose Check access. It says within seconds whether that was it, and goes on trying if your cloud needs longer."})
	return content{
		Subject:    fmt.Sprintf("No access in %s for %q", cloudName(integration.Cloud), integration.Name),
		Intro:      intro,
		Values:     denial(integration, report, failure),
		Steps:      steps,
		Closing:    []string{"Exports linked to this integration are kept. Each of their runs tries again, and delivers what has gathered as soon as it can. Events that expire before that are not delivered."},
		Link:       link,
		LinkText:   "View the integration",
		Recipients: recipients(org),
	}.message()
}

// denial lists what an admin, or their cloud's support, needs to find the
// cause.
func denial(integration schemas.Integration, report schemas.AccessReport, failure schemas.AccessStep) []value {
	values := []value{
		{"Destination", integration.Destination.URL()},
		{"Failed step", attempted(integration.Cloud, failure.Name)},
	}
	if failure.Code != "" {
		values = append(values, value{"Error code of " + cloudName(integration.Cloud), failure.Code})
	}
	if answer := shorten(oneLine(failure.Answer), maxAnswer); answer != "" {
		values = append(values, value{"Answer of " + cloudName(integration.Cloud), answer})
	}
	if !report.CheckedAt.IsZero() {
		values = append(values, value{"Last tried", moment(report.CheckedAt)})
	}
	return values
}

// shorten cuts a text to so many characters, and shows that it did.
func shorten(s string, limit int) string {
	if r := []rune(s); len(r) > limit {
		return string(r[:limit]) + " ..."
	}
	return s
}
