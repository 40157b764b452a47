// Sends every packet back to the port that it came by. All threads do the same.

#include <arpa/inet.h>

#include "support.h"
#include "pktbuff.h"

// bounce copies a packet, as only output memory can be sent.
static void bounce(t_addr *in, t_addr *out)
{
	struct ioq_header *from = (struct ioq_header *)in;
	uint bytes = ntohs(from->byte_length);
	fill_ioq((struct ioq_header *)out, ntohs(from->src_port), bytes);
	memcpy32(out + sizeof *from, in + sizeof *from, bytes);
	nf_pktin_free(in);
	nf_pktout_send(out, out + sizeof *from + bytes);
}

static volatile int ready;

int main(void)
{
	if (nf_tid() == 0) {
		nf_pktin_init();
		nf_pktout_init();
		ready = 1;
	}
	while (!ready)
		nf_pause();
	for (;;) {
		t_addr *out;
		while (!(out = nf_pktout_alloc(NF_SLOT_SIZE)))
			nf_pause();
		t_addr *in;
		while (!nf_pktin_is_valid(in = nf_pktin_pop()))
			nf_pause();
		log("thread %d bounces a packet\n", nf_tid());
		bounce(in, out);
	}
}
