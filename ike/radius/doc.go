// Package radius carries EAP between a pass-through authenticator (eap.PassThrough) and RADIUS servers (RFC 2865,
// RFC 3579), and tells them of sessions (RFC 2866). It is a driver: it has sockets, timers and its own randomness. What
// it sends and reads is in request.go and response.go, which do neither.
//
//	eap.PassThrough ──Question──▶ Client.Ask ──Access-Request──▶ server
//	                ◀──Answer────            ◀─Challenge, Accept, Reject─
//
// Every request and every answer of an authentication has a Message-Authenticator, and it stands first in ours: without,
// whoever sits between can turn a Reject into an Accept (CVE-2024-3596). A server that sends none is not believed.
//
// Attributes are put together and taken apart by layeh.com/radius.
package radius
