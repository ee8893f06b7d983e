// Command tunnel compares userspace tunnels on one machine: goswan as it is shipped, wireguard-go of the version that
// go.mod names, and strongSwan with kernel-libipsec. It needs Linux, root, iperf3, and the go command; `make bench-tunnel`
// runs it, and --help tells how to run a part. It measures and judges nothing: what it prints beside a figure is the goal, and the exit status tells only
// whether everything could be measured.
//
//	gs-PID-N-left                              gs-PID-N-right
//	10.1.0.1 ── endpoint ── 192.0.2.1 ═ veth ═ 192.0.2.2 ── endpoint ── 10.2.0.1
//	iperf3 -c, ping                                                    iperf3 -s
//
// A round runs every tunnel once, each between namespaces of its own, and every round starts with another one: what
// else the machine does in the meantime then falls on all of them. Ratios are formed within a round. Their median is
// what to trust, not a figure by itself.
//
// "goswan's data path, NULL cipher" is the ceiling: this program itself runs as both endpoints, with the device, the sockets and the
// engine that `goswan run` opens, fixed SAs instead of IKE, and a cipher that copies. No configuration and no peer can ask for
// that cipher. The same endpoints with AES-128-GCM (--only static-gcm) show what the daemon costs beside the path.
//
// Package inside measures in each round what needs no kernel: the cipher, the whole packet, and many SAs.
//
// The CPU time is that of the two endpoint processes alone, from /proc/PID/stat. It leaves out what the kernel does for
// iperf3, and so it is the figure that compares tunnels on a machine whose cores iperf3 shares.
package main
