package main

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/goswan/goswan/cmd/goswan/pki"
	"github.com/goswan/goswan/cmd/goswan/profile"
	"github.com/goswan/goswan/config/creds"
	"github.com/goswan/goswan/crypto/secret"
)

// formats are the formats that are written.
var formats = map[string]func(*profile.Client) (file []byte, notes []string, err error){
	"mobileconfig": profile.Mobileconfig, "sswan": profile.SSwan, "powershell": profile.PowerShell,
}

// exportFlags are the options of goswan export.
type exportFlags struct {
	dir, format, out string
	force            bool
	o                profile.Options
	identity         identityFlags
}

func newExport() *cobra.Command {
	var f exportFlags
	c := &cobra.Command{
		Use:   "export CONNECTION --format (mobileconfig | sswan | powershell)",
		Short: "Write what a client needs: for iOS and macOS, Android, or Windows",
		Long: `Writes a client's side of a connection of this gateway, from its configuration and its certificates. It needs no daemon and
sends nothing.

  mobileconfig   a configuration profile of iOS, iPadOS and macOS: send it to the device, and install it in Settings
  sswan          a profile of strongSwan's app for Android
  powershell     a script that an administrator runs on Windows 10 or later

The strongest proposal that the gateway and the client have both is written. How a client authenticates is what the section
remote says: auth = pubkey is a certificate of its own, auth = eap-mschapv2 a password, auth = eap-tls a certificate. What a
platform demands and the gateway has not, is an error that says what to change. Export again after a change: the new profile
replaces the old one on the device.`,
		Example: `  goswan export roadwarriors --format mobileconfig --user alice --out alice.mobileconfig
  goswan export laptops --format powershell --server vpn.example.org --p12 alice.p12 --out alice.ps1
  goswan export laptops --format sswan --cert alice.pem --key alice.key --out alice.sswan`,
		Args: exactly(1, "the name of one connection"),
		RunE: func(c *cobra.Command, args []string) error { return f.export(c, args[0]) },
	}
	c.Flags().StringVar(&f.format, "format", "", "mobileconfig, sswan or powershell")
	c.Flags().StringVarP(&f.dir, "swanctl-dir", "c", swanctlDir(), "swanctl.conf or its directory (also SWANCTL_DIR)")
	c.Flags().StringVar(&f.o.Server, "server", "", "host name or address that clients connect to (default: local_addrs, or the gateway's id)")
	c.Flags().StringVar(&f.o.Name, "name", "", "what the user calls the connection (default: the server)")
	c.Flags().StringVar(&f.o.User, "user", "", "whom it is for: the user of EAP, or the client's id")
	c.Flags().StringVar(&f.o.Child, "child", "", "the child that clients use (default: the first)")
	c.Flags().BoolVar(&f.o.PSK, "with-psk", false, "write the pre-shared key into the file")
	c.Flags().StringVar(&f.out, "out", "", "file to write (default: the standard output)")
	c.Flags().BoolVar(&f.force, "force", false, "overwrite the file of --out")
	f.identity.add(c)
	return c
}

// identityFlags are where the client's key is.
type identityFlags struct {
	p12, phraseFile             string
	certificate, key, keyPhrase string
	legacy                      bool
}

func (f *identityFlags) add(c *cobra.Command) {
	c.Flags().StringVar(&f.p12, "p12", "", "PKCS#12 file with the client's key and certificate, which goes into the file as it is")
	c.Flags().StringVar(&f.certificate, "cert", "", "the client's certificate, instead of --p12")
	c.Flags().StringVar(&f.key, "key", "", "its private key")
	c.Flags().StringVar(&f.phraseFile, "p12-passphrase-file", "", "file with the passphrase of --p12, or for the key of --cert in the new file; else the terminal is asked")
	c.Flags().StringVar(&f.keyPhrase, "key-passphrase-file", "", "file with the passphrase of --key; else the terminal is asked")
	c.Flags().BoolVar(&f.legacy, "legacy", false, "encrypt the key of --cert as old Windows, macOS and Android read it (3DES)")
}

// read is the client's key; nil without one. With --p12 its passphrase is needed to see whose certificate is in it.
func (f *identityFlags) read(c *cobra.Command) (*profile.Identity, error) {
	switch {
	case (f.certificate == "") != (f.key == "") || f.p12 != "" && f.certificate != "":
		return nil, wrongUse(c, errors.New("the client's key is --p12 FILE, or --cert FILE with --key FILE"))
	case f.p12 != "":
		got, err := creds.ReadPKCS12(f.p12, unlock(c, f.phraseFile, "Passphrase of "+f.p12))
		if err != nil {
			return nil, err
		}
		octets, err := os.ReadFile(f.p12)
		return &profile.Identity{P12: octets, Certificate: got.Certificate}, err
	case f.certificate != "":
		return f.pack(c)
	}
	return nil, nil
}

// pack makes a PKCS#12 container of --cert and --key.
func (f *identityFlags) pack(c *cobra.Command) (*profile.Identity, error) {
	certificates, key, err := pki.ReadPair(f.certificate, f.key, unlock(c, f.keyPhrase, "Passphrase of "+f.key))
	if err != nil {
		return nil, err
	}
	phrase, err := choose(c, f.phraseFile, "Passphrase for the key in the profile")
	if err != nil {
		return nil, err
	}
	defer phrase.Wipe()
	der, err := pki.EncodeP12(rand.Reader, key, certificates[0], certificates[1:], phrase, f.legacy)
	return &profile.Identity{P12: der, Certificate: certificates[0]}, err
}

func (f *exportFlags) export(c *cobra.Command, name string) error {
	write := formats[f.format]
	if write == nil {
		return wrongUse(c, fmt.Errorf("--format %q: use mobileconfig, sswan or powershell", f.format))
	}
	catalog, _, err := loadCatalog(f.dir)
	if err != nil {
		return err
	}
	if f.out != "" && !f.force {
		if err := pki.Free(f.out); err != nil {
			return err
		}
	}
	if f.o.Identity, err = f.identity.read(c); err != nil {
		return err
	}
	f.o.Now = time.Now()
	client, notes, err := profile.New(catalog, name, f.o)
	if err != nil {
		return err
	}
	defer client.Secret.Wipe()
	file, more, err := write(client)
	if err != nil {
		return err
	}
	defer secret.Bytes(file).Wipe()
	for _, note := range append(notes, more...) {
		fmt.Fprintf(c.ErrOrStderr(), "note: %s\n", note)
	}
	return f.save(c, client, file)
}

// save writes the file. One with a secret in it is for its owner alone.
func (f *exportFlags) save(c *cobra.Command, client *profile.Client, file []byte) error {
	mode := os.FileMode(profile.ModePublic)
	if client.Identity != nil || client.Secret != nil {
		mode = profile.ModePrivate
		what := "the pre-shared key"
		if client.Identity != nil {
			what = "the client's private key, encrypted with its passphrase,"
		}
		fmt.Fprintf(c.ErrOrStderr(), "warning: %s is in the file: bring it to the client in a way that nobody else sees, and delete it\n", what)
	}
	if f.out == "" {
		_, err := c.OutOrStdout().Write(file)
		return err
	}
	if err := put(f.out, file, mode, f.force); err != nil {
		return err
	}
	fmt.Fprintf(c.OutOrStdout(), "wrote %s\n", f.out)
	return nil
}

// put writes a file, and over another one only by force.
func put(file string, octets []byte, mode os.FileMode, force bool) error {
	if force {
		if _, err := os.Lstat(file); err == nil {
			return pki.Replace(file, octets, mode)
		}
	}
	return pki.WriteNew(file, octets, mode)
}
