// Package eap is the Extensible Authentication Protocol (RFC 3748) as pure machines: a Peer, a Server, and a PassThrough
// that leaves the deciding to an authentication server behind it (RFC 3579).
//
//	0                   1                   2                   3
//	0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Code      |  Identifier   |            Length             |
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|     Type      |  Type-Data ...
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//
// A machine is fed one packet at a time and answers with a Step: a packet to send, a Result, or a Question for the
// backend. It has no timer: IKE carries EAP in requests and responses of its own, which are retransmitted (RFC 7296 §2.1).
//
//	Server            Peer
//	  Start ──Request/Identity──▶ Receive
//	Receive ◀─Response/Identity── Step.Send
//	Step.Send ──Request/method──▶ Receive
//	Receive ◀─Response/method──── Step.Send      … until
//	Step.Done, Step.Send ──Success or Failure──▶ Receive, Step.Done
//
// The methods, each for both sides: MD5-Challenge (RFC 3748 §5.4), Generic Token Card (§5.6), MSCHAPv2
// (draft-kamath-pppext-eap-mschapv2 over RFC 2759), TLS (RFC 5216, RFC 9190), TTLSv0 (RFC 5281, RFC 9427) and PEAPv0
// (MS-PEAP, RFC 9427).
//
// Nothing here reads a clock or a socket. Random octets come from the reader in the configuration, with one exception:
// what crypto/tls makes its keys of. Since Go 1.26 that is the system's own source, so a recorded conversation of a
// TLS method is not made again octet by octet from the same inputs; all other methods are.
//
// The owner calls Wipe when it gives a machine up. It clears the secrets and ends the goroutine that a conversation of
// a TLS method has (package tlsflow).
package eap
