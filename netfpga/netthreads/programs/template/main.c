// All threads start here, at the same time. This program sends every packet from MAC 0 on by
// MAC 1, and the other way round, and counts them.
//
//	make CONTEXT=sim    for the simulator, with log
//	make                for the card
//	make CONTEXT=sw     for this computer

#include <arpa/inet.h>

#include "support.h"
#include "pktbuff.h"

enum { LOCK_COUNT = LOCK_DS0 }; // of count

static int count;
static volatile int ready;

static void forward(t_addr *in, t_addr *out)
{
	struct ioq_header *from = (struct ioq_header *)in;
	uint bytes = ntohs(from->byte_length), port = ntohs(from->src_port);
	fill_ioq((struct ioq_header *)out, mac_port(port == mac_port(0)), bytes);
	memcpy(out + sizeof *from, in + sizeof *from, bytes);
	nf_pktin_free(in); // as soon as it can be: packets that find no slot are lost
	nf_pktout_send(out, out + sizeof *from + bytes);
}

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
		t_addr *in, *out;
		while (!(out = nf_pktout_alloc(NF_SLOT_SIZE)))
			nf_pause();
		while (!nf_pktin_is_valid(in = nf_pktin_pop()))
			nf_pause();
		forward(in, out);
		nf_lock(LOCK_COUNT);
		count++;
		log("packet %d, by thread %d\n", count, nf_tid());
		nf_unlock(LOCK_COUNT);
	}
}
