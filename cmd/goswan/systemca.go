package main

import (
	"encoding/pem"
	"fmt"
	"strings"

	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/ike/auth"
)

// bundles are the files in which systems keep the CAs that they trust, as Go's crypto/x509 looks for them.
var bundles = []string{
	"/etc/ssl/certs/ca-certificates.crt",                // Debian, Ubuntu, Gentoo, Arch
	"/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem", // Fedora, RHEL
	"/etc/pki/tls/certs/ca-bundle.crt",                  // older ones
	"/etc/ssl/ca-bundle.pem",                            // openSUSE
	"/etc/pki/tls/cacert.pem",                           // OpenELEC
	"/etc/ssl/cert.pem",                                 // Alpine, macOS, OpenBSD
	"/usr/local/share/certs/ca-root-nss.crt",            // FreeBSD
}

// systemCAs are the CAs that the system trusts, from the first bundle that is there, or from that in SSL_CERT_FILE. What in it
// cannot be used is left out.
func systemCAs(env func(string) string, read func(string) ([]byte, error)) (all []*auth.Certificate, err error) {
	files := bundles
	if file := env("SSL_CERT_FILE"); file != "" {
		files = []string{file}
	}
	for _, file := range files {
		octets, err := read(file)
		if err != nil {
			continue
		}
		for block, rest := pem.Decode(octets); block != nil; block, rest = pem.Decode(rest) {
			if block.Type != "CERTIFICATE" {
				continue
			}
			if one, err := creds.ParseCertificates(file, block.Bytes); err == nil {
				all = append(all, one...)
			}
		}
		if len(all) > 0 {
			return all, nil
		}
	}
	return nil, fmt.Errorf("the CAs that this system trusts are in none of the files %s: name the CA of the gateway with --ca FILE", strings.Join(files, ", "))
}
