// Package tunnel compares userspace tunnels on one machine: goswan as it is, wireguard-go, and strongSwan with kernel-libipsec. It
// needs Linux, root and iperf3. It judges nothing: what stands beside a figure is the goal, and the error tells only what could not be
// measured.
//
//	gs-PID-N-left                              gs-PID-N-right
//	10.1.0.1 ── endpoint ── 192.0.2.1 ═ veth ═ 192.0.2.2 ── endpoint ── 10.2.0.1
//	iperf3 -c, ping                                                    iperf3 -s
//
// A round runs every tunnel once, each between namespaces of its own, and every round starts with another one: what
// else the machine does in the meantime then falls on all of them. Ratios are formed within a round. Their median is
// what to trust, not a figure by itself.
//
// "goswan's data path, NULL cipher" is the ceiling: the program in static/ runs as both endpoints, with the device, the sockets and the
// engine that `goswan run` opens, fixed SAs instead of IKE, and a cipher that copies. No configuration and no peer can ask for
// that cipher. The same endpoints with AES-128-GCM (--only static-gcm) show what the daemon costs beside the path. In goswan's checkout
// that program and the wireguard-go of go.mod are built; elsewhere there is no ceiling, and wireguard-go is the one in PATH.
//
// Package inside measures in each round what needs no kernel: the cipher, the whole packet, and many SAs.
//
// The CPU time is that of the two endpoint processes alone, from /proc/PID/stat. It leaves out what the kernel does for
// iperf3, and so it is the figure that compares tunnels on a machine whose cores iperf3 shares.
package tunnel
