package schemas_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/schemas"
)

// With -update, the golden files of payloads that have none yet are written.
// Delete a file first to have it written anew, and ask yourself who still holds
// the old bytes: histories, operations and idempotency keys do.
var update = flag.Bool("update", false, "write missing golden files")

// payloads are all types that cross a process boundary as JSON.
var payloads = []any{
	&schemas.AbandonClosingsInput{}, &schemas.AccessChanged{}, &schemas.AccessCheckInput{}, &schemas.AccessReport{}, &schemas.AccessStep{},
	&schemas.Actor{}, &schemas.APIKey{}, &schemas.Appended{}, &schemas.AWSCredentials{}, &schemas.AzureCredentials{},
	&schemas.Backfill{}, &schemas.BackfillRange{}, &schemas.BeginCommandResult{}, &schemas.BeginRunInput{}, &schemas.BeginRunResult{}, &schemas.Command{},
	&schemas.Credentials{}, &schemas.DeliveredObject{}, &schemas.DueNotice{}, &schemas.Event{}, &schemas.EventContext{}, &schemas.Export{}, &schemas.ExportInput{},
	&schemas.FailOperationInput{}, &schemas.Filter{}, &schemas.FinishRunInput{}, &schemas.FinishRunResult{}, &schemas.GCPCredentials{},
	&schemas.GivenUp{},
	&schemas.Grant{}, &schemas.Integration{}, &schemas.IntegrationInput{}, &schemas.IntegrationRef{},
	&schemas.IntegrationState{}, &schemas.LedgerDay{}, &schemas.LoadIntegrationResult{}, &schemas.LossClock{},
	&schemas.Manifest{}, &schemas.ManifestObject{}, &schemas.ManifestRef{}, &schemas.MarkToldInput{}, &schemas.NoticeInput{}, &schemas.NoticeRecipients{},
	&schemas.Object{}, &schemas.Operation{}, &schemas.OperationOutcome{}, &schemas.OperationParams{},
	&schemas.OperationRef{}, &schemas.Org{}, &schemas.Ownership{}, &schemas.Person{}, &schemas.ProbeInput{}, &schemas.ProbeResult{}, &schemas.Progress{}, &schemas.Provisioned{},
	&schemas.ReconcileResult{}, &schemas.RecordAccessInput{}, &schemas.RecordFailureInput{}, &schemas.Run{},
	&schemas.Schedule{}, &schemas.SealedManifest{}, &schemas.SendNoticeInput{}, &schemas.SetupDocument{}, &schemas.SetupGuide{}, &schemas.SetupStep{},
	&schemas.SetupValue{}, &schemas.SignIn{}, &schemas.SigningKey{}, &schemas.StoreCredentialsInput{}, &schemas.Target{}, &schemas.WatchInput{},
	&schemas.WatchResult{}, &schemas.Window{}, &schemas.WritePartsInput{}, &schemas.WritePartsResult{},
}

// Invariant 8, for payloads: old bytes still decode, with nothing lost. A
// member that was renamed or removed is unknown to the strict decoder; one that
// changed its meaning does not come out as it went in.
func TestGoldenPayloads(t *testing.T) {
	t.Parallel()
	for _, payload := range payloads {
		kind := reflect.TypeOf(payload).Elem()
		t.Run(kind.Name(), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join("testdata", fileName(kind.Name())+".json")
			if _, err := os.Stat(path); *update && os.IsNotExist(err) {
				require.NoError(t, os.WriteFile(path, encode(t, sample(kind)), 0o600))
			}
			golden, err := os.ReadFile(path)
			require.NoError(t, err, "run: go test ./schemas -update")

			decoded := reflect.New(kind)
			decoder := json.NewDecoder(bytes.NewReader(golden))
			decoder.DisallowUnknownFields()
			require.NoError(t, decoder.Decode(decoded.Interface()))
			require.Equal(t, string(golden), string(encode(t, decoded.Interface())))
		})
	}
}

func TestEveryPayloadHasAGoldenFile(t *testing.T) {
	t.Parallel()
	listed := make([]string, len(payloads))
	for i, payload := range payloads {
		listed[i] = reflect.TypeOf(payload).Elem().Name()
	}
	files, err := filepath.Glob("*.go")
	require.NoError(t, err)
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		require.NoError(t, err)
		ast.Inspect(parsed, func(n ast.Node) bool {
			declared, isType := n.(*ast.TypeSpec)
			if !isType {
				return true
			}
			if members, isStruct := declared.Type.(*ast.StructType); isStruct && declared.Name.IsExported() && hasJSON(members) {
				require.Contains(t, listed, declared.Name.Name, "%s declares a payload without a golden file", file)
			}
			return false // types inside functions are not payloads
		})
	}
}

func hasJSON(members *ast.StructType) bool {
	return slices.ContainsFunc(members.Fields.List, func(field *ast.Field) bool {
		return field.Tag != nil && strings.Contains(field.Tag.Value, "json:")
	})
}

func encode(t *testing.T, value any) []byte {
	t.Helper()
	encoded, err := json.MarshalIndent(value, "", "  ")
	require.NoError(t, err)
	return append(encoded, '\n')
}

var wordEnd = regexp.MustCompile(`([a-z0-9])([A-Z])|([A-Z])([A-Z][a-z])`)

func fileName(typeName string) string {
	return strings.ToLower(wordEnd.ReplaceAllString(typeName, "${1}${3}_${2}${4}"))
}

// samples are the values of the types that do not take any.
var samples = map[reflect.Type]any{
	reflect.TypeFor[time.Time]():                 time.Date(2026, 1, 2, 3, 4, 5, 678_901_000, time.UTC),
	reflect.TypeFor[time.Duration]():             90 * time.Second,
	reflect.TypeFor[uuid.UUID]():                 uuid.MustParse("019b7c3a-5f00-7abc-8def-0123456789ab"),
	reflect.TypeFor[json.RawMessage]():           json.RawMessage(`{"any":["thing",1.50]}`),
	reflect.TypeFor[schemas.Destination]():       schemas.Destination{Cloud: schemas.Azure, Account: "acme", Bucket: "audit", Prefix: "logs"},
	reflect.TypeFor[schemas.Cloud]():             schemas.Azure,
	reflect.TypeFor[schemas.Access]():            schemas.AccessGranted,
	reflect.TypeFor[schemas.IntegrationStatus](): schemas.IntegrationAwaitingAccess,
	reflect.TypeFor[schemas.Provisioner]():       schemas.ProvisionerExternal,
	reflect.TypeFor[schemas.StepStatus]():        schemas.StepWarning,
	reflect.TypeFor[schemas.ErrorKind]():         schemas.KindThrottled,
	reflect.TypeFor[schemas.ExportState]():       schemas.ExportPaused,
	reflect.TypeFor[schemas.PauseReason]():       schemas.PausedByDestinationUpdate,
	reflect.TypeFor[schemas.Format]():            schemas.FormatNDJSON,
	reflect.TypeFor[schemas.Compression]():       schemas.CompressionZstd,
	reflect.TypeFor[schemas.PathTemplate]():      schemas.DefaultPathTemplate,
	reflect.TypeFor[schemas.ScheduleKind]():      schemas.ScheduleWeekly,
	reflect.TypeFor[schemas.RunStatus]():         schemas.RunFailed,
	reflect.TypeFor[schemas.OperationKind]():     schemas.OpUpdateDestination,
	reflect.TypeFor[schemas.OperationStatus]():   schemas.OperationSucceeded,
	reflect.TypeFor[schemas.NoticeKind]():        schemas.NoticeDestinationUpdated,
	reflect.TypeFor[schemas.Role]():              schemas.RoleAdmin,
	reflect.TypeFor[schemas.Outcome]():           schemas.OutcomeFailure,
	reflect.TypeFor[schemas.ManifestKind]():      schemas.ManifestFinal,
	reflect.TypeFor[schemas.CloseReason]():       schemas.ClosedByRelink,
	reflect.TypeFor[schemas.BackfillStatus]():    schemas.BackfillCancelled,
	reflect.TypeFor[[]byte]():                    []byte("bytes"),
}

// sample is a payload with every member set, so that omitempty hides none.
func sample(kind reflect.Type) any {
	value := reflect.New(kind)
	fill(value.Elem(), kind.Name())
	return value.Interface()
}

func fill(value reflect.Value, name string) {
	if fixed, known := samples[value.Type()]; known {
		value.Set(reflect.ValueOf(fixed))
		return
	}
	switch value.Kind() {
	case reflect.Struct:
		for i := range value.NumField() {
			fill(value.Field(i), value.Type().Field(i).Name)
		}
	case reflect.Pointer:
		value.Set(reflect.New(value.Type().Elem()))
		fill(value.Elem(), name)
	case reflect.Slice:
		value.Set(reflect.MakeSlice(value.Type(), 1, 1))
		fill(value.Index(0), name)
	case reflect.String:
		value.SetString("the " + strings.ReplaceAll(fileName(name), "_", " "))
	case reflect.Bool:
		value.SetBool(true)
	case reflect.Int, reflect.Int64:
		value.SetInt(int64(len(name))) // any number but 0
	default:
		panic("no sample for " + value.Type().String())
	}
}
