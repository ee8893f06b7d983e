package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/goswan/goswan/crypto/secret"
)

// leastPassphrase is how many characters a new passphrase has at least: what guards a key is guessed at leisure.
const leastPassphrase = 8

// maxPassphrase bounds a file with a passphrase, in octets.
const maxPassphrase = 4096

// unlock gives the passphrase of something that is encrypted: from a file, or from the terminal.
func unlock(c *cobra.Command, file, prompt string) func() (secret.Bytes, error) {
	return func() (secret.Bytes, error) {
		if file != "" {
			return passphraseOf(file)
		}
		return ask(c.Context(), c.ErrOrStderr(), prompt)
	}
}

// choose gives a new passphrase: from a file, or twice from the terminal.
func choose(c *cobra.Command, file, prompt string) (secret.Bytes, error) {
	if file != "" {
		phrase, err := passphraseOf(file)
		if err == nil && len(phrase) < leastPassphrase {
			err = fmt.Errorf("%s: a passphrase has at least %d characters", file, leastPassphrase)
		}
		return phrase, err
	}
	first, err := ask(c.Context(), c.ErrOrStderr(), prompt)
	if err != nil {
		return nil, err
	}
	if len(first) < leastPassphrase {
		return nil, fmt.Errorf("a passphrase has at least %d characters", leastPassphrase)
	}
	second, err := ask(c.Context(), c.ErrOrStderr(), "The same again")
	defer second.Wipe()
	if err == nil && !first.Equal(second) {
		err = errors.New("the two passphrases differ")
	}
	if err != nil {
		first.Wipe()
		return nil, err
	}
	return first, nil
}

// ask reads a passphrase from the terminal without showing it. Ctrl-C, which ends ctx, ends it.
func ask(ctx context.Context, w io.Writer, prompt string) (secret.Bytes, error) {
	fd := int(os.Stdin.Fd())
	before, err := term.GetState(fd)
	if err != nil {
		return nil, errors.New("a passphrase is needed, and there is no terminal to ask; the options …passphrase-file and --password-file in --help name a file with it")
	}
	fmt.Fprintf(w, "%s: ", prompt)
	defer fmt.Fprintln(w)
	type answer struct {
		phrase secret.Bytes
		err    error
	}
	answered := make(chan answer, 1)
	go func() {
		phrase, err := term.ReadPassword(fd)
		answered <- answer{phrase, err}
	}()
	select {
	case a := <-answered:
		return a.phrase, a.err
	case <-ctx.Done():
		return nil, errors.Join(errors.New("interrupted"), term.Restore(fd, before))
	}
}

// passphraseOf is the first line of a file.
func passphraseOf(file string) (secret.Bytes, error) {
	octets, err := readBounded(file, maxPassphrase)
	if err != nil {
		return nil, err
	}
	line, _, _ := bytes.Cut(octets, []byte("\n"))
	if line = bytes.TrimSuffix(line, []byte("\r")); len(line) == 0 {
		return nil, fmt.Errorf("%s: there is no passphrase in its first line", file)
	}
	return line, nil
}
