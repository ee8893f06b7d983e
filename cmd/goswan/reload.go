package main

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/goswan/goswan"
	"github.com/goswan/goswan/config"
	"go.uber.org/zap"
)

// reloader reads the configuration again: all of it when it is told to, credentials when their files have changed.
type reloader struct {
	options *runOptions
	e       *goswan.Endpoint
	log     *zap.Logger

	mu    sync.Mutex // held while the files are being read; guards what follows
	files *watch
	known map[string]bool // the warnings of what was loaded
	told  string          // the mistake that was logged last
}

// newReloader goes on from what was loaded with those warnings.
func newReloader(o *runOptions, e *goswan.Endpoint, files *watch, warnings []config.Warning, log *zap.Logger) *reloader {
	r := &reloader{options: o, e: e, files: files, log: log}
	r.loaded(warnings)
	return r
}

// loaded remembers what is known of what runs.
func (r *reloader) loaded(warnings []config.Warning) {
	r.told, r.known = "", map[string]bool{}
	for _, w := range warnings {
		r.known[w.Error()] = true
	}
	clear(r.files.emptied)
	r.files.name(r.e.Catalog().Files)
}

// errNoFile says that there is no swanctl.conf, and never was: all comes by vici.
var errNoFile = errors.New("there is no swanctl.conf")

// all reads swanctl.conf again, and of strongswan.conf what can change while the daemon runs; a mistake changes nothing, and
// neither does a file that is gone.
func (r *reloader) all() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	charon, catalog, warnings, err := r.options.load(r.log)
	if err != nil {
		return err
	}
	file := filepath.Join(r.options.dir, "swanctl.conf")
	none := len(catalog.Files) == 0
	if none && len(r.e.Catalog().Files) > 0 {
		return fmt.Errorf("there is no %s any more", file)
	}
	r.e.LoadSettings(charon.Settings)
	r.e.LoadRADIUS(radiusOf(charon.RADIUS))
	if none {
		r.log.Info("configuration reloaded: there is no swanctl.conf, and what came by vici stays")
		return nil
	}
	r.e.Load(catalog)
	r.loaded(warnings)
	r.log.Info("configuration reloaded", zap.String("file", file), zap.Int("connections", len(catalog.Connections)))
	return nil
}

// look reloads credentials if their files have changed.
func (r *reloader) look() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if !r.files.look() {
		return
	}
	warnings, err := r.credentials()
	if errors.Is(err, errNoFile) {
		return
	}
	if err != nil {
		if r.told != err.Error() {
			r.log.Error("credentials not reloaded: the old ones stay", zap.Error(err))
		}
		r.told = err.Error()
		return
	}
	for _, w := range warnings {
		if !r.known[w.Error()] {
			r.log.Warn(w.Error())
		}
	}
	r.loaded(warnings)
	have := r.e.Catalog().Proofs()
	r.log.Info("credentials reloaded", zap.Int("certificates", len(have.Certificates)), zap.Int("authorities", len(have.Trust.Authorities)),
		zap.Int("crls", len(have.CRLs)), zap.Int("keys", len(have.Keys)))
}

// credentials reads everything and takes what proves something. A file that cannot be used, and was not known for that, keeps
// all as it was: it may be half written.
func (r *reloader) credentials() ([]config.Warning, error) {
	if empty := slices.Sorted(maps.Keys(r.files.emptied)); len(empty) > 0 {
		return nil, fmt.Errorf("%s is empty, and was not before; if that is meant, SIGHUP takes it", strings.Join(empty, ", "))
	}
	charon, _, err := config.LoadStrongswan("")
	if err != nil {
		return nil, err
	}
	defer charon.RADIUS.Wipe() // its servers wait for a reload of all
	catalog, warnings, err := config.Loader{Charon: charon}.Load(r.options.dir)
	if errors.Is(err, fs.ErrNotExist) && len(r.e.Catalog().Files) == 0 {
		return nil, errNoFile
	}
	if err != nil {
		return nil, err
	}
	var unread []error
	for _, w := range warnings {
		if w.Unread && !r.known[w.Error()] {
			unread = append(unread, w)
		}
	}
	if len(unread) > 0 {
		catalog.Wipe()
		return nil, errors.Join(unread...)
	}
	var waiting []string
	for _, conn := range catalog.Connections {
		if there := r.e.Catalog().Connection(conn.Name); !config.SameButCertificates(there, conn) {
			waiting = append(waiting, conn.Name)
		}
	}
	if len(waiting) > 0 {
		r.log.Info("connections have changed: SIGHUP or swanctl --load-conns takes them", zap.Strings("conns", waiting))
	}
	return warnings, r.e.LoadCredentials(catalog)
}
