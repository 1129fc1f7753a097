package mail

import (
	"fmt"
	"time"

	"github.com/auditferry/auditferry/schemas"
)

// DestinationChange is what an update of a destination did. Old is zero when
// it is not known any more.
type DestinationChange struct {
	Old        schemas.Destination
	Retargeted int // linked exports that deliver to the new destination
	Paused     int // linked exports that are paused
}

// DeletedLinks is what deleting an integration did to its linked exports.
type DeletedLinks struct {
	Paused  int
	Deleted int
}

// DestinationUpdated confirms a new destination and says what has become of
// the linked exports. The integration has its new destination already.
func DestinationUpdated(org schemas.Org, integration schemas.Integration, change DestinationChange, link string) (Message, error) {
	values := []value{{"New destination", integration.Destination.URL()}}
	if change.Old != (schemas.Destination{}) {
		values = append(values, value{"Old destination", change.Old.URL()})
	}
	steps := []step{{Text: "Make sure that the access you granted in " + cloudName(integration.Cloud) + " covers the new destination. It is being checked already, and the integration's page shows the result."}}
	if o := integration.Ownership.State; o == schemas.OwnershipOpen || o == schemas.OwnershipWaiting {
		steps = append(steps, step{Text: "Show that the new destination is yours: the last step of the integration's setup guide says how. Until then nothing is exported to it."})
	}
	if change.Paused > 0 {
		steps = append(steps, step{Text: "Resume the paused exports when you are ready, with the new destination. They lose nothing as long as they are resumed before events expire."})
	}
	intro := []string{
		fmt.Sprintf("The storage integration %q of %s has a new destination.", integration.Name, org.Name),
		linksAfterUpdate(change),
	}
	if change.Old == integration.Destination {
		values = []value{{"Destination", integration.Destination.URL()}}
		intro = []string{fmt.Sprintf("The storage integration %q of %s expects its bucket in another account now. Its scheduled exports go on where they are.",
			integration.Name, org.Name)}
	}
	return content{
		Subject:    fmt.Sprintf("Destination of %q updated", integration.Name),
		Intro:      intro,
		Values:     values,
		Steps:      steps,
		Link:       link,
		LinkText:   "View the integration",
		Recipients: recipients(org),
	}.message()
}

func linksAfterUpdate(change DestinationChange) string {
	switch {
	case change.Retargeted > 0 && change.Paused > 0:
		return fmt.Sprintf("%s; %s paused.", deliver(change.Retargeted), are(change.Paused))
	case change.Retargeted > 0:
		return deliver(change.Retargeted) + ". What has been delivered stays where it is."
	case change.Paused > 0:
		return fmt.Sprintf("Because of this, %s paused. What has been delivered stays where it is.", are(change.Paused))
	default:
		return "No scheduled exports are linked to it."
	}
}

// IntegrationDeleted confirms that an integration is gone, and says what has
// become of the linked exports.
func IntegrationDeleted(org schemas.Org, integration schemas.Integration, links DeletedLinks, link string) (Message, error) {
	steps := []step{{Text: revoke(integration.Cloud)}}
	if links.Paused > 0 {
		steps = append(steps, step{Text: "Link the paused exports to another integration and resume them, or delete them. Events that expire in the meantime are not delivered."})
	}
	return content{
		Subject: fmt.Sprintf("Storage integration %q deleted", integration.Name),
		Intro: []string{
			fmt.Sprintf("The storage integration %q of %s has been deleted. This cannot be undone. What has been delivered stays in your storage.", integration.Name, org.Name),
			linksAfterDelete(links),
		},
		Values:     []value{{"Destination", integration.Destination.URL()}},
		Steps:      steps,
		Link:       link,
		LinkText:   "View the integration",
		Recipients: recipients(org),
	}.message()
}

func linksAfterDelete(links DeletedLinks) string {
	switch {
	case links.Deleted > 0 && links.Paused > 0:
		return fmt.Sprintf("With it, %s been deleted; %s paused.", have(links.Deleted), are(links.Paused))
	case links.Deleted > 0:
		return fmt.Sprintf("With it, %s been deleted.", have(links.Deleted))
	case links.Paused > 0:
		return fmt.Sprintf("Because of this, %s paused.", are(links.Paused))
	default:
		return "No scheduled exports were linked to it."
	}
}

// ProvisioningWaiting asks the operators to provision an integration that has
// been waiting since the given time.
func ProvisioningWaiting(org schemas.Org, integration schemas.Integration, since time.Time, link string) (Message, error) {
	return content{
		Subject: fmt.Sprintf("Integration %q of %s waits for credentials", integration.Name, org.Name),
		Intro: []string{fmt.Sprintf("A storage integration on %s has been waiting for its credentials since %s. It goes on waiting until they come.",
			cloudName(integration.Cloud), moment(since))},
		Values: []value{
			{"Organization", fmt.Sprintf("%s (%s)", org.Name, org.ID)},
			{"Integration", fmt.Sprintf("%s (%s)", integration.Name, integration.ID)},
			{"Destination", integration.Destination.URL()},
		},
		Steps: []step{
			{Text: "Create the credentials, or find out why the automation that creates them did not."},
			{Text: "Hand them in on the page below, or with an operator's API key:", Code: fmt.Sprintf("POST /v1/integrations/%s/provisioning", integration.ID)},
		},
		Link:       link,
		LinkText:   "Hand in the credentials",
		Recipients: "You get this mail because you operate this service.",
	}.message()
}

func recipients(org schemas.Org) string {
	return fmt.Sprintf("You get this mail because your address is one of the notice addresses of %s. An admin can change them.", org.Name)
}

func deliver(n int) string {
	if n == 1 {
		return "1 linked export delivers to the new destination from its next run on"
	}
	return fmt.Sprintf("%d linked exports deliver to the new destination from their next run on", n)
}

func are(n int) string {
	if n == 1 {
		return "1 linked export is"
	}
	return fmt.Sprintf("%d linked exports are", n)
}

func have(n int) string {
	if n == 1 {
		return "1 linked export has"
	}
	return fmt.Sprintf("%d linked exports have", n)
}
