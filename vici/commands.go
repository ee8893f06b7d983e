package vici

import (
	"context"
	"fmt"
	"strconv"
	"strings"
)

// commands are the commands of a client. What each wants and answers is in the protocol's section "Client-initiated
// commands".
var commands = map[string]func(*call) *Message{
	"version":         version,
	"stats":           stats,
	"reload-settings": func(c *call) *Message { return outcome(c.daemon.ReloadSettings()) },
	"get-algorithms":  getAlgorithms,
	"get-counters":    getCounters,
	"reset-counters":  resetCounters,

	"initiate":  initiate,
	"terminate": terminate,
	"rekey":     rekey,
	"redirect":  unsupported("redirecting is"),
	"install":   install,
	"uninstall": uninstall,

	"list-sas":      listSAs,
	"list-policies": listPolicies,
	"list-conns":    listConns,
	"get-conns":     getConns,
	"load-conn":     loadConn,
	"unload-conn":   unloadConn,

	"load-shared":   loadShared,
	"unload-shared": unloadShared,
	"get-shared":    getShared,
	"clear-creds":   func(c *call) *Message { return outcome(c.daemon.ClearCredentials()) },

	"load-pool":   loadPool,
	"unload-pool": unloadPool,
	"get-pools":   getPools,

	"list-certs":       listCerts,
	"load-cert":        loadCert,
	"flush-certs":      flushCerts,
	"load-key":         loadKey,
	"unload-key":       unloadKey,
	"get-keys":         getKeys,
	"load-token":       unsupported("tokens are"),
	"list-authorities": listAuthorities,
	"get-authorities":  getAuthorities,
	"load-authority":   loadAuthority,
	"unload-authority": unloadAuthority,
}

// call is one command of a client.
type call struct {
	*Server
	client  *client
	ctx     context.Context // ends when the client leaves and when the server shuts down
	name    string
	request *Message
}

// success is the answer of a command that did what it was asked.
func success() *Message { return (&Message{}).Add("success", "yes") }

// failure is the answer of a command that did not.
func failure(format string, args ...any) *Message {
	return (&Message{}).Add("success", "no").Add("errmsg", printable(fmt.Sprintf(format, args...)))
}

// printable makes one line of printable ASCII of a text: libvici takes a value with any other octet for binary, and
// swanctl then prints nothing where the text should be.
func printable(text string) string {
	text = strings.ReplaceAll(strings.TrimSpace(text), "\n", "; ")
	return strings.Map(func(r rune) rune {
		switch {
		case r >= ' ' && r <= '~':
			return r
		case r == '\t':
			return ' '
		}
		return '?'
	}, text)
}

// outcome is success or the failure of an error.
func outcome(err error) *Message {
	if err != nil {
		return failure("%v", err)
	}
	return success()
}

// stream sends an event of the command to its client; false is that the client is gone. As in strongSwan the client has
// to be registered for the event.
func (c *call) stream(name string, m *Message) bool {
	if !c.client.registered(name) {
		return c.ctx.Err() == nil
	}
	b := c.encodeEvent(name, m)
	return b == nil || c.client.out.push(b) == nil
}

// number is a number of the request; what is not a number is the fallback, as in strongSwan.
func (c *call) number(key string, fallback int64) int64 {
	n, err := strconv.ParseInt(c.request.Get(key), 0, 64)
	if err != nil {
		return fallback
	}
	return n
}

// yes is a boolean of the request; what is not one is false, as in strongSwan.
func (c *call) yes(key string) bool {
	switch c.request.Get(key) {
	case "yes", "true", "enabled", "1":
		return true
	}
	return false
}

// unsupported answers a command that strongSwan has and that needs what this version does not do.
func unsupported(what string) func(*call) *Message {
	return func(*call) *Message { return failure("%s not supported in this version of goswan", what) }
}
