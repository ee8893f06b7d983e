package main

import (
	"context"
	"errors"
	"regexp"

	"github.com/goswan/goswan/ike/core"
)

// inOptions are words of reasons about the settings and directories of a configuration, and what they are with options.
var inOptions = []struct {
	settings *regexp.Regexp
	options  string
}{
	{regexp.MustCompile("put that CA's certificate into x509ca"), "name that CA's certificate with --ca"},
	{regexp.MustCompile("put the root into x509ca"), "name it with --ca"},
	{regexp.MustCompile("put its newest certificate into x509ca"), "name that with --ca"},
	{regexp.MustCompile("put it into x509ca, or name it in certs of the section remote"), "name it with --ca if it is the gateway's own"},
	{regexp.MustCompile(`write id = (\S+) there if that is the peer`), "write --id $1 if that is the gateway"},
	{regexp.MustCompile("set `id` of `remote` \\(--id\\) to \"([^\"]*)\""), "write --id $1 if that is the gateway"},
	{regexp.MustCompile(`compare the identities \((--[a-z-]+)\)`), "compare the identities ($1, --id)"},
	{regexp.MustCompile("compare the name and the secret `eap…` of `secrets`, or the certificate, with what the peer has"), "check the name and the password, or the certificate"},
	{regexp.MustCompile("set `auth` to a method that both sides have"), "write a method that the gateway has with --eap"},
	{regexp.MustCompile("name the server's in `aaa_id`"), "name the server's with --aaa-id"},
	{regexp.MustCompile("`(esp_)?proposals` of (connection|child) \"[^\"]*\" \\((--ike|--esp)\\)"), "$3"},
	{regexp.MustCompile("; `goswan explain [^`]*` tells what the peer's would need"), ""},
	{regexp.MustCompile(", or remove `vips` from connection \"[^\"]*\""), ""},
	{regexp.MustCompile("`local_ts` and `remote_ts` of child [^;]* with"), "--route with"},
}

// told is a failure as somebody reads it who has given options and has no configuration.
func told(err error) error {
	reason, ok := errors.AsType[*core.Reason](err)
	if !ok {
		if errors.Is(err, context.Canceled) {
			return errors.New("interrupted before the tunnel was up")
		}
		return err
	}
	mine := *reason
	for _, words := range inOptions {
		mine.Text, mine.Fix = words.settings.ReplaceAllString(mine.Text, words.options), words.settings.ReplaceAllString(mine.Fix, words.options)
	}
	return &mine
}
