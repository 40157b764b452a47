// The IOQ header, in front of every packet in the card's memory and never on the wire (tech
// doc section 4.4.4).
#ifndef PKTBUFF_H
#define PKTBUFF_H

// In big-endian byte order.
struct ioq_header {
	unsigned short dst_port;    // a bit for each port that the packet goes to
	unsigned short word_length; // of the packet in words of 8 bytes, the last counted whole
	unsigned short src_port;    // the number of the port that it came by
	unsigned short byte_length; // of the packet, without this header
};

// Ports alternate: 0 is MAC 0, 1 is host 0, 2 is MAC 1, and so on.
static inline unsigned short mac_bit(int mac)
{
	return 1 << 2 * mac;
}

static inline unsigned short host_bit(int host)
{
	return 2 << 2 * host;
}

// fill_ioq fills the header of a packet of so many bytes that goes to the ports whose bits
// are set. The source port stays: the hardware ignores it.
static inline void fill_ioq(struct ioq_header *ioq, unsigned short port, unsigned short bytes)
{
	ioq->dst_port = nf_be16(port);
	ioq->word_length = nf_be16((bytes + 7) >> 3);
	ioq->byte_length = nf_be16(bytes);
}

#endif
