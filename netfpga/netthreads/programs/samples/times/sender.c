#include "sender.h"

#include "pktbuff.h"

void fill(t_addr *slot, int number)
{
	struct pkt_buff pkt;
	pkt_fill(&pkt, slot, sizeof(struct ioq_header) + BYTES);
	fill_ioq(pkt_pull_type(&pkt, struct ioq_header), mac_port(number % 4), BYTES);
	memset(pkt.head, number, BYTES);
}
