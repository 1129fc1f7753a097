package schemas

// SetupGuide is what an admin does in their own cloud, with every value filled
// in. Until the credentials are there, placeholders stand where they belong.
type SetupGuide struct {
	Cloud       Cloud           `json:"cloud"`
	Destination Destination     `json:"destination"`
	Ready       bool            `json:"ready"`     // the credentials are filled in
	Values      []SetupValue    `json:"values"`    // what was entered and what it became, to copy one by one
	Steps       []SetupStep     `json:"steps"`     // the way through the cloud's console, in order
	Documents   []SetupDocument `json:"documents"` // to paste or to run, in the order of use
}

// SetupValue is one value to copy.
type SetupValue struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// SetupStep is one thing to do in the cloud's console.
type SetupStep struct {
	Text     string `json:"text"`
	Link     string `json:"link,omitempty"`     // where it is done
	Copy     string `json:"copy,omitempty"`     // what to paste there, if it is short
	Document string `json:"document,omitempty"` // name of the document to paste there
}

// SetupFormat says what a setup document is made of.
type SetupFormat string

// The setup formats.
const (
	SetupJSON      SetupFormat = "json"
	SetupYAML      SetupFormat = "yaml"
	SetupShell     SetupFormat = "shell" // POSIX shell
	SetupTerraform SetupFormat = "terraform"
)

// SetupDocument is a finished text. Name is stable and unique in its guide.
type SetupDocument struct {
	Name     string      `json:"name"`
	Title    string      `json:"title"`
	Format   SetupFormat `json:"format"`
	Filename string      `json:"filename"`
	Content  string      `json:"content"`
}

// Document finds a document by its name; ok is false when there is none.
func (g SetupGuide) Document(name string) (document SetupDocument, ok bool) {
	for _, d := range g.Documents {
		if d.Name == name {
			return d, true
		}
	}
	return SetupDocument{}, false
}
