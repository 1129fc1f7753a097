package config

import (
	"fmt"
	"os"
)

// Signing is the key that manifests are signed with. Another key is another
// value here: the public halves of all that were ever used stay published.
type Signing struct {
	Environment string `env:"ENVIRONMENT" envDefault:"production"` // production or development; in development a missing signing key is made
	Key         string `env:"SIGNING_KEY,unset"`                   // Ed25519, PKCS #8 PEM or base64 of the seed; "auditferry keys new" makes one
	KeyFile     string `env:"SIGNING_KEY_FILE"`                    // the same in a file

	// PEM is the key as it was given; nil: make one. What it holds is checked
	// where it is used.
	PEM []byte `env:"-"`
}

func (s *Signing) read() error {
	switch {
	case s.Environment != "production" && s.Environment != "development":
		return wrong("ENVIRONMENT", "must be production or development")
	case s.Key != "" && s.KeyFile != "":
		return wrong("SIGNING_KEY", "is set beside "+prefix+"SIGNING_KEY_FILE; keep one of them")
	case s.Key != "":
		s.PEM = []byte(s.Key)
		s.Key = ""
	case s.KeyFile != "":
		content, err := os.ReadFile(s.KeyFile)
		if err != nil {
			return wrong("SIGNING_KEY_FILE", "cannot be read: "+err.Error())
		}
		s.PEM = content
	case s.Environment == "production":
		return fmt.Errorf("%w; make one with: auditferry keys new <file>",
			wrong("SIGNING_KEY_FILE", "is missing: manifests cannot be signed without a key"))
	}
	return nil
}
