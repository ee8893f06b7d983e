package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/goswan/goswan/cmd/goswan/pki"
	"github.com/goswan/goswan/crypto/secret"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/ike/fetch"
)

func newPKI() *cobra.Command {
	c := &cobra.Command{
		Use:   "pki",
		Short: "Make a CA, issue and revoke certificates, look at them",
		Long: `A small certification authority for IPsec. What it issues has the names and usages that strongSwan, Windows, macOS and iOS
demand of a peer.

The CA lives in a directory, ./pki unless --dir names another: its certificate, its private key (mode 0600), and a list of
what it issued and revoked. Keep a copy of that directory, and keep it off the gateway.`,
		Example: `  goswan pki ca --name "Example CA"
  goswan pki issue --gateway vpn.example.org
  goswan pki issue --client alice@example.org --p12 alice.p12
  goswan pki verify --cert pki/issued/x509/vpn.example.org.pem --ca pki/ca.pem --id vpn.example.org
  goswan pki revoke alice@example.org`,
		Args: noArgs,
	}
	c.RunE = func(c *cobra.Command, _ []string) error {
		return wrongUse(c, errors.New("a command is missing: ca, issue, revoke, crl, list, show, verify or export"))
	}
	c.AddCommand(newPKICA(), newPKIIssue(), newPKIRevoke(), newPKICRL(), newPKIList(), newPKIShow(), newPKIVerify(), newPKIExport())
	return c
}

// caFlags are how a CA is found and its key unlocked.
type caFlags struct{ dir, phraseFile string }

func (f *caFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.dir, "dir", "pki", "directory of the CA")
	c.Flags().StringVar(&f.phraseFile, "ca-passphrase-file", "", "file with the passphrase of the CA's key; else the terminal is asked")
}

func (f *caFlags) open(c *cobra.Command) (*pki.Authority, error) {
	return pki.Open(rand.Reader, f.dir, unlock(c, f.phraseFile, "Passphrase of the CA's key in "+f.dir))
}

// newKeyFlags are how a new private key is made.
type newKeyFlags struct {
	kind, phraseFile string
	encrypt          bool
}

func (f *newKeyFlags) add(c *cobra.Command, kind string) {
	c.Flags().StringVar(&f.kind, "key", kind, "type of key: "+strings.Join(pki.KeyNames(), ", "))
	c.Flags().BoolVar(&f.encrypt, "encrypt", false, "encrypt the private key with a passphrase from the terminal")
	c.Flags().StringVar(&f.phraseFile, "passphrase-file", "", "encrypt the private key with the passphrase in this file")
}

// passphrase is that of the new key; empty without encryption.
func (f *newKeyFlags) passphrase(c *cobra.Command, what string) (secret.Bytes, error) {
	if f.phraseFile == "" && !f.encrypt {
		return nil, nil
	}
	return choose(c, f.phraseFile, "Passphrase for "+what)
}

func newPKICA() *cobra.Command {
	var n pki.NewAuthority
	var name, dn, parent, lifetime, parentPhrase string
	var key newKeyFlags
	c := &cobra.Command{
		Use:   "ca (--name NAME | --dn DN)",
		Short: "Make a CA: a root, or with --parent an intermediate CA",
		Long: `Makes a CA in a new directory, with an empty CRL. A root may have intermediate CAs below it, and those issue certificates only.

With --crl-url, peers fetch the CRL from there: publish crl.der of the directory at that address, and renew it with
"goswan pki crl" before its 30 days are over. Without it, copy crl.pem to the directory x509crl of each peer.`,
		Example: `  goswan pki ca --name "Example CA" --encrypt
  goswan pki ca --dn "C=CH, O=Example, CN=Example CA" --crl-url http://pki.example.org/ca.crl
  goswan pki ca --parent pki --dir pki-site --name "Example site CA"`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if n.Subject, err = subject(c, name, dn); err != nil {
				return err
			}
			fallback := pki.CALifetime
			if parent != "" {
				fallback = pki.SubLifetime
			}
			if n.Lifetime, err = lifespan(c, lifetime, fallback); err != nil {
				return err
			}
			if parent != "" {
				if n.Parent, err = (&caFlags{parent, parentPhrase}).open(c); err != nil {
					return err
				}
			}
			n.Key = key.kind
			if n.Passphrase, err = key.passphrase(c, "the CA's key"); err != nil {
				return err
			}
			defer n.Passphrase.Wipe()
			a, err := pki.Create(rand.Reader, time.Now(), n)
			if err != nil {
				return err
			}
			reportCA(c.OutOrStdout(), a, len(n.Passphrase) > 0)
			return nil
		},
	}
	c.Flags().StringVar(&n.Dir, "dir", "pki", "directory to make")
	c.Flags().StringVar(&name, "name", "", "its common name")
	c.Flags().StringVar(&dn, "dn", "", "its whole distinguished name, instead of --name")
	c.Flags().StringVar(&parent, "parent", "", "directory of the CA above it")
	c.Flags().StringVar(&parentPhrase, "ca-passphrase-file", "", "file with the passphrase of the key of --parent; else the terminal is asked")
	c.Flags().StringVar(&lifetime, "lifetime", "", "how long it lasts, as 3650d or 10y (default 10y, with --parent 5y)")
	c.Flags().StringVar(&n.CRLURL, "crl-url", "", "where peers find its CRL")
	c.Flags().StringVar(&n.OCSPURL, "ocsp-url", "", "where peers find its OCSP responder")
	key.add(c, "ecdsa384")
	return c
}

// subject is the distinguished name of --name or --dn.
func subject(c *cobra.Command, name, dn string) (auth.Identity, error) {
	switch {
	case (name == "") == (dn == ""):
		return auth.Identity{}, wrongUse(c, errors.New("name the CA: --name \"Example CA\", or --dn with a whole distinguished name"))
	case name != "":
		dn = "CN=" + pki.EscapeDN(name)
	}
	id, err := auth.ParseIdentity("asn1dn:" + dn)
	if err != nil {
		return id, wrongUse(c, err)
	}
	return id, nil
}

func reportCA(w io.Writer, a *pki.Authority, encrypted bool) {
	pki.ShowCertificate(w, time.Now(), a.Certificate)
	fmt.Fprintf(w, "\n%s is for everybody: peers have it in x509ca.\n", filepath.Join(a.Dir, "ca.pem"))
	fmt.Fprintf(w, "%s is for nobody: keep it off the gateway, and keep a copy.\n", filepath.Join(a.Dir, "ca.key"))
	if !encrypted {
		fmt.Fprintln(w, "It is not encrypted; --encrypt would have asked for a passphrase.")
	}
}

// lifespan reads a lifetime: a number with d, w, m (months) or y behind it.
func lifespan(c *cobra.Command, s string, fallback time.Duration) (time.Duration, error) {
	if s == "" {
		return fallback, nil
	}
	const day = 24 * time.Hour
	units := map[byte]time.Duration{'h': time.Hour, 'd': day, 'w': 7 * day, 'm': 30 * day, 'y': 365 * day}
	unit, known := units[s[len(s)-1]]
	n, err := strconv.Atoi(s[:len(s)-1])
	if !known || err != nil || n < 1 || time.Duration(n) > 100*365*day/unit {
		return 0, wrongUse(c, fmt.Errorf("%q is no lifetime: write 365d, 12m or 2y", s))
	}
	return time.Duration(n) * unit, nil
}

func newPKIIssue() *cobra.Command {
	var ca caFlags
	var key newKeyFlags
	var r pki.Request
	var lifetime, dn, out, p12, p12Phrase string
	var legacy bool
	c := &cobra.Command{
		Use:   "issue (--gateway NAME | --client NAME)",
		Short: "Issue a certificate for a gateway or a client",
		Long: `Issues a certificate. The name becomes a subjectAltName, which is what peers compare with the id: a host name or an
address of a gateway, an e-mail address or a host name of a client. More names are added with --san.

The files go into the directories x509, private and x509ca below --out, as swanctl has them. With --csr the private key stays
where the certificate request was made; names are taken from the command line, not from the request.`,
		Example: `  goswan pki issue --gateway vpn.example.org --san 192.0.2.1
  goswan pki issue --gateway vpn.example.org --out /etc/swanctl
  goswan pki issue --client alice@example.org --p12 alice.p12
  goswan pki issue --client laptop7.example.org --csr laptop7.csr`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if (r.Gateway == "") == (r.Client == "") {
				return wrongUse(c, errors.New("say whom it is for: --gateway NAME or --client NAME"))
			}
			if r.CSR != "" && (p12 != "" || key.encrypt || key.phraseFile != "") {
				return wrongUse(c, errors.New("with --csr there is no private key here: --p12, --encrypt and --passphrase-file make no sense"))
			}
			if r.Lifetime, err = lifespan(c, lifetime, pki.LeafLifetime); err != nil {
				return err
			}
			if dn != "" {
				if r.Subject, err = subject(c, "", dn); err != nil {
					return err
				}
			}
			r.Key = key.kind
			if out == "" {
				out = filepath.Join(ca.dir, "issued")
			}
			return issue(c, &ca, &key, r, out, container{p12, p12Phrase, legacy})
		},
	}
	ca.add(c)
	key.add(c, "ecdsa256")
	c.Flags().StringVar(&r.Gateway, "gateway", "", "host name or address of a gateway")
	c.Flags().StringVar(&r.Client, "client", "", "e-mail address, host name or other name of a client")
	c.Flags().StringArrayVar(&r.SANs, "san", nil, "a further name: host name, address or e-mail address, also as dns:…, ip:…, email:…; may be repeated")
	c.Flags().StringVar(&dn, "dn", "", "whole distinguished name (default: C and O of the CA, and the name as CN)")
	c.Flags().StringVar(&r.CSR, "csr", "", "file with a certificate request (PKCS#10) whose key is to be certified")
	c.Flags().StringVar(&lifetime, "lifetime", "", "how long it lasts, as 365d or 2y (default 1y)")
	c.Flags().StringVar(&out, "out", "", "directory to write into (default: issued in the directory of the CA)")
	c.Flags().StringVar(&p12, "p12", "", "also write a PKCS#12 file with key, certificate and CA, for phones and laptops")
	c.Flags().StringVar(&p12Phrase, "p12-passphrase-file", "", "file with the passphrase for --p12; else the terminal is asked")
	c.Flags().BoolVar(&legacy, "legacy", false, "encrypt --p12 as old Windows, macOS and Android read it (3DES)")
	return c
}

// container is how a PKCS#12 file is written.
type container struct {
	file, phraseFile string
	legacy           bool
}

func issue(c *cobra.Command, ca *caFlags, key *newKeyFlags, r pki.Request, out string, p12 container) error {
	passphrase, err := key.passphrase(c, "the private key of "+r.Name())
	if err != nil {
		return err
	}
	defer passphrase.Wipe()
	a, err := ca.open(c)
	if err != nil {
		return err
	}
	base := pki.FileName(r.Name())
	if err := pki.Free(filepath.Join(out, "x509", base+".pem"), filepath.Join(out, "private", base+".key"), p12.file); err != nil {
		return err
	}
	got, err := a.Issue(time.Now(), r, filepath.Join(out, "x509", base+".pem"))
	if err != nil {
		return err
	}
	files, err := got.Write(out, base, passphrase)
	if err != nil {
		return err
	}
	if p12.file != "" {
		phrase, err := choose(c, p12.phraseFile, "Passphrase for "+p12.file)
		if err != nil {
			return err
		}
		defer phrase.Wipe()
		if err := pki.WriteP12(rand.Reader, p12.file, got.Key, got.Certificate, got.Chain, phrase, p12.legacy); err != nil {
			return err
		}
		files = append(files, p12.file)
	}
	w := c.OutOrStdout()
	pki.ShowCertificate(w, time.Now(), got.Certificate)
	fmt.Fprintln(w)
	for _, note := range got.Notes {
		fmt.Fprintf(w, "note: %s\n", note)
	}
	for _, file := range files {
		fmt.Fprintf(w, "wrote %s\n", file)
	}
	return nil
}

func newPKIRevoke() *cobra.Command {
	var ca caFlags
	var why string
	var names []string
	for _, r := range pki.Reasons {
		names = append(names, r.Name)
	}
	c := &cobra.Command{
		Use:   "revoke (FILE | SERIAL | NAME)",
		Short: "Revoke a certificate and write a new CRL",
		Long: `Revokes a certificate of the CA, named by its file, its serial number or one of its names, and writes a new CRL. Peers learn of it
from that CRL only: publish crl.der, or copy crl.pem to the directory x509crl of each peer.`,
		Example: `  goswan pki revoke alice@example.org --reason keyCompromise
  goswan pki revoke pki/issued/x509/vpn.example.org.pem --reason superseded`,
		Args: exactly(1, "the file, serial number or name of one certificate"),
		RunE: func(c *cobra.Command, args []string) error {
			a, err := ca.open(c)
			if err != nil {
				return err
			}
			got, err := a.Revoke(time.Now(), args[0], why)
			if err != nil {
				return err
			}
			fmt.Fprintf(c.OutOrStdout(), "revoked %s, serial %s\nwrote %s: peers need it\n", got.Subject, got.Serial, filepath.Join(ca.dir, "crl.pem"))
			return nil
		},
	}
	ca.add(c)
	c.Flags().StringVar(&why, "reason", "unspecified", "why: "+strings.Join(names, ", "))
	return c
}

func newPKICRL() *cobra.Command {
	var ca caFlags
	var lifetime string
	c := &cobra.Command{
		Use:     "crl",
		Short:   "Write a new CRL before the old one is out of date",
		Example: "  goswan pki crl --lifetime 30d",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			d, err := lifespan(c, lifetime, pki.CRLLifetime)
			if err != nil {
				return err
			}
			a, err := ca.open(c)
			if err != nil {
				return err
			}
			file, err := a.WriteCRL(time.Now(), d)
			if err != nil {
				return err
			}
			return pki.Show(c.OutOrStdout(), time.Now(), file, nil)
		},
	}
	ca.add(c)
	c.Flags().StringVar(&lifetime, "lifetime", "", "how long it holds (default 30d)")
	return c
}

func newPKIList() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:     "list",
		Short:   "List what a CA has issued",
		Example: "  goswan pki list",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			issued, err := pki.List(dir)
			if err != nil {
				return err
			}
			pki.ShowList(c.OutOrStdout(), time.Now(), issued)
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", "pki", "directory of the CA")
	return c
}

func newPKIShow() *cobra.Command {
	var phraseFile string
	c := &cobra.Command{
		Use:     "show FILE…",
		Short:   "Show what is in certificates, keys, CRLs, certificate requests and PKCS#12 files",
		Example: "  goswan pki show /etc/swanctl/x509/*.pem",
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return wrongUse(c, errors.New("show: expected files"))
			}
			for i, file := range args {
				if i > 0 {
					fmt.Fprintln(c.OutOrStdout())
				}
				if err := pki.Show(c.OutOrStdout(), time.Now(), file, unlock(c, phraseFile, "Passphrase of "+file)); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().StringVar(&phraseFile, "passphrase-file", "", "file with the passphrase of what is encrypted; else the terminal is asked")
	return c
}

func newPKIVerify() *cobra.Command {
	var check pki.Check
	var at, revocation string
	var online bool
	c := &cobra.Command{
		Use:   "verify --cert FILE --ca FILE",
		Short: "Say whether a peer would accept a certificate, as whom, and why not",
		Long: `Judges a certificate as goswan judges its peers: chain, dates, keys, key usages, names, revocation. Without --id it says which
ids the certificate proves. Nothing is fetched unless --online is given.

Exit status: 0 a peer accepts it, 1 it does not.`,
		Example: `  goswan pki verify --cert vpn.pem --ca ca.pem --id vpn.example.org
  goswan pki verify --cert vpn.pem --ca ca.pem --crl crl.pem --revocation strict
  goswan pki verify --cert vpn.pem --ca ca.pem --at 2027-01-31`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) (err error) {
			if check.Certificate == "" || len(check.CAs) == 0 {
				return wrongUse(c, errors.New("verify: --cert and --ca are needed"))
			}
			now := time.Now()
			if at != "" {
				if now, err = moment(at); err != nil {
					return wrongUse(c, err)
				}
			}
			if check.Revocation, err = auth.ParseRevocation(revocation); err != nil {
				return wrongUse(c, fmt.Errorf("--revocation %s: use strict, ifuri or relaxed", revocation))
			}
			if online {
				check.Fetch = &fetch.Client{}
			}
			if err := pki.Verify(c.Context(), c.OutOrStdout(), rand.Reader, now, check); err != nil {
				return fmt.Errorf("a peer refuses it: %w", err)
			}
			return nil
		},
	}
	c.Flags().StringVar(&check.Certificate, "cert", "", "the certificate; more in the same file are intermediate CAs")
	c.Flags().StringArrayVar(&check.CAs, "ca", nil, "certificate of a CA that is trusted; may be repeated")
	c.Flags().StringArrayVar(&check.Untrusted, "intermediate", nil, "certificate of an intermediate CA that the peer sends; may be repeated")
	c.Flags().StringArrayVar(&check.CRLs, "crl", nil, "a CRL; may be repeated")
	c.Flags().StringVar(&check.ID, "id", "", "the id that the peer has to prove")
	c.Flags().StringVar(&at, "at", "", "judge as of this day or time: 2027-01-31 or 2027-01-31T12:00:00Z (default now)")
	c.Flags().StringVar(&revocation, "revocation", "relaxed", "strict: somebody has to say that it is not revoked; ifuri: where it names whom to ask; relaxed: only nobody may say that it is")
	c.Flags().BoolVar(&online, "online", false, "fetch CRLs and ask OCSP responders that the certificates name")
	return c
}

// moment reads a day or a time.
func moment(s string) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateTime, time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, nil
		}
	}
	return time.Time{}, fmt.Errorf("--at %q is no time: write 2027-01-31 or 2027-01-31T12:00:00Z", s)
}

func newPKIExport() *cobra.Command {
	var certificate, key, keyPhrase, out, phraseFile string
	var cas []string
	var legacy bool
	c := &cobra.Command{
		Use:     "export --cert FILE --key FILE --out FILE.p12",
		Short:   "Pack a certificate, its private key and CAs into a PKCS#12 file",
		Example: "  goswan pki export --cert alice.pem --key alice.key --ca ca.pem --out alice.p12",
		Args:    noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if certificate == "" || key == "" || out == "" {
				return wrongUse(c, errors.New("export: --cert, --key and --out are needed"))
			}
			err := pki.Export(rand.Reader, out, certificate, key, cas, unlock(c, keyPhrase, "Passphrase of "+key),
				func() (secret.Bytes, error) { return choose(c, phraseFile, "Passphrase for "+out) }, legacy)
			if err == nil {
				fmt.Fprintf(c.OutOrStdout(), "wrote %s\n", out)
			}
			return err
		},
	}
	c.Flags().StringVar(&certificate, "cert", "", "the certificate")
	c.Flags().StringVar(&key, "key", "", "its private key")
	c.Flags().StringArrayVar(&cas, "ca", nil, "certificate of a CA to put in; may be repeated")
	c.Flags().StringVar(&out, "out", "", "file to write")
	c.Flags().StringVar(&keyPhrase, "key-passphrase-file", "", "file with the passphrase of --key; else the terminal is asked")
	c.Flags().StringVar(&phraseFile, "passphrase-file", "", "file with the passphrase for the new file; else the terminal is asked")
	c.Flags().BoolVar(&legacy, "legacy", false, "encrypt as old Windows, macOS and Android read it (3DES)")
	return c
}
