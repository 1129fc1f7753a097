package portal

import (
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/api/service"
	"github.com/auditferry/auditferry/schemas"
)

// admins are people with an estate of their own, and its export.
func (s *site) admins(names ...string) (e estate, export service.ExportView, people []*visitor) {
	s.t.Helper()
	e = s.addEstate("Acme")
	for _, name := range names {
		people = append(people, s.signedIn(person(name, map[uuid.UUID]schemas.Role{e.org: schemas.RoleAdmin})))
	}
	return e, s.exportNow(e), people
}

func (s *site) exportNow(e estate) service.ExportView {
	s.t.Helper()
	export, err := s.service.Export(s.t.Context(), adminOf(e.org).Caller, e.export)
	require.NoError(s.t, err)
	return export
}

// editForm is the form of an export as it is filled now.
func editForm(of service.ExportView) url.Values {
	form := url.Values{"name": {of.Name}, versionField: {strconv.Itoa(of.SpecVersion)}}
	putSchedule(form, of.Schedule, "UTC")
	putShape(form, shapeOf(of.Export))
	return form
}

// Nobody undoes another's change unread: who comes second is told what is so
// now, keeps what they typed, and decides.
func TestEditsFromStaleForms(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e, export, people := s.admins("ada", "bob")
	ada, bob := people[0], people[1]
	path := "/orgs/" + e.org.String() + "/exports/" + e.export.String() + "/edit"
	require.Equal(t, strconv.Itoa(export.SpecVersion), hidden(t, bob.get(path).body, versionField))

	form := editForm(export)
	form.Set("name", "Of Ada")
	require.Equal(t, http.StatusSeeOther, ada.post(path, form).status)

	form.Set("name", "Of Bob")
	form.Set("preview", "1")
	require.Equal(t, strconv.Itoa(export.SpecVersion), hidden(t, bob.post(path, form).body, versionField), "a preview tells nobody of it")
	form.Del("preview")
	form.Set(everyNumber, "x")
	a := bob.post(path, form)
	require.Contains(t, a.body, "must be a whole number")
	require.Equal(t, strconv.Itoa(export.SpecVersion), hidden(t, a.body, versionField), "nor does what is wrong with a value")
	form.Set(everyNumber, "2")
	a = bob.post(path, form)
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, a.body, "changed meanwhile by ada.")
	require.Contains(t, a.body, "<dt>Name</dt><dd>Of Ada</dd>")
	require.Contains(t, a.body, "<dt>Schedule</dt><dd>every hour</dd>")
	require.NotContains(t, a.body, "<dt>Format</dt>")
	require.Contains(t, a.body, `value="Of Bob"`)
	require.Equal(t, strconv.Itoa(export.SpecVersion+1), hidden(t, a.body, versionField))
	require.Equal(t, "Of Ada", s.exportNow(e).Name)

	form.Set(versionField, strconv.Itoa(export.SpecVersion+1))
	require.Equal(t, http.StatusSeeOther, bob.post(path, form).status)
	require.Equal(t, "Of Bob", s.exportNow(e).Name)

	same := editForm(s.exportNow(e))
	same.Set(versionField, "none")
	require.Contains(t, ada.post(path, same).body, "there is nothing to save")
}

// A stale page links an export nowhere else, and resumes it nowhere else.
func TestRelinkAndResumeFromStalePages(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e, export, people := s.admins("ada")
	ada, call := people[0], adminOf(e.org)
	path := "/orgs/" + e.org.String() + "/exports/" + e.export.String()
	var others [2]uuid.UUID
	for n := range others {
		op, err := s.service.CreateIntegration(t.Context(), call, service.CreateIntegration{
			Name: "Other " + strconv.Itoa(n), Cloud: schemas.GCP, Destination: "gs://other-" + strconv.Itoa(n) + "/",
		})
		require.NoError(t, err)
		others[n] = *op.IntegrationID
	}
	_, err := s.service.CancelBackfill(t.Context(), call, service.CancelBackfill{ExportID: e.export, BackfillID: e.backfill})
	require.NoError(t, err)
	_, err = s.service.PauseExport(t.Context(), call, service.PauseExport{ExportID: e.export})
	require.NoError(t, err)
	seen := s.exportNow(e).SpecVersion
	require.Equal(t, strconv.Itoa(seen), hidden(t, ada.get(path+"/relink").body, versionField))
	require.Equal(t, export.Destination.String(), hidden(t, ada.get(path).body, "destination"))

	_, err = s.service.RelinkExport(t.Context(), call, service.RelinkExport{ExportID: e.export, IntegrationID: others[0]})
	require.NoError(t, err)
	a := ada.post(path+"/relink", url.Values{"integration_id": {others[1].String()}, versionField: {strconv.Itoa(seen)}})
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, a.body, "changed meanwhile by seed.")
	require.Contains(t, a.body, "Other 0</strong>, and delivered to")
	require.Equal(t, strconv.Itoa(seen+1), hidden(t, a.body, versionField))

	a = ada.post(path+"/resume", url.Values{"destination": {export.Destination.String()}})
	require.Equal(t, http.StatusConflict, a.status)
	require.Contains(t, a.body, "has changed meanwhile, to gs://other-0/")
	require.Equal(t, "gs://other-0/", hidden(t, a.body, "destination"))
	require.Equal(t, schemas.ExportPaused, s.exportNow(e).State)
	require.Equal(t, http.StatusSeeOther, ada.post(path+"/resume", url.Values{"destination": {"gs://other-0/"}}).status)
	require.Equal(t, schemas.ExportActive, s.exportNow(e).State)
}

// The list tells how far an export is behind, and the export's page the same.
func TestListAndPageTellTheSameLag(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e, export, people := s.admins("ada")
	require.NotNil(t, export.Undelivered)
	require.Positive(t, export.Undelivered.Events)
	path := "/orgs/" + e.org.String() + "/exports"
	lag := regexp.MustCompile(`[\d,]+ events? not delivered, waiting since <time [^>]*>[^<]*</time><br><span class="clock quiet">Oldest event expires in 29 days</span>`)
	listed := lag.FindString(people[0].get(path).body)
	require.Contains(t, listed, plural(int(export.Undelivered.Events), "event"))
	require.Equal(t, listed, lag.FindString(people[0].get(path+"/"+e.export.String()).body))
}

// What is wrong is in sight: the fields that few need are shown with their
// errors.
func TestMoreFieldsOfAnExport(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	e, export, people := s.admins("ada")
	path := "/orgs/" + e.org.String() + "/exports"
	more := regexp.MustCompile(`<details class="more-fields" id="more"( open)?>`)
	require.NotContains(t, more.FindString(people[0].get(path+"/new").body), "open")
	form := editForm(export)
	form.Set("path_template", "/a/")
	form.Set("integration_id", e.integration.String())
	for _, form := range []struct {
		path   string
		values url.Values
	}{{path + "/new", form}, {path + "/" + e.export.String() + "/edit", form}} {
		a := people[0].post(form.path, form.values)
		require.Equal(t, http.StatusUnprocessableEntity, a.status)
		require.Contains(t, more.FindString(a.body), "open")
		require.Contains(t, a.body, `id="path_template" name="path_template" aria-invalid="true" aria-describedby="help-path_template error-path_template" value="/a/"`)
	}
}

// A preview that cannot be made says why, and leaves the form usable.
func TestAPreviewThatIsTooBusy(t *testing.T) {
	t.Parallel()
	var shown exportPreview
	f := newForm(nil)
	require.NoError(t, shown.note(f, nil))
	require.NoError(t, shown.note(f, &service.Error{Kind: service.Busy, Detail: "Too many ask at once. Try again in a minute."}))
	require.NoError(t, shown.note(f, fieldError("path_template", "is bad")))
	require.Error(t, shown.note(f, errors.New("broken")))
	body := exportFormBody{Form: newForm(nil), Integrations: []schemas.Integration{{Name: "Archive"}}, Preview: shown}
	html := bodyOf(t, frame{page: &page{Template: "export_form", Title: "Schedule an export", Body: body}, Zone: zone{time.UTC}})
	require.Contains(t, html, `<p class="quiet">Too many ask at once. Try again in a minute.</p><p class="quiet">The path is bad.</p>`)
	require.Contains(t, html, "Schedule the export</button>")
}

// Who has just scheduled an export need not wait for the night to see a file.
func TestTheFirstFileCanBeHadAtOnce(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	waits := func(change func(*exportBody)) bool {
		next := now.Add(time.Hour)
		b := exportBody{exportRow: exportRow{
			ExportView: service.ExportView{
				Export:      schemas.Export{State: schemas.ExportActive, StartSeq: 5, DeliveredSeq: 4},
				Undelivered: &service.Undelivered{OldestSeq: 5, Events: 12},
			},
			Integration: schemas.Integration{Access: schemas.AccessGranted}, Next: &next,
		}}
		change(&b)
		return b.firstWaits(now)
	}
	require.True(t, waits(func(*exportBody) {}))
	for name, change := range map[string]func(*exportBody){
		"something was delivered": func(b *exportBody) { b.DeliveredSeq = 5 },
		"nothing waits":           func(b *exportBody) { b.Undelivered = nil },
		"no run comes":            func(b *exportBody) { b.Next = nil },
		"the run comes by itself": func(b *exportBody) { *b.Next = now.Add(comesBy) },
		"there is no access":      func(b *exportBody) { b.Integration.Access = schemas.AccessChecking },
		"something is wrong":      func(b *exportBody) { b.Trouble = &trouble{} },
		"a run is under way":      func(b *exportBody) { b.Last = &service.RunView{Run: schemas.Run{Status: schemas.RunRunning}} },
		"a run was asked for": func(b *exportBody) {
			b.Operations = operationRows([]schemas.Operation{{Kind: schemas.OpRunExport, CreatedAt: now}})
		},
	} {
		require.False(t, waits(change), name)
	}
	next := time.Now().Add(14*time.Hour + time.Minute/2)
	body := exportBody{
		exportRow: exportRow{ExportView: service.ExportView{
			Export: schemas.Export{State: schemas.ExportActive}, Undelivered: &service.Undelivered{Events: 1200},
		}, Next: &next},
		FirstWaits: true,
	}
	f := frame{page: &page{Template: "export", Body: body}, Zone: zone{time.UTC}}
	require.Contains(t, bodyOf(t, f), "The first run starts in 14 hours, with 1,200 events to deliver.</p>")
	f.Admin = true
	require.Contains(t, bodyOf(t, f), "To have the first file at once, press Run now.")
}
