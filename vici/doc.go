// Package vici is strongSwan's Versatile IKE Control Interface: the protocol, a server that puts a daemon behind it,
// and a client. strongSwan's own swanctl drives the server.
//
// The protocol is described in strongSwan's src/libcharon/plugins/vici/README.md ("the protocol" in the comments of
// this package). A connection carries packets, each behind its length; a client has one command under way at a time:
//
//	 0                   1                   2                   3
//	 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
//	+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+-+
//	|             length of what follows, at most 512 KiB           |
//	+---------------+---------------+-------------------------------+
//	|  packet type  | (name length) | (name) … message …            |
//	+---------------+---------------+-------------------------------+
//
//	CMD_REQUEST    0  name message   client
//	CMD_RESPONSE   1       message   server, one for each request
//	CMD_UNKNOWN    2                 server, in its place
//	EVENT_REGISTER 3  name           client
//	EVENT_UNREGISTER 4 name          client
//	EVENT_CONFIRM  5                 server, one for each of these
//	EVENT_UNKNOWN  6                 server, in its place
//	EVENT          7  name message   server, any time while registered
//
// A message is a tree of sections, key/values and lists, in order:
//
//	SECTION_START 1  name-length:8 name
//	SECTION_END   2
//	KEY_VALUE     3  name-length:8 name  value-length:16 value
//	LIST_START    4  name-length:8 name
//	LIST_ITEM     5                      value-length:16 value
//	LIST_END      6
//
// Names of commands, events and fields, and the order of fields, are those that strongSwan 6 sends: tools match on
// what `swanctl --raw` prints.
package vici
