package main

import (
	"context"
	"crypto/rand"
	"encoding/pem"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/cmd/goswan/pki"
	"github.com/goswan/goswan/config"
	"github.com/goswan/goswan/esp/encap"
	"github.com/goswan/goswan/ike/auth"
	"github.com/goswan/goswan/tun/tuntest"
	"github.com/goswan/goswan/vici"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"
)

const gatewayConf = `connections {
  gateway {
    local {
      certs = own.pem
      id = gw.example.org
    }
    remote { cacerts = ca.pem
    }
    children {
      net {
      }
    }
  }
}
secrets {
  ike-branch {
    secret = %
  }
}
`

// gatewayFiles are the files of a gateway that runs, and a CA that issues for it.
type gatewayFiles struct {
	*tree
	ca   *pki.Authority
	e    *goswan.Endpoint
	r    *reloader
	logs *observer.ObservedLogs
}

func newGatewayFiles(t *testing.T) *gatewayFiles {
	t.Helper()
	f := &gatewayFiles{tree: newTree(t)}
	dn, err := auth.ParseIdentity("asn1dn:C=CH, O=Example, CN=CA")
	f.must(err)
	f.ca, err = pki.Create(rand.Reader, time.Now(), pki.NewAuthority{Dir: filepath.Join(t.TempDir(), "pki"), Subject: dn, Key: "ed25519", Lifetime: pki.CALifetime})
	f.must(err)
	f.write("swanctl.conf", strings.Replace(gatewayConf, "%", "first", 1))
	f.writeCertificate("x509ca/ca.pem", f.ca.Certificate)
	f.renew("own", f.issue())
	f.run()
	return f
}

// issued is a certificate with its key's file.
type issued struct {
	cert *auth.Certificate
	key  string
}

// issue makes a new certificate for the gateway.
func (f *gatewayFiles) issue() issued {
	f.t.Helper()
	got, err := f.ca.Issue(time.Now(), pki.Request{Gateway: "gw.example.org", Key: "ed25519", Lifetime: time.Hour}, "own.pem")
	f.must(err)
	files, err := got.Write(f.t.TempDir(), "own", nil)
	f.must(err)
	text, err := os.ReadFile(files[0])
	f.must(err)
	return issued{got.Certificate, string(text)}
}

func (f *gatewayFiles) writeCertificate(name string, c *auth.Certificate) {
	f.t.Helper()
	f.write(name, string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.X509.Raw})))
}

func (f *gatewayFiles) renew(name string, i issued) {
	f.t.Helper()
	f.writeCertificate("x509/"+name+".pem", i.cert)
	f.write("private/"+name+".key", i.key)
}

// run makes an endpoint as `goswan run` does, but for what it is on.
func (f *gatewayFiles) run() {
	f.t.Helper()
	f.t.Setenv("STRONGSWAN_CONF", filepath.Join(f.dir, "none.conf"))
	f.write("none.conf", "")
	core, logs := observer.New(zap.InfoLevel)
	f.logs = logs
	o := &runOptions{dir: f.dir}
	files := newWatch(o.dir)
	_, catalog, warnings, err := o.load(zap.New(core))
	f.must(err)
	transport := encap.NewNetwork().Attach(encap.EndpointConfig{Addresses: []netip.Addr{netip.MustParseAddr("192.0.2.1")}})
	f.e, err = goswan.New(goswan.Config{Catalog: catalog, Device: tuntest.New(tuntest.Config{}), Transport: transport, Log: zap.New(core)})
	f.must(err)
	f.t.Cleanup(func() { _ = f.e.Close() })
	f.r = newReloader(o, f.e, files, warnings, zap.New(core))
}

// settle looks until what was written has been read, and returns what was logged.
func (f *gatewayFiles) settle() string {
	for range 3 {
		f.r.look()
	}
	var lines []string
	for _, entry := range f.logs.TakeAll() {
		line := entry.Message
		if err, ok := entry.ContextMap()["error"].(string); ok {
			line += ": " + err
		}
		lines = append(lines, line)
	}
	return strings.Join(lines, "\n")
}

// shows tells whether the gateway has that certificate, and no other, to prove itself with.
func (f *gatewayFiles) shows(i issued) bool {
	catalog := f.e.Catalog()
	named, own := catalog.Connection("gateway").Local[0].Certs, catalog.Proofs().Own
	return len(named) == 1 && named[0].Equal(i.cert) && len(own) == 1 && own[0].Certificate.Equal(i.cert)
}

func TestRenewedFiles(t *testing.T) {
	f := newGatewayFiles(t)
	if said := f.settle(); said != "" {
		t.Errorf("without a change it is said:\n%s", said)
	}
	renewed := f.issue()
	f.renew("own", renewed)
	if said := f.settle(); said != "certificates renewed\ncredentials reloaded" || !f.shows(renewed) {
		t.Errorf("after a renewal it is said\n%s\nand the gateway has %v", said, f.e.Catalog().Proofs().Own)
	}
	crl, err := f.ca.WriteCRL(time.Now(), time.Hour)
	f.must(err)
	text, err := os.ReadFile(crl)
	f.must(err)
	f.write("x509crl/ca.pem", string(text))
	if said := f.settle(); said != "credentials reloaded" || len(f.e.Catalog().Proofs().CRLs) != 1 {
		t.Errorf("with a CRL it is said\n%s\nand there are %d", said, len(f.e.Catalog().Proofs().CRLs))
	}
	f.write("swanctl.conf", strings.Replace(gatewayConf, "%", "second", 1))
	if f.settle(); string(f.e.Catalog().Secrets[0].Key) != "second" || len(f.e.Catalog().Secrets) != 1 {
		t.Error("a new secret is not taken")
	}
	if err := os.Remove(filepath.Join(f.dir, "x509crl/ca.pem")); err != nil {
		t.Fatal(err)
	}
	if f.settle(); len(f.e.Catalog().Proofs().CRLs) != 0 || !f.shows(renewed) {
		t.Error("a CRL whose file is gone stays, or more goes with it")
	}
}

// TestHalfOfACredential has a certificate come before its key, and the other way round.
func TestHalfOfACredential(t *testing.T) {
	f := newGatewayFiles(t)
	first := f.issue()
	f.renew("own", first)
	f.settle()
	for name, write := range map[string][2]func(issued){
		"the certificate first": {func(i issued) { f.writeCertificate("x509/own.pem", i.cert) }, func(i issued) { f.write("private/own.key", i.key) }},
		"the key first":         {func(i issued) { f.write("private/own.key", i.key) }, func(i issued) { f.writeCertificate("x509/own.pem", i.cert) }},
	} {
		next := f.issue()
		write[0](next)
		said := f.settle()
		if !strings.HasPrefix(said, `credentials not reloaded: the old ones stay: goswan: connection "gateway" has a certificate without its private key`) || strings.Contains(said, "\n") || !f.shows(first) {
			t.Errorf("%s: it is said\n%s", name, said)
		}
		write[0](next)
		if said := f.settle(); said != "" {
			t.Errorf("%s: the same is said again:\n%s", name, said)
		}
		write[1](next)
		if said := f.settle(); !strings.HasSuffix(said, "credentials reloaded") || !f.shows(next) {
			t.Errorf("%s, and then the other: it is said\n%s", name, said)
		}
		first = next
	}
	// A key for which a certificate is being asked for keeps nothing from being renewed.
	f.write("private/request.key", f.issue().key)
	renewed := f.issue()
	f.renew("own", renewed)
	if said := f.settle(); !strings.Contains(said, "credentials reloaded") || !f.shows(renewed) {
		t.Errorf("with a key that has no certificate yet it is said\n%s", said)
	}
}

// TestBrokenFiles has files that cannot be read: all stays as it was, and what is wrong is said once, with the file.
func TestBrokenFiles(t *testing.T) {
	f := newGatewayFiles(t)
	first := f.issue()
	f.renew("own", first)
	f.settle()
	at := func(name string) string { return filepath.Join(f.dir, name) }
	for _, c := range []struct{ file, text, want string }{
		{"x509/own.pem", "-----BEGIN CERTIFICATE-----\nMIIB", at("x509/own.pem") + ": it begins as PEM, but nothing in it can be decoded"},
		{"private/own.key", "", at("private/own.key") + ": it is empty"},
		{"x509ca/ca.pem", "nothing", at("x509ca/ca.pem") + ": a certificate cannot be read"},
		{"x509crl/ca.crl", "<html>", at("x509crl/ca.crl") + ": a CRL cannot be read"},
		{"x509ocsp/signer.pem", first.key, at("x509ocsp/signer.pem") + ": there is no certificate in it"},
		{"swanctl.conf", "connections {\n gateway {\n", at("swanctl.conf") + ":"},
		{"swanctl.conf", strings.Replace(gatewayConf, "own.pem", "other.pem", 1), at("swanctl.conf") + ":4: connections.gateway.local.certs: there is no file"},
	} {
		old, err := os.ReadFile(at(c.file))
		f.write(c.file, c.text)
		f.renew("next", f.issue()) // which has to wait
		said := f.settle()
		if !strings.HasPrefix(said, "credentials not reloaded: the old ones stay: ") || !strings.Contains(said, c.want) || !f.shows(first) {
			t.Errorf("%s: it is said\n%s\nwant %s", c.file, said, c.want)
		}
		f.write(c.file, c.text)
		if said := f.settle(); said != "" {
			t.Errorf("%s: the same is said again:\n%s", c.file, said)
		}
		for _, gone := range []string{"x509/next.pem", "private/next.key"} {
			f.must(os.Remove(at(gone)))
		}
		if err != nil {
			f.must(os.Remove(at(c.file)))
		} else {
			f.write(c.file, string(old))
		}
		if said := f.settle(); said != "credentials reloaded" || !f.shows(first) {
			t.Errorf("%s mended: it is said\n%s", c.file, said)
		}
	}
	// What was broken when it was loaded as a whole is known, and keeps nothing back.
	f.write("x509crl/ca.crl", "<html>")
	f.must(f.r.all())
	f.settle()
	renewed := f.issue()
	f.renew("own", renewed)
	if said := f.settle(); said != "certificates renewed\ncredentials reloaded" || !f.shows(renewed) {
		t.Errorf("with a file that was broken before it is said\n%s", said)
	}
}

// TestConnectionsWait has a connection changed in the file: it stays until SIGHUP, and so does its certificate's key.
func TestConnectionsWait(t *testing.T) {
	f := newGatewayFiles(t)
	before := f.e.Catalog().Connection("gateway")
	f.write("swanctl.conf", strings.Replace(gatewayConf, "local {", "mobike = no\nlocal {", 1)+"connections {\n other : connections.gateway {\n }\n}\n")
	if said := f.settle(); !strings.Contains(said, "connections have changed") || f.e.Catalog().Connection("gateway") != before || f.e.Catalog().Connection("other") != nil {
		t.Errorf("after a change of connections it is said\n%s", said)
	}
	f.must(f.r.all())
	if f.e.Catalog().Connection("gateway").Mobike || f.e.Catalog().Connection("other") == nil {
		t.Error("SIGHUP does not take the connections")
	}
	f.logs.TakeAll()
	if said := f.settle(); said != "" {
		t.Errorf("after SIGHUP the same files are read once more:\n%s", said)
	}
}

// TestVICIStays has certificates, a key and a secret come by vici: a change of files does not take them away.
func TestVICIStays(t *testing.T) {
	f := newGatewayFiles(t)
	client := f.control()
	do := func(command string, pairs ...string) {
		t.Helper()
		m := new(vici.Message)
		for i := 0; i < len(pairs); i += 2 {
			m.Add(pairs[i], pairs[i+1])
		}
		f.must(client.Do(t.Context(), command, m))
	}
	other := f.issue()
	do("load-cert", "type", "X509", "flag", "NONE", "data", string(other.cert.X509.Raw))
	do("load-key", "type", "any", "data", other.key)
	do("load-shared", "id", "ike-vici", "type", "IKE", "data", "by vici")
	do("load-shared", "id", "ike-branch", "type", "IKE", "data", "by vici, too")
	renewed := f.issue()
	f.renew("own", renewed)
	f.settle()
	catalog := f.e.Catalog()
	if got := len(catalog.Proofs().Own); got != 2 || len(catalog.Secrets) != 2 || string(catalog.Secrets[0].Key) != "by vici, too" {
		t.Errorf("after a change of files there are %d credentials and the secrets %d, want what came by vici and what is in the files", got, len(catalog.Secrets))
	}
	if named := catalog.Connection("gateway").Local[0].Certs[0]; !named.Equal(renewed.cert) {
		t.Errorf("the connection has %s, not what its file has now", named.Fingerprint())
	}
	do("clear-creds")
	f.renew("own", f.issue())
	if f.settle(); len(f.e.Catalog().Proofs().Own) != 1 || len(f.e.Catalog().Secrets) != 1 {
		t.Error("after clear-creds and a change of files there is not just what the files have")
	}
}

// TestEmptiedFile has swanctl.conf be cut to nothing, as whoever writes it may leave it for a while: that takes no secret away, before
// somebody says that it is meant.
func TestEmptiedFile(t *testing.T) {
	f := newGatewayFiles(t)
	f.write("swanctl.conf", "")
	if said := f.settle(); !strings.Contains(said, "swanctl.conf is empty, and was not before") || len(f.e.Catalog().Secrets) != 1 {
		t.Errorf("of a swanctl.conf without anything in it is said\n%s\nand %d secrets stay", said, len(f.e.Catalog().Secrets))
	}
	renewed := f.issue()
	f.renew("own", renewed)
	if said := f.settle(); said != "" || len(f.e.Catalog().Secrets) != 1 {
		t.Errorf("when something else changes it is said\n%s\nand %d secrets stay", said, len(f.e.Catalog().Secrets))
	}
	f.write("swanctl.conf", strings.Replace(gatewayConf, "%", "second", 1))
	if said := f.settle(); !strings.HasSuffix(said, "credentials reloaded") || string(f.e.Catalog().Secrets[0].Key) != "second" || !f.shows(renewed) {
		t.Errorf("when it is written it is said\n%s", said)
	}
	f.write("swanctl.conf", "")
	f.settle()
	f.must(f.r.all())
	f.logs.TakeAll()
	f.renew("own", f.issue())
	if said := f.settle(); said != "credentials reloaded" || len(f.e.Catalog().Secrets) != 0 {
		t.Errorf("when that is meant it is said\n%s\nand %d secrets stay", said, len(f.e.Catalog().Secrets))
	}
}

// TestNoFile has swanctl.conf not be there: when all is read anew, which takes nothing away, and from the beginning.
func TestNoFile(t *testing.T) {
	f := newGatewayFiles(t)
	f.must(os.Rename(filepath.Join(f.dir, "swanctl.conf"), filepath.Join(f.dir, "swanctl.old")))
	if err := f.r.all(); err == nil || !strings.Contains(err.Error(), "swanctl.conf") || f.e.Catalog().Connection("gateway") == nil {
		t.Errorf("a swanctl.conf that is gone gives %v, and %d connections stay", err, len(f.e.Catalog().Connections))
	}
	f.must(os.Rename(filepath.Join(f.dir, "swanctl.old"), filepath.Join(f.dir, "swanctl.conf")))
	f.must(f.r.all())

	f = &gatewayFiles{tree: newTree(t)}
	f.write("x509/readme", "no certificate")
	f.run()
	m := new(vici.Message).Add("id", "ike-vici").Add("type", "IKE").Add("data", "by vici")
	f.must(f.control().Do(t.Context(), "load-shared", m))
	f.logs.TakeAll()
	f.must(f.r.all())
	if said := f.settle(); said != "configuration reloaded: there is no swanctl.conf, and what came by vici stays" || len(f.e.Catalog().Secrets) != 1 {
		t.Errorf("where all comes by vici, a reload says\n%s\nand leaves %d secrets", said, len(f.e.Catalog().Secrets))
	}
	f.write("x509/readme", "no certificate either")
	if said := f.settle(); said != "" {
		t.Errorf("files that nothing reads without a swanctl.conf change, and it is said\n%s", said)
	}
}

// control opens a control socket and a client on it.
func (f *gatewayFiles) control() *vici.Client {
	f.t.Helper()
	uri := "unix://" + filepath.Join(f.t.TempDir(), "vici")
	server, err := f.e.ServeVICI(uri, config.Loader{Path: f.dir}, nil)
	f.must(err)
	ctx, cancel := context.WithTimeout(f.t.Context(), time.Minute)
	defer cancel()
	client, err := vici.Dial(ctx, uri)
	f.must(err)
	f.t.Cleanup(func() { _ = client.Close(); _ = server.Close() })
	return client
}
