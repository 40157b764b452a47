#include "pktbuff.h"

void pkt_fill(struct pkt_buff *pkt, char *data, uint size)
{
	pkt->data = pkt->head = data;
	pkt->len = pkt->total_size = size;
}

char *pkt_alloc(struct pkt_buff *pkt, uint size)
{
	t_addr *slot = size <= NF_SLOT_SIZE ? nf_pktout_alloc(size) : 0;
	if (slot)
		pkt_fill(pkt, slot, size);
	return slot;
}

void pkt_free(struct pkt_buff *pkt)
{
	nf_pktout_free(pkt->data);
}

// lacks logs that a packet has not the bytes that a function needs.
static char *lacks(const char *function, uint has, uint needs)
{
	log("%s: %u bytes, and %u are asked for\n", function, has, needs);
	return 0;
}

char *pkt_pull(struct pkt_buff *pkt, uint size)
{
	if (size > pkt->len)
		return lacks("pkt_pull", pkt->len, size);
	char *at = pkt->head;
	pkt->head += size;
	pkt->len -= size;
	return at;
}

char *pkt_push(struct pkt_buff *pkt, uint size)
{
	uint before = pkt->head - pkt->data;
	if (size > before)
		return lacks("pkt_push", before, size);
	pkt->head -= size;
	pkt->len += size;
	return pkt->head;
}

char *pkt_push_all(struct pkt_buff *pkt)
{
	return pkt_push(pkt, pkt->head - pkt->data);
}

char *pkt_trim(struct pkt_buff *pkt, uint size)
{
	if (size > pkt->len)
		return lacks("pkt_trim", pkt->len, size);
	pkt->len = size;
	return pkt->head;
}
