// The messages between the driver and the card, in big-endian byte order (tech doc sections
// 3 and 5).
#ifndef DRIVERCOMM_H
#define DRIVERCOMM_H

enum {
	MSG_RESET = 33,      // driver to card: forget everything, and answer
	MSG_PKTS = 42,       // driver to card: packets to be sent
	MSG_RESET_DONE = 88, // card to driver: the answer
	MSG_QUOTA = 100,     // card to driver: room for more messages
};

// The first packet's header lies at FIRST_PKT in an MSG_PKTS message; before it is the type.
enum { FIRST_PKT = 8, MIN_WIRE = 60, MAX_WIRE = 1514 };

// The pkt_quota of the answer to a reset.
enum { START_QUOTA = 8 };

// The header of a packet in a message, before its bytes.
struct packet_hdr {
	unsigned short len;         // bytes carried
	unsigned short wire_len;    // bytes on the wire without FCS, MIN_WIRE to MAX_WIRE
	uint clock_hi, clock_lo;    // departure, in ticks
	unsigned char port;         // MAC that it leaves by; always 0 from the original driver
	unsigned char is_absolute;  // 0: relative to the last transmission
	unsigned short next_pkt;    // from this header to the next, in bytes; 0 in the last
};

// A message to the driver.
struct reply {
	int type;
	int pkt_quota;              // how many messages may be sent: after a reset, or more than before
	uint time_hi, time_lo;      // the card's time, in ticks
	int filler[8];
};

#endif
