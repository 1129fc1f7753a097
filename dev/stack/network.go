package stack

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	toxiproxy "github.com/Shopify/toxiproxy/v2/client"

	"github.com/auditferry/auditferry/dev/tools"
)

// Link is the way from one of Auditferry's programs to a server. All workers
// share theirs.
type Link struct {
	From Service // API or Worker
	To   Service
}

func (l Link) String() string { return string(l.From) + "-" + string(l.To) }

// link is a proxy on the way.
type link struct {
	proxy    *toxiproxy.Proxy
	upstream string // host:port
}

// startNetwork puts a proxy into every link. The stores are reached through the
// cloud simulator, so the proxies stand before its faces.
func (s *Stack) startNetwork(ctx context.Context) error {
	port, err := s.ports.take("")
	if err != nil {
		return err
	}
	_, err = s.run(ctx, program{
		name: "network", path: s.tools[tools.Toxiproxy],
		args:  []string{"-host", "127.0.0.1", "-port", strconv.Itoa(port)},
		env:   s.plainEnv("LOG_LEVEL=error"),
		ready: answers("http://" + address(port) + "/version"),
	})
	if err != nil {
		return err
	}
	upstreams, err := s.upstreams()
	if err != nil {
		return err
	}
	server := toxiproxy.NewClient(address(port))
	s.links = make(map[Link]*link, len(upstreams))
	for name, upstream := range upstreams {
		listen, err := s.ports.take("")
		if err != nil {
			return err
		}
		proxy, err := server.CreateProxy(name.String(), address(listen), upstream)
		if err != nil {
			return fmt.Errorf("make the proxy %s: %w", name, err)
		}
		s.links[name] = &link{proxy: proxy, upstream: upstream}
	}
	return nil
}

// upstreams are the addresses of what runs, for each link to it.
func (s *Stack) upstreams() (map[Link]string, error) {
	urls := map[Link]string{}
	if s.Database.URL != "" {
		urls[Link{API, Postgres}], urls[Link{Worker, Postgres}] = s.Database.URL, s.Database.URL
	}
	if s.Temporal.Address != "" {
		at := "tcp://" + s.Temporal.Address
		urls[Link{API, Temporal}], urls[Link{Worker, Temporal}] = at, at
	}
	if s.Mail.SMTP != "" {
		urls[Link{Worker, Mail}] = "smtp://" + s.Mail.SMTP
	}
	if s.Clouds != nil {
		at := s.Clouds.Endpoints()
		urls[Link{Worker, S3}], urls[Link{Worker, Azurite}], urls[Link{Worker, GCS}] = at.S3, at.Blob, at.Storage
	}
	upstreams := make(map[Link]string, len(urls))
	for name, raw := range urls {
		u, err := url.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("find the upstream of %s: %w", name, err)
		}
		upstreams[name] = u.Host
	}
	return upstreams, nil
}

// via is the address or URL under which a program reaches a server: at itself,
// or the link's proxy in its place.
func (s *Stack) via(from, to Service, at string) string {
	l := s.links[Link{from, to}]
	if l == nil {
		return at
	}
	return strings.Replace(at, l.upstream, l.proxy.Listen, 1)
}

// Links lists the links that have a proxy, in a fixed order.
func (s *Stack) Links() []Link {
	var all []Link
	for name := range s.links {
		all = append(all, name)
	}
	slices.SortFunc(all, func(a, b Link) int { return strings.Compare(a.String(), b.String()) })
	return all
}

// Proxy is the proxy in a link, for toxics; nil if there is none. It must not
// be used concurrently.
func (s *Stack) Proxy(name Link) *toxiproxy.Proxy {
	if l := s.links[name]; l != nil {
		return l.proxy
	}
	return nil
}
