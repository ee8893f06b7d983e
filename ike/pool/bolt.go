package pool

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"runtime/debug"
	"slices"
	"time"

	"go.etcd.io/bbolt"
	bolterrors "go.etcd.io/bbolt/errors"

	"github.com/goswan/goswan/ike/auth"
)

// openTimeout is how long another process may hold the file.
const openTimeout = time.Second

// format is what a file of ours says in its bucket "goswan" under "format".
const format = "leases 1"

var (
	bucketAbout  = []byte("goswan")
	bucketLeases = []byte("leases")
	keyFormat    = []byte("format")
)

// Bolt is a Store in one file, by go.etcd.io/bbolt: a bucket for each pool, in it a record for each address.
type Bolt struct {
	path string
	db   *bbolt.DB
}

var _ Store = (*Bolt)(nil)

// stored is the value of a record; the key is the address.
type stored struct {
	Type uint8     `json:"type"` // of the identity
	Data []byte    `json:"id"`
	Seen time.Time `json:"seen"`
}

// OpenBolt opens, or makes, a file that only its owner can read. The error of a file that is damaged or somebody else's says
// what to do; such a file is left as it is.
func OpenBolt(path string) (*Bolt, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("pool: leases: %w", err)
	}
	b := &Bolt{path: path}
	err := guard(func() (err error) {
		b.db, err = bbolt.Open(path, 0o600, &bbolt.Options{Timeout: openTimeout, FreelistType: bbolt.FreelistMapType})
		if err == nil {
			err = b.check()
		}
		return err
	})
	if err == nil {
		return b, nil
	}
	if b.db != nil {
		err = errors.Join(err, b.db.Close())
	}
	return nil, b.explain(err)
}

// explain says what to do about a file that cannot be used.
func (b *Bolt) explain(err error) error {
	switch {
	case errors.Is(err, bolterrors.ErrTimeout):
		return fmt.Errorf("pool: leases: %s is in use by another process", b.path)
	case errors.Is(err, os.ErrPermission):
		return fmt.Errorf("pool: leases: %w", err)
	}
	return fmt.Errorf("pool: leases: %s is damaged or not goswan's: %w; move it away, and peers get addresses as if for the first time", b.path, err)
}

// check looks whether the whole file can be read and is ours. A new one becomes ours.
func (b *Bolt) check() error {
	isNew := false
	err := b.db.View(func(tx *bbolt.Tx) error {
		for err := range tx.Check() {
			return err
		}
		first, _ := tx.Cursor().First()
		if isNew = first == nil; isNew {
			return nil
		}
		about := tx.Bucket(bucketAbout)
		if about == nil {
			return fmt.Errorf("it has a bucket %q", first)
		}
		if got := about.Get(keyFormat); string(got) != format {
			return fmt.Errorf("its format is %q, not %q", got, format)
		}
		return nil
	})
	if err != nil || !isNew {
		return err
	}
	return b.db.Update(func(tx *bbolt.Tx) error {
		about, err := tx.CreateBucket(bucketAbout)
		if err != nil {
			return err
		}
		_, err = tx.CreateBucket(bucketLeases)
		return errors.Join(err, about.Put(keyFormat, []byte(format)))
	})
}

// guard runs what reads a file that may be damaged: bbolt panics at some kinds of damage, and memory that is mapped to a file
// which was cut faults.
func guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("%v", p)
		}
	}()
	return f()
}

// Load is Store's.
func (b *Bolt) Load() (all []Record, err error) {
	err = guard(func() error {
		return b.db.View(func(tx *bbolt.Tx) error {
			leases := tx.Bucket(bucketLeases)
			if leases == nil {
				return errors.New("it has no leases bucket")
			}
			return leases.ForEachBucket(func(name []byte) error {
				return leases.Bucket(name).ForEach(func(k, v []byte) error {
					r, err := parseRecord(string(name), k, v)
					all = append(all, r)
					return err
				})
			})
		})
	})
	if err != nil {
		return nil, b.explain(err)
	}
	return all, nil
}

func parseRecord(pool string, k, v []byte) (Record, error) {
	var s stored
	addr, ok := netip.AddrFromSlice(k)
	if err := json.Unmarshal(v, &s); err != nil || !ok {
		return Record{}, fmt.Errorf("the record %x of pool %s cannot be read", k, pool)
	}
	return Record{Pool: pool, Addr: addr, Peer: auth.Identity{Type: auth.IDType(s.Type), Data: string(s.Data)}, Seen: s.Seen}, nil
}

// Save is Store's.
func (b *Bolt) Save(all []Record) error {
	// A page that many keys go into is split when the transaction ends: in order they are put at its end, not into its middle.
	slices.SortFunc(all, func(a, b Record) int { return cmp.Or(cmp.Compare(a.Pool, b.Pool), a.Addr.Compare(b.Addr)) })
	err := guard(func() error {
		return b.db.Update(func(tx *bbolt.Tx) error {
			for _, r := range all {
				if err := put(tx.Bucket(bucketLeases), r); err != nil {
					return err
				}
			}
			return nil
		})
	})
	if err != nil {
		return fmt.Errorf("pool: leases: %s: %w", b.path, err)
	}
	return nil
}

func put(leases *bbolt.Bucket, r Record) error {
	pool, err := leases.CreateBucketIfNotExists([]byte(r.Pool))
	if err != nil {
		return err
	}
	value, err := json.Marshal(stored{Type: uint8(r.Peer.Type), Data: []byte(r.Peer.Data), Seen: r.Seen})
	if err != nil {
		return err
	}
	return pool.Put(r.Addr.AsSlice(), value)
}

// Close is Store's.
func (b *Bolt) Close() error { return b.db.Close() }
