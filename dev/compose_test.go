package main

import (
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/cli"
	compose "github.com/compose-spec/compose-go/v2/types"
	"github.com/stretchr/testify/require"

	"github.com/auditferry/auditferry/dev/stack"
	"github.com/auditferry/auditferry/dev/tools"
	"github.com/auditferry/auditferry/internal/config"
	"github.com/auditferry/auditferry/schemas"
)

func loadCompose(t *testing.T) *compose.Project {
	t.Helper()
	options, err := cli.NewProjectOptions([]string{"../docker-compose.yml"})
	require.NoError(t, err)
	project, err := options.LoadProject(t.Context())
	require.NoError(t, err)
	return project
}

// The compose file runs the services of the stack, and none that it does not
// know but those that are said here.
func TestComposeServices(t *testing.T) {
	t.Parallel()
	want := []string{"s3-iam", "s3-folders", "seed"}
	for _, service := range append(stack.Servers(), stack.API, stack.Worker) {
		want = append(want, string(service))
	}
	require.ElementsMatch(t, want, loadCompose(t).ServiceNames())
}

// Nothing is reachable from outside of the machine.
func TestComposeListensOnLoopback(t *testing.T) {
	t.Parallel()
	for name, service := range loadCompose(t).Services {
		require.Empty(t, service.Ports, name)
		require.NotContains(t, words(service), "0.0.0.0", name)
	}
}

var portNumber = regexp.MustCompile(`(?:127\.0\.0\.1:|[pP]ort=|^|_PORT=)(\d{4,5})\b`)

// Every port is the one that the code knows.
func TestComposePorts(t *testing.T) {
	t.Parallel()
	known := slices.Collect(maps.Values(stack.FixedPorts()))
	used := make(map[int]bool)
	for name, service := range loadCompose(t).Services {
		for _, word := range words(service) {
			for _, match := range portNumber.FindAllStringSubmatch(word, -1) {
				port, err := strconv.Atoi(match[1])
				require.NoError(t, err)
				require.Contains(t, known, port, "%s: %s", name, word)
				used[port] = true
			}
		}
	}
	unused := stack.FixedPorts()
	maps.DeleteFunc(unused, func(_ stack.Port, port int) bool { return used[port] })
	require.Equal(t, []stack.Port{stack.PortClouds}, slices.Collect(maps.Keys(unused)), "the simulator's page is the code's own")
}

// words are a service's arguments and its variables as NAME=value.
func words(service compose.ServiceConfig) []string {
	all := slices.Concat(service.Entrypoint, service.Command)
	for name, value := range service.Environment {
		if value != nil {
			all = append(all, name+"="+*value)
		}
	}
	return all
}

// The programs accept their environment, and know every variable of ours in
// it.
func TestComposeEnvironment(t *testing.T) {
	services := loadCompose(t).Services
	for _, program := range []struct {
		service string
		config  reflect.Type
		load    func() error
	}{
		{"api", reflect.TypeFor[config.API](), func() error { _, err := config.LoadAPI(); return err }},
		{"worker", reflect.TypeFor[config.Worker](), func() error { _, err := config.LoadWorker(); return err }},
	} {
		t.Run(program.service, func(t *testing.T) {
			for _, pair := range os.Environ() {
				if name, value, _ := strings.Cut(pair, "="); strings.HasPrefix(name, "AUDITFERRY_") {
					t.Setenv(name, value) // puts it back at the end
					require.NoError(t, os.Unsetenv(name))
				}
			}
			state := t.TempDir()
			require.NoError(t, os.Mkdir(filepath.Join(state, "clouds"), 0o700))
			require.NoError(t, stack.WriteAzurePool(filepath.Join(state, "clouds", "azure-apps.json")))
			known := variables(program.config, "AUDITFERRY_")
			for name, value := range services[program.service].Environment {
				if strings.HasPrefix(name, "AUDITFERRY_") {
					require.Contains(t, known, name)
				}
				t.Setenv(name, strings.Replace(*value, "/state/", state+"/", 1))
			}
			require.NoError(t, program.load())
		})
	}
}

// variables lists the environment variables of a configuration struct.
func variables(of reflect.Type, prefix string) []string {
	var names []string
	for i := range of.NumField() {
		field := of.Field(i)
		if name, _, _ := strings.Cut(field.Tag.Get("env"), ","); name != "" {
			names = append(names, prefix+name)
		}
		if field.Type.Kind() == reflect.Struct {
			names = append(names, variables(field.Type, prefix+field.Tag.Get("envPrefix"))...)
		}
	}
	return names
}

// Third-party servers have the versions that are pinned for make dev, and know
// what the code takes for granted.
func TestComposeServers(t *testing.T) {
	t.Parallel()
	services := loadCompose(t).Services
	for service, tool := range map[string]string{
		"temporal": tools.Temporal, "s3": tools.VersityGW, "s3-iam": tools.VersityGW, "gcs": tools.FakeGCS,
		"azurite": tools.Azurite, "mail": tools.MailDev,
	} {
		version, err := tools.Version(tool)
		require.NoError(t, err)
		_, tag, _ := strings.Cut(services[service].Image, ":")
		require.Equal(t, strings.TrimPrefix(version, "v"), strings.TrimPrefix(tag, "v"), service)
	}
	require.Equal(t, stack.AzuriteAccounts(), *services["azurite"].Environment["AZURITE_ACCOUNTS"])
	for _, attribute := range []string{schemas.SearchOrg, schemas.SearchIntegration, schemas.SearchExport} {
		require.Contains(t, []string(services["temporal"].Command), "--search-attribute="+attribute+"=Keyword")
	}
}
