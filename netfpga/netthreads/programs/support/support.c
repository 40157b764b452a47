// The part of the API that is no more than a register or two, on the card. Output slots
// that are free form a list, each pointing to the next in its first word.

#include "support.h"

void nf_pktin_init(void)
{
	for (int i = 0, offset = 0; i < NUM_INPUT_BUFS; i++, offset += NF_SLOT_SIZE)
		nf_pktin_free(nf_input_mem + offset);
}

static t_addr *free_slots;

void nf_pktout_init(void)
{
	// The first launch hands over slot 0, as if it had been sent before.
	for (int i = 1, offset = NF_SLOT_SIZE; i < NUM_OUTPUT_BUFS; i++, offset += NF_SLOT_SIZE)
		nf_pktout_free(nf_output_mem + offset);
}

t_addr *nf_pktout_alloc(uint size)
{
	(void)size;
	nf_lock(LOCK_PO_MEM);
	t_addr *slot = free_slots;
	if (slot)
		free_slots = *(t_addr **)slot;
	nf_unlock(LOCK_PO_MEM);
	return slot;
}

void nf_pktout_free(t_addr *addr)
{
	nf_lock(LOCK_PO_MEM);
	*(t_addr **)addr = free_slots;
	free_slots = addr;
	nf_unlock(LOCK_PO_MEM);
}

void nf_pktout_send_finish(void)
{
	nf_pktout_free(nf_pktout_launch());
}

void nf_pktout_send(char *start_addr, char *end_addr)
{
	nf_lock(SENDING_LOCK);
	nf_pktout_send_setup(start_addr, end_addr);
	t_addr *sent = nf_pktout_launch();
	nf_unlock(SENDING_LOCK);
	nf_pktout_free(sent);
}

// Thread 0 of a program needs some 100 ticks from its start to its first lock.
void nf_stall_a_bit(void)
{
	nf_sleep(1024 + (nf_time() & 63));
}

void relax(void)
{
	nf_sleep(nf_time() & 63);
}
