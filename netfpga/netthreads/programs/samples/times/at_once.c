// Sends packets as fast as it can, in parts, and keeps its slots.

#include "sender.h"

int main(void)
{
	if (nf_tid() != 0)
		return 0;
	nf_pktin_init();
	nf_pktout_init();
	t_addr *slot = nf_pktout_alloc(BYTES);
	for (int i = 0; i < PACKETS; i++) {
		fill(slot, i);
		nf_pktout_send_setup(slot, slot + END);
		slot = nf_pktout_launch();
	}
	return 0;
}
