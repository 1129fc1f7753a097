package cloudsim

import (
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// maxShown is how much of an object the page shows as text, in bytes.
const maxShown = 64 << 10

var cloudNames = map[string]string{"aws": "Amazon Web Services", "azure": "Microsoft Azure", "gcp": "Google Cloud"}

// browser shows what lies in the stores.
type browser struct{ stores map[string]store }

// link is a place to go to.
type link struct{ Name, URL string }

// browseView is what the pages of the stores show.
type browseView struct {
	Error string
	Title string
	Trail []link // from the list of all stores to here

	Clouds  []cloudView
	Folders []link
	Objects []objectView
	Next    string // URL of the next page
	Object  *objectView
}

// cloudView is a cloud with its buckets.
type cloudView struct {
	Name   string
	Places []link
	Error  string
}

// objectView is an object in a list or, with its text, on its own.
type objectView struct {
	link
	Download string // URL
	Size     string
	Written  time.Time

	Text  string
	Short bool // the text goes on
	Bytes bool // it is no text
}

func (b *browser) register(mux *http.ServeMux) {
	mux.HandleFunc("GET /objects", b.home)
	mux.HandleFunc("GET /objects/{cloud}/{place...}", b.folder)
	mux.HandleFunc("GET /object/{cloud}/{place...}", b.object)
	mux.HandleFunc("GET /download/{cloud}/{place...}", b.download)
}

func (b *browser) home(w http.ResponseWriter, r *http.Request) {
	view := browseView{Title: "Delivered objects"}
	for _, cloud := range []string{"aws", "azure", "gcp"} {
		shown := cloudView{Name: cloudNames[cloud]}
		if s, runs := b.stores[cloud]; runs {
			places, err := s.places(r.Context())
			if err != nil {
				shown.Error = err.Error()
			}
			for _, place := range places {
				shown.Places = append(shown.Places, link{place, address("/objects/", cloud, place, nil)})
			}
		} else {
			shown.Error = "This store was not started."
		}
		view.Clouds = append(view.Clouds, shown)
	}
	render(w, http.StatusOK, "objects.html", view)
}

func (b *browser) folder(w http.ResponseWriter, r *http.Request) {
	cloud, place, prefix := r.PathValue("cloud"), r.PathValue("place"), r.URL.Query().Get("prefix")
	view := browseView{Title: folderName(place, prefix), Trail: trail(cloud, place, prefix)}
	s, runs := b.stores[cloud]
	if !runs {
		http.NotFound(w, r)
		return
	}
	found, err := s.list(r.Context(), place, prefix, r.URL.Query().Get("from"))
	if err != nil {
		view.Error = err.Error()
		render(w, http.StatusBadGateway, "objects.html", view)
		return
	}
	for _, folder := range found.folders {
		view.Folders = append(view.Folders, link{strings.TrimPrefix(folder, prefix), address("/objects/", cloud, place, url.Values{"prefix": {folder}})})
	}
	for _, o := range found.objects {
		view.Objects = append(view.Objects, viewObject(cloud, place, o))
	}
	if found.next != "" {
		view.Next = address("/objects/", cloud, place, url.Values{"prefix": {prefix}, "from": {found.next}})
	}
	render(w, http.StatusOK, "objects.html", view)
}

func (b *browser) object(w http.ResponseWriter, r *http.Request) {
	cloud, place, key := r.PathValue("cloud"), r.PathValue("place"), r.URL.Query().Get("key")
	view := browseView{Title: path.Base(key), Trail: trail(cloud, place, folderOf(key))}
	head, err := b.head(r)
	if errors.Is(err, errNoStore) {
		http.NotFound(w, r)
		return
	}
	if err != nil {
		view.Error = err.Error()
		render(w, http.StatusBadGateway, "objects.html", view)
		return
	}
	shown := viewObject(cloud, place, storedObject{key: key})
	shown.Short = len(head) > maxShown
	head = head[:min(len(head), maxShown)]
	if shown.Short {
		head = head[:lastRune(head)]
	}
	shown.Bytes = !utf8.Valid(head) || slices.Contains(head, 0)
	if !shown.Bytes {
		shown.Text = string(head)
	}
	view.Object = &shown
	render(w, http.StatusOK, "objects.html", view)
}

var errNoStore = errors.New("the store was not started")

// head is the object's beginning, one byte more than is shown.
func (b *browser) head(r *http.Request) ([]byte, error) {
	s, runs := b.stores[r.PathValue("cloud")]
	if !runs {
		return nil, errNoStore
	}
	body, err := s.open(r.Context(), r.PathValue("place"), r.URL.Query().Get("key"))
	if err != nil {
		return nil, err
	}
	head, err := io.ReadAll(io.LimitReader(body, maxShown+1))
	return head, errors.Join(err, body.Close())
}

// lastRune is where the last, possibly cut, character of a text begins.
func lastRune(text []byte) int {
	for i := len(text) - 1; i >= 0 && i > len(text)-utf8.UTFMax; i-- {
		if utf8.RuneStart(text[i]) {
			return i
		}
	}
	return len(text)
}

// download gives the stored bytes, compressed ones too, as they are.
func (b *browser) download(w http.ResponseWriter, r *http.Request) {
	s, runs := b.stores[r.PathValue("cloud")]
	if !runs {
		http.NotFound(w, r)
		return
	}
	key := r.URL.Query().Get("key")
	body, err := s.open(r.Context(), r.PathValue("place"), key)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer body.Close() //nolint:errcheck // the answer is on its way
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("Content-Disposition", mime.FormatMediaType("attachment", map[string]string{"filename": path.Base(key)}))
	w.Header().Set("X-Content-Type-Options", "nosniff")
	// A browser that has gone away does not miss the rest; one that stays sees
	// that the connection ended early.
	if _, err := io.Copy(w, body); err != nil {
		panic(http.ErrAbortHandler)
	}
}

func viewObject(cloud, place string, o storedObject) objectView {
	at := url.Values{"key": {o.key}}
	return objectView{
		link:     link{path.Base(o.key), address("/object/", cloud, place, at)},
		Download: address("/download/", cloud, place, at), Size: size(o.size), Written: o.written,
	}
}

// address is a URL of the page; a bucket's name needs no escaping.
func address(route, cloud, place string, query url.Values) string {
	u := url.URL{Path: route + cloud + "/" + place, RawQuery: query.Encode()}
	return u.String()
}

// trail is the way to a folder.
func trail(cloud, place, prefix string) []link {
	way := []link{{"All stores", "/objects"}, {place, address("/objects/", cloud, place, nil)}}
	for i, c := range prefix {
		if c == '/' {
			way = append(way, link{path.Base(prefix[:i]), address("/objects/", cloud, place, url.Values{"prefix": {prefix[:i+1]}})})
		}
	}
	return way
}

func folderOf(key string) string { return key[:strings.LastIndex(key, "/")+1] }

func folderName(place, prefix string) string {
	if prefix == "" {
		return place
	}
	return path.Base(prefix)
}

// size is a number of bytes as people read it.
func size(bytes int64) string {
	if bytes < 1000 {
		return fmt.Sprintf("%d B", bytes)
	}
	value, unit := float64(bytes), 0
	for value >= 1000 && unit < 3 {
		value, unit = value/1000, unit+1
	}
	return fmt.Sprintf("%.1f %cB", value, " kMG"[unit])
}
