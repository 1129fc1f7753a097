package portal

import (
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// A person signs in a few times a day. An office behind one address has a few
// hundred of them, who come in the morning; each sign-in counts twice.
const (
	signInsEvery  = time.Second
	signInsAtOnce = 60
)

// maxClients bounds how many addresses are remembered. Beyond it the limiter
// forgets, which lets too many pass rather than too few.
const maxClients = 10_000

// limiter bounds how often an address may do something. It is safe for
// concurrent use.
type limiter struct {
	mu      sync.Mutex
	clients map[string]*rate.Limiter
}

func newLimiter() *limiter { return &limiter{clients: make(map[string]*rate.Limiter)} }

// allow tells whether a client may do it once more. Of IPv6 the network counts:
// one customer of a provider has all addresses of it.
func (l *limiter) allow(client string) bool {
	if address, err := netip.ParseAddr(client); err == nil && address.Is6() && !address.Is4In6() {
		if network, err := address.Prefix(64); err == nil {
			client = network.String()
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.clients) >= maxClients {
		clear(l.clients)
	}
	known := l.clients[client]
	if known == nil {
		known = rate.NewLimiter(rate.Every(signInsEvery), signInsAtOnce)
		l.clients[client] = known
	}
	return known.Allow()
}
