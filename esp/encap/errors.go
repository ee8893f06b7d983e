package encap

import "errors"

// ErrTooBig says that a datagram does not fit the path and was not sent, because the host may not fragment it.
var ErrTooBig = errors.New("encap: the datagram is larger than the path's MTU")

// ErrFragmented says that a train was sent, but in fragments, because its datagrams have become larger than the path's MTU.
var ErrFragmented = errors.New("encap: the datagrams are larger than the path's MTU and went out in fragments")

// ErrForgotten says that all was read that had come to the socket of a peer that was forgotten; see Direct.
var ErrForgotten = errors.New("encap: the peer of this socket was forgotten")

// ErrNoAddress says that the local address is not, or no longer, one of the host's.
var ErrNoAddress = errors.New("encap: the local address is not one of this host")
