package stack

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
)

// Port names a port of the stack.
type Port string

// The ports. A fixed port that is taken is reported under these names.
const (
	PortPostgres   Port = "postgres"
	PortTemporal   Port = "temporal"
	PortTemporalUI Port = "temporal-ui"
	PortS3         Port = "s3"
	PortS3IAM      Port = "s3-iam"
	PortAzurite    Port = "azurite"
	PortGCS        Port = "gcs"
	PortSMTP       Port = "smtp"
	PortMail       Port = "mail"
	PortOIDC       Port = "oidc"
	PortSTS        Port = "sts"
	PortCloudS3    Port = "cloud-s3"
	PortEntra      Port = "entra"
	PortBlob       Port = "blob"
	PortGoogle     Port = "google"
	PortStorage    Port = "storage"
	PortClouds     Port = "clouds"
	PortAPI        Port = "api"
	PortWorker     Port = "worker"
)

// fixedPorts are the ports of a stack for a person, chosen so that a server's
// own default shows where nothing speaks against it.
var fixedPorts = map[Port]int{
	PortPostgres:   15432, // not 5432: many machines run a Postgres of their own
	PortTemporal:   7233,
	PortTemporalUI: 8233,
	PortS3:         7070,
	PortS3IAM:      7076,
	PortAzurite:    10000,
	PortGCS:        4443,
	PortSMTP:       1025,
	PortMail:       1080,
	PortOIDC:       8090,
	PortSTS:        8101,
	PortCloudS3:    8102,
	PortEntra:      8103,
	PortBlob:       8104,
	PortGoogle:     8105,
	PortStorage:    8106,
	PortClouds:     8100,
	PortAPI:        8080,
	PortWorker:     8081,
}

// FixedPorts are the ports of a stack for a person, unless an environment
// variable moves them.
func FixedPorts() map[Port]int { return maps.Clone(fixedPorts) }

// portVariable is the environment variable that moves a fixed port.
func portVariable(name Port) string {
	return "AUDITFERRY_DEV_PORT_" + strings.ToUpper(strings.ReplaceAll(string(name), "-", "_"))
}

// ports hands out the ports of one stack.
type ports struct {
	fixed bool
	mu    sync.Mutex
	held  []net.PacketConn
}

// take returns the port for name: its fixed one, or a free one, as for names
// without a fixed one, that no other stack on this machine will take until
// release.
func (p *ports) take(name Port) (int, error) {
	if _, known := fixedPorts[name]; !known || !p.fixed {
		return p.free()
	}
	port, err := fixedPort(name)
	if err == nil && !bindable(port) {
		err = fmt.Errorf("port %d (%s) is taken; stop the other process or set %s", port, name, portVariable(name))
	}
	return port, err
}

// fixedPort is the port that name has on this machine.
func fixedPort(name Port) (int, error) {
	port := fixedPorts[name]
	if value := os.Getenv(portVariable(name)); value != "" {
		n, err := strconv.Atoi(value)
		if err != nil || n < 1 || n > 65535 {
			return 0, fmt.Errorf("%s=%s is not a port", portVariable(name), value)
		}
		port = n
	}
	return port, nil
}

// Free ports are searched below the range from which Linux (32768) and macOS
// (49152) take ports for outgoing connections, so that none of those can come
// in between.
const (
	firstFree = 20000
	lastFree  = 32000
)

// free finds a port. The stack's servers listen on TCP, so holding the UDP port
// of the same number reserves it against other stacks, in this process or
// another, and the kernel gives it back whatever happens to us.
func (p *ports) free() (int, error) {
	for range 1000 {
		port := firstFree + rand.IntN(lastFree-firstFree)
		hold, err := net.ListenPacket("udp4", address(port))
		if err != nil {
			continue
		}
		if !bindable(port) {
			_ = hold.Close() // someone else's port; nothing to report about it
			continue
		}
		p.mu.Lock()
		p.held = append(p.held, hold)
		p.mu.Unlock()
		return port, nil
	}
	return 0, fmt.Errorf("no free port from %d to %d", firstFree, lastFree)
}

func (p *ports) release() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var errs []error
	for _, hold := range p.held {
		errs = append(errs, hold.Close())
	}
	p.held = nil
	return errors.Join(errs...)
}

// bindable says whether a server could listen on the port now, on loopback and
// on all addresses: the second finds servers that listen on all of them.
func bindable(port int) bool {
	for _, addr := range []string{address(port), ":" + strconv.Itoa(port)} {
		l, err := net.Listen("tcp", addr)
		if err != nil {
			return false
		}
		_ = l.Close() // it was only to try
	}
	return true
}

func address(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }
