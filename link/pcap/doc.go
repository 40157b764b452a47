// Package pcap reads and writes capture files.
//
//	File      a capture by name, read from its beginning as often as is wanted
//	Reader    reads packets out of pcapng or pcap, from any reader
//	Packet    time, direction and bytes; finds the flow and the IP packet in it
//	Filter    says which packets are meant
//	Timeline  makes times that do not go back out of time stamps
//	Capture   a link.Device that writes what passes it into an Output, a file of pcapng
//	Append... write sections, interfaces and packets of pcapng into memory
//
// The formats are draft-ietf-opsawg-pcap and draft-ietf-opsawg-pcapng. pcap is read from
// version 2.0 to 2.4, pcapng of versions 1.0 and 1.2, in either byte order, which may
// change from section to section; enhanced, simple and obsolete packet blocks. gopacket's
// readers (1.7.7) misread stamps in units of 2^-n, leave the FCS in packets, and refuse pcap
// before 2.4, pcapng 1.2, and packets of which more was captured than there was; so the files
// are read here, and tests compare with gopacket where that is right, and with tshark.
//
// # Rules
//
// Times are ns since 1970. A stamp that is finer is rounded down, as tshark does. All units
// that pcapng can express are read, 10^0 to 10^-127 and 2^0 to 2^-127 s, with the offset of
// the interface; a fraction of a pcap stamp that is more than a second counts as it is.
//
// Lengths are without the frame check sequence: where the file says that Ethernet frames
// have theirs (the F bit of pcap, if_fcslen and the flags of pcapng), it is taken off. A
// packet of which more is in the file than it had, by its header, had what is in the file.
//
// # Memory
//
// It does not grow with the file. Of a packet as many bytes are kept as the reader was made
// for, MaxKept at most; comments and what else is of no use are passed over, however long.
// A file has at most MaxInterfaces different interfaces, a section at most as many, and of
// their names the first 255 bytes are kept. A packet of more than 16 MiB is a damaged file.
//
// # Limits
//
// Compressed files, and the formats of other programs, are refused by name. Tunnels are not
// looked into.
package pcap
