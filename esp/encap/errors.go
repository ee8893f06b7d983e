package encap

import "errors"

// ErrTooBig says that a datagram does not fit the path and was not sent, because the host may not fragment it.
var ErrTooBig = errors.New("encap: the datagram is larger than the path's MTU")

// ErrFragmented says that a train was sent, but in fragments or one by one, because its datagrams may be larger than the path's MTU.
var ErrFragmented = errors.New("encap: the datagrams may have become larger than the path's MTU")

// ErrNoAddress says that the local address is not, or no longer, one of the host's.
var ErrNoAddress = errors.New("encap: the local address is not one of this host")
