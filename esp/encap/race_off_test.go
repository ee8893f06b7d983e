//go:build !race

package encap

// pools says that sync.Pool keeps what it is given. The race detector makes it lose some, so that what uses one allocates.
const pools = true
