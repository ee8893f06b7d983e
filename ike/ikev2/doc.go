// Package ikev2 is RFC 7296 as a pure state machine: it reads no clock, does no I/O and starts no goroutine.
//
// A Machine owns one IKE SA lineage: an IKE SA, its successors by rekeying, and all their Child SAs.
//
//	Initiator                                        Responder
//	IKE_SA_INIT      SA KE No N(NATD) …  ──────────▶                 init.go
//	                                     ◀──────────  SA KE No …
//	IKE_AUTH         IDi AUTH SA TSi TSr ──────────▶                 auth.go, child.go
//	                                     ◀──────────  IDr AUTH SA TSi TSr
//	CREATE_CHILD_SA  SA No [KE] TSi TSr  ◀─────────▶                 child.go, rekey_child.go, rekey_ike.go
//	INFORMATIONAL    [D] [N]             ◀─────────▶                 delete.go, liveness.go
//
// An exchange that we initiate is an object with a request and a response (exchange.go); what a peer initiates is found
// in a table by exchange and state, with the payloads it needs (responder.go). Message IDs, retransmission and cached
// responses are in window.go.
//
// # What a driver has to know
//
// Each failure is told once: as the Done of the commands that waited for it, or as Failed when none did; IKEDown and
// ChildDown carry the reason of an end. Closed repeats the reason of the lineage's end and is its last output.
//
// dpd_action, close_action and start_action are the driver's: it acts on the Reason of ChildDown and IKEDown. Timeout is
// dpd_action's case; Deleted (by the peer) is close_action's; Expired is a Child SA that no rekeying replaced in time.
// unique is the driver's too: it sees Established with InitialContact.
//
// The keys in InstallSA and IKEKeys belong to whoever takes the output, who wipes them.
//
// # Rekeying without loss
//
// The responder of a rekey installs the new inbound SA before its response, and goes on sending on the old outbound SA
// until the peer deletes the old Child SA: by then the peer has the keys. The initiator installs both directions on the
// response and then deletes the old Child SA. Either side keeps the old inbound SA for Settings.DeleteRekeyedDelay after
// the delete exchange, for packets under way.
//
// Transport mode is not spoken: USE_TRANSPORT_MODE is not repeated in the response, which makes the Child SA a tunnel
// (RFC 7296 §1.3.1).
package ikev2
