package cloudsim

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	caFile    = "ca.pem"
	caKeyFile = "ca-key.pem"

	// caLifetime is long because a development directory is; leaves are made
	// anew at every start.
	caLifetime   = 10 * 365 * 24 * time.Hour
	leafLifetime = 365 * 24 * time.Hour
)

// authority is the simulator's own certificate authority with one server
// certificate for loopback.
type authority struct {
	file string
	cert *x509.Certificate
	leaf tls.Certificate
}

// loadAuthority reads the authority from dir or makes one there.
func loadAuthority(dir string) (*authority, error) {
	a := &authority{file: filepath.Join(dir, caFile)}
	key, err := loadKey(filepath.Join(dir, caKeyFile), newECKey)
	if err != nil {
		return nil, err
	}
	if a.cert, err = a.load(key); err != nil {
		return nil, fmt.Errorf("certificate authority: %w", err)
	}
	if a.leaf, err = a.issue(key); err != nil {
		return nil, fmt.Errorf("server certificate: %w", err)
	}
	return a, nil
}

func (a *authority) load(key crypto.Signer) (*x509.Certificate, error) {
	raw, err := os.ReadFile(a.file)
	if errors.Is(err, fs.ErrNotExist) {
		return a.create(key)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("%s holds no certificate; remove it", a.file)
	}
	return x509.ParseCertificate(block.Bytes)
}

func (a *authority) create(key crypto.Signer) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "Auditferry development CA"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(caLifetime),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		// A leaked development key must not vouch for anything but loopback.
		PermittedDNSDomainsCritical: true,
		PermittedDNSDomains:         []string{"localhost"},
		PermittedIPRanges:           []*net.IPNet{{IP: net.IPv4(127, 0, 0, 0).To4(), Mask: net.CIDRMask(8, 32)}},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := os.WriteFile(a.file, text, 0o644); err != nil { // #nosec G306 -- a certificate is public
		return nil, err
	}
	return x509.ParseCertificate(der)
}

func (a *authority) issue(caKey crypto.Signer) (tls.Certificate, error) {
	key, err := newECKey()
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: "Auditferry cloud simulator"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(leafLifetime),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		DNSNames:     []string{"localhost"},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, key.Public(), caKey)
	if err != nil {
		return tls.Certificate{}, err
	}
	return tls.Certificate{Certificate: [][]byte{der, a.cert.Raw}, PrivateKey: key}, nil
}

func (a *authority) pool() *x509.CertPool {
	pool := x509.NewCertPool()
	pool.AddCert(a.cert)
	return pool
}

func (a *authority) clientConfig() *tls.Config {
	return &tls.Config{RootCAs: a.pool(), MinVersion: tls.VersionTLS12}
}

func (a *authority) serverConfig() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{a.leaf}, MinVersion: tls.VersionTLS12}
}

func newECKey() (crypto.Signer, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// newRSAKey makes a key of the kind that Entra and Google sign with.
func newRSAKey() (crypto.Signer, error) { return rsa.GenerateKey(rand.Reader, 2048) }

// loadKey reads a PKCS #8 key from a file or makes one there.
func loadKey(file string, generate func() (crypto.Signer, error)) (crypto.Signer, error) {
	raw, err := os.ReadFile(file) // #nosec G304 -- a file of our own directory
	if errors.Is(err, fs.ErrNotExist) {
		return createKey(file, generate)
	}
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(raw)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key; remove it", file)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", file, err)
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fmt.Errorf("%s holds a key that cannot sign; remove it", file)
	}
	return signer, nil
}

func createKey(file string, generate func() (crypto.Signer, error)) (crypto.Signer, error) {
	key, err := generate()
	if err != nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	return key, os.WriteFile(file, text, 0o600)
}
