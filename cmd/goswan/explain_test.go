package main

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goswan/goswan/config"
)

// explainConfig is goodConfig with proposals that differ.
var explainConfig = strings.NewReplacer(
	"proposals = default", "proposals = aes256gcm16-prfsha384-x25519, aes256-sha1-modp2048",
	"remote_ts", "esp_proposals = aes256gcm16-x25519\n        remote_ts",
).Replace(goodConfig)

func TestExplain(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, explainConfig)
	for _, c := range []struct {
		args   []string
		status int
		want   []string // in the output, in this order; of a failure in the errors
	}{
		{[]string{"x"}, exitDone, []string{
			"connection \"x\" accepts, first choice first: `proposals` of connection \"x\" (", "swanctl.conf:4)\n",
			"\naes256gcm16-prfsha384-x25519: 128 bits, those of CURVE_25519\n",
			"\n  KE    CURVE_25519        x25519       128 bits\n",
			"\naes256-sha1-modp2048: 80 bits, those of PRF_HMAC_SHA1\n", "HMAC_SHA1_96", "96 bits", "legacy: RFC 8247 §2.3",
			"\n\nauthentication\n  local-1   psk  id a\n  remote-1  psk  id b\n",
		}},
		{[]string{"x", "aes256-sha256-modpnull"}, exitDone, []string{
			"connection \"x\" refuses this: no proposal chosen\n\nOf 1 proposal offered and 2 proposals accepted, these are the nearest:\n",
			"       offered              accepted                common\n",
			"ENCR   AES_CBC_256          AES_CBC_256             AES_CBC_256\n",
			"INTEG  HMAC_SHA2_256_128    HMAC_SHA1_96 (legacy)   - no transform in common\n",
			"KE     MODP_NULL (refused)  MODP_2048               - no transform in common\n",
			"\nWhere they part\n", "  MODP_NULL is refused: ", "\nWhat to change\n  here   nothing: goswan cannot accept what is offered\n",
			"  there  let the peer offer `aes256-sha1-modp2048`\n",
		}},
		{[]string{"x", "IKE:AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048"}, exitDone, []string{
			"connection \"x\" accepts this: IKE:AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_2048: 80 bits, those of PRF_HMAC_SHA1\n",
			"warning: HMAC_SHA1_96 is weak by today's measure: ", "these agree:\n",
		}},
		// As a shell splits a line that is not quoted.
		{strings.Fields("x received proposals: IKE:AES_CBC_256/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_4096, IKE:AES_CBC_128/HMAC_SHA1_96/PRF_HMAC_SHA1/MODP_4096"), exitDone, []string{
			"Of 2 proposals offered", "  here   add `aes256-sha1-modp4096` to `proposals` of connection \"x\" (", "swanctl.conf:4)\n         but HMAC_SHA1_96 is weak",
		}},
		{[]string{"x", "net"}, exitDone, []string{"child \"net\" of connection \"x\" accepts, first choice first: `esp_proposals` of child \"net\" (", "swanctl.conf:15)\n\naes256gcm16-x25519: "}},
		{[]string{"x", "net", "aes128gcm16-x25519"}, exitDone, []string{"child \"net\" of connection \"x\" refuses this", "- another key length\n", "AES_GCM_16_128 is not configured, only a key of 256 bits is\n",
			"here   add `aes128gcm16-x25519` to `esp_proposals` of child \"net\" ("}},
		{[]string{"x", "ESP:AES_GCM_16_256/NO_EXT_SEQ"}, exitDone, []string{"child \"net\" of connection \"x\" accepts this in IKE_AUTH", "Rekeying", "- required here and not offered\n", "but it gives up perfect forward secrecy"}},
		{[]string{"--child", "net", "x", "aes256gcm16-x25519"}, exitDone, []string{"child \"net\" of connection \"x\" accepts this: ESP:AES_GCM_16_256/CURVE_25519/NO_EXT_SEQ"}},
		{[]string{}, exitUsage, []string{"explain: expected the name of a connection", "Usage:"}},
		{[]string{"y"}, exitFailed, []string{`there is no connection "y"; there is x`}},
		{[]string{"x", "nett"}, exitFailed, []string{`"nett" is no keyword; and connection "x" has no child "nett"; did you mean "net"?`}},
		{[]string{"x", "nett", "aes128gcm16"}, exitFailed, []string{`connection "x" has no child "nett"; did you mean "net"?`}},
		{[]string{"x", "aes256-shaa1"}, exitFailed, []string{`"shaa1" is no keyword; try "sha1"`}},
	} {
		status, stdout, stderr := goswanRun(t, append([]string{"explain", "-c", dir}, c.args...)...)
		rest := stdout
		if c.status != exitDone {
			rest = stderr
		}
		if status != c.status {
			t.Errorf("explain %q exits with %d, want %d:\n%s%s", c.args, status, c.status, stdout, stderr)
		}
		for _, want := range c.want {
			_, behind, ok := strings.Cut(rest, want)
			if !ok {
				t.Errorf("explain %q does not say %q in its place:\n%s%s", c.args, want, stdout, stderr)
				break
			}
			rest = behind
		}
	}
}

// TestRoundsAreTold has what check and explain say of EAP and of several rounds.
func TestRoundsAreTold(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, `connections {
  vpn {
    local {
      auth = pubkey
      id = vpn.example.org
    }
    remote-1 {
      auth = rsa-3072-sha384
    }
    remote-2 {
      round = 2
      auth = eap-tls:ecdsa-256-sha256
      id = *@example.org
      eap_id = %any
    }
  }
  laptop {
    local {
      auth = eap-ttls
      id = carol@example.org
      eap_id = carol
      aaa_id = aaa.example.org
    }
    remote {
      auth = any
      groups = staff, guests
    }
  }
}
`)
	conf := filepath.Join(dir, "swanctl.conf")
	vpn := "  local-1   pubkey                    id vpn.example.org, at " + conf + ":3\n" +
		"  remote-1  rsa-3072-sha384           id %any, at " + conf + ":7\n" +
		"  remote-2  eap-tls:ecdsa-256-sha256  id *@example.org, eap_id %any, at " + conf + ":10\n"
	const laptop = "  local-1   eap-ttls  id carol@example.org, eap_id carol, aaa_id aaa.example.org\n" +
		"  remote-1  any       id %any, groups staff guests\n"
	status, stdout, stderr := goswanRun(t, "check", "--swanctl-dir", dir)
	want := "connection \"vpn\" authenticates by\n" + vpn + "connection \"laptop\" authenticates by\n" + laptop + "ok: 2 connections"
	if status != exitDone || !strings.Contains(stdout, want) {
		t.Errorf("check exits with %d and says\n%s%swant\n%s", status, stdout, stderr, want)
	}
	if status, stdout, stderr = goswanRun(t, "explain", "-c", dir, "vpn"); status != exitDone || !strings.HasSuffix(stdout, "\nauthentication\n"+vpn) {
		t.Errorf("explain exits with %d and says\n%s%swant at its end\n%s", status, stdout, stderr, vpn)
	}
}

func TestExplainAsJSON(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, explainConfig)
	status, stdout, stderr := goswanRun(t, "explain", "--json", "-c", dir+"/swanctl.conf", "x", "aes256gcm16-prfsha384-ecp384")
	var x config.Explanation
	if err := json.Unmarshal([]byte(stdout), &x); status != exitDone || err != nil {
		t.Fatalf("it exits with %d and %v: %s%s", status, err, stdout, stderr)
	}
	if x.Outcome != config.Refused || x.Add != "aes256gcm16-prfsha384-ecp384" || x.Ask != "aes256gcm16-prfsha384-x25519" || len(x.Accepted) != 2 || len(x.Types) != 3 {
		t.Errorf("the explanation is %+v", x)
	}
}

func TestExplainOfABadConfiguration(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, strings.Replace(goodConfig, "default", "aes256gcm16-prfsha384-x25519-ke1_mlkem768", 1))
	status, _, stderr := goswanRun(t, "explain", "-c", dir, "x")
	if want := "swanctl.conf:4: connections.x.proposals: IKE proposal \"aes256gcm16-prfsha384-x25519-ke1_mlkem768\": requires the additional key exchange ke1_mlkem768 (RFC 9370), which this version understands and cannot do yet"; status != exitFailed || !strings.Contains(stderr, want) {
		t.Errorf("it exits with %d and says %q, want %q", status, stderr, want)
	}
}
