//go:build linux

package lab

import (
	"crypto/sha1"
	"encoding/hex"
	"net/http"
	"path"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// certServer hands out certificates by their SHA-1, and writes down which were asked for, by whom.
type certServer struct {
	mu    sync.Mutex // guards asked
	certs map[string][]byte
	asked []string
}

// name is what strongSwan puts behind cert_uri_base.
func (id *identity) name() string {
	hash := sha1.Sum(id.cert.Raw)
	return hex.EncodeToString(hash[:])
}

func (s *certServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	host, _, _ := strings.Cut(r.RemoteAddr, ":")
	name := path.Base(r.URL.Path)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.asked = append(s.asked, host+" "+name)
	der, ok := s.certs[name]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/pkix-cert")
	_, _ = w.Write(der)
}

// got tells whether a host has asked for a certificate.
func (s *certServer) got(from string, id *identity) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Contains(s.asked, from+" "+id.name())
}

// TestHashAndURL has each end show its certificate, and the intermediate CA's, by Hash and URL, and the other get them from a web
// server. RFC 7296 §3.6
func TestHashAndURL(t *testing.T) {
	eachPair(t, pairs, "certificates", Topology{}, func(t *testing.T, n *Net) {
		root := issue(t, "ecdsa", "root", nil, nil)
		server := &certServer{certs: map[string][]byte{}}
		ends, subs := map[string]*identity{}, map[string]*identity{}
		for name, h := range n.hosts() {
			sub := issue(t, "ecdsa", "intermediate of "+name, root, authority) // which the other end does not know
			ends[name], subs[name] = issue(t, "ecdsa", name, sub, nil), sub
			for _, id := range []*identity{ends[name], sub} {
				server.certs[id.name()] = id.cert.Raw
			}
			h.certified(t, ends[name], root)
			h.knows(t, "x509", "intermediate.pem", sub)
			h.WriteConfig(t, "local.conf", "auth = pubkey\nid = "+name+"\ncerts = own.pem\n")
			h.WriteConfig(t, "remote.conf", "auth = pubkey\nid = "+other(name)+"\n")
			h.WriteConfig(t, "more.conf", "authorities {\n"+
				"root {\ncacert = root.pem\ncert_uri_base = http://"+pkiAddr+"/certs/\n}\n"+
				"intermediate {\nfile = "+h.SwanctlDir()+"/x509/intermediate.pem\ncert_uri_base = http://"+pkiAddr+"/certs/\n}\n}\n")
			h.AddSettings(t, "charon {\n\thash_and_url = yes\n}\n")
			h.Restart(t)
			if h.Daemon == StrongSwan {
				// It looks for the base of a certificate when it loads that, and has the authorities after them.
				h.mustSwanctl(t, "--load-creds", "--noprompt")
			}
		}
		n.serve(t, server)
		n.bothWays(t, `with ECDSA_WITH_SHA256_DER successful`)
		for from, to := range map[string]string{"192.0.2.2": "right.example", "198.51.100.2": "left.example"} {
			if !server.got(from, ends[to]) {
				t.Errorf("%s has not got the certificate of %s", from, to)
			}
			if !server.got(from, subs[to]) {
				t.Errorf("%s has not got the intermediate CA of %s", from, to)
			}
		}
		for _, h := range n.goswans() {
			if !regexp.MustCompile(`CERTREQ N\(HTTP_CERT_LOOK\)`).MatchString(h.Log(t)) {
				t.Errorf("%s does not say that it looks certificates up", h.Name)
			}
		}
	})
}
