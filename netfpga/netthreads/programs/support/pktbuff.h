// Packets in the card's memory, and the IOQ header in front of each, which is never on the
// wire (tech doc section 4.4.4).
#ifndef PKTBUFF_H
#define PKTBUFF_H

#include "support.h"

// In big-endian byte order, which is the card's: ntohs and htons are for sw.
struct ioq_header {
	unsigned short dst_port;    // a bit for each port that the packet goes to
	unsigned short word_length; // of the packet in words of 8 bytes, the last counted whole
	unsigned short src_port;    // the number of the port that it came by
	unsigned short byte_length; // of the packet, without this header
};

// Ports alternate: 0 is MAC 0, 1 is host 0, 2 is MAC 1, and so on.
static inline unsigned short mac_port(int mac)
{
	return 2 * mac;
}

static inline unsigned short host_port(int host)
{
	return 2 * host + 1;
}

// fill_ioq fills the header of a packet of so many bytes that goes to the port of a number.
// The hardware ignores the source port.
static inline void fill_ioq(struct ioq_header *ioq, unsigned short port, unsigned short bytes)
{
	ioq->dst_port = htobe16(1 << port);
	ioq->word_length = htobe16((bytes + 7) >> 3);
	ioq->src_port = htobe16(port);
	ioq->byte_length = htobe16(bytes);
}

// A pkt_buff is a packet and a place in it, head, from which len bytes remain.
struct pkt_buff {
	char *data; // where it begins
	char *head;
	uint len;
	uint total_size;
};

// pkt_fill makes a pkt_buff of size bytes at data, with its head at the first.
void pkt_fill(struct pkt_buff *pkt, char *data, uint size);

// pkt_alloc does it with a slot of output memory. It returns the slot, or 0 if none is free;
// pkt_free gives it back.
char *pkt_alloc(struct pkt_buff *pkt, uint size);
void pkt_free(struct pkt_buff *pkt);

// pkt_pull moves the head size bytes on, and returns where it was. pkt_push moves it back,
// and pkt_push_all to the beginning, and they return where it is then. pkt_trim makes size
// bytes remain. Where there are not so many they log that, change nothing and return 0.
char *pkt_pull(struct pkt_buff *pkt, uint size);
char *pkt_push(struct pkt_buff *pkt, uint size);
char *pkt_push_all(struct pkt_buff *pkt);
char *pkt_trim(struct pkt_buff *pkt, uint size);

// pkt_pull_type pulls a header of a type, and points to it.
#define pkt_pull_type(pkt, type) ((type *)pkt_pull(pkt, sizeof(type)))

#endif
