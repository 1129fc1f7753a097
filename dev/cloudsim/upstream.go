package cloudsim

import (
	"fmt"
	"net/http"
	"net/http/httputil"
	"net/url"
)

// newUpstream forwards to a store. The transport keeps its own connections, so
// that closing the simulator closes them.
func newUpstream(name, target string, transport http.RoundTripper, rewrite func(*httputil.ProxyRequest)) (*httputil.ReverseProxy, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, fmt.Errorf("URL of %s: %w", name, err)
	}
	return &httputil.ReverseProxy{
		Transport: transport,
		Rewrite: func(pr *httputil.ProxyRequest) {
			pr.Out.URL.Scheme, pr.Out.URL.Host, pr.Out.Host = u.Scheme, u.Host, u.Host
			rewrite(pr)
		},
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			// The store is down: what the clouds answer then, and retryable.
			http.Error(w, fmt.Sprintf("%s is not reachable: %v", name, err), http.StatusServiceUnavailable)
		},
		// Uploads and downloads stream.
		FlushInterval: -1,
	}, nil
}
