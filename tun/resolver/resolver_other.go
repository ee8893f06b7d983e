//go:build !linux

package resolver

// Open returns ErrUnsupported.
func Open(Config) (*Resolver, error) { return nil, ErrUnsupported }

func (c Config) choose() (backend, error) { return nil, ErrUnsupported }
