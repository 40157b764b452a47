// Sends a packet every 20 us, by the hardware's clock.

#include "sender.h"

int main(void)
{
	if (nf_tid() != 0)
		return 0;
	nf_pktin_init();
	nf_pktout_init();
	uint time = nf_time() + 10000;
	for (int i = 0; i < PACKETS; i++, time += 2500) {
		t_addr *slot = nf_pktout_alloc(BYTES);
		fill(slot, i);
		nf_pktout_send_setup(slot, slot + END);
		nf_pktout_send_schedule(time);
		nf_pktout_send_finish();
	}
	return 0;
}
