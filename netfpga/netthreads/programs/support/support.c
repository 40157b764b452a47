// The part of the API that is no more than a register or two, on the card. Output slots
// that are free form a list, each pointing to the next in its first word.

#include "support.h"

#ifndef CONTEXT_SW

enum { LOCK_SEND = 14, LOCK_SLOTS = 15 };

void nf_pktin_init(void)
{
	for (int i = 0, offset = 0; i < NF_SLOTS; i++, offset += NF_SLOT_SIZE)
		nf_pktin_free(nf_input_mem + offset);
}

static t_addr *free_slots;

void nf_pktout_init(void)
{
	// The first launch hands over slot 0, as if it had been sent before.
	for (int i = 1, offset = NF_SLOT_SIZE; i < NF_SLOTS; i++, offset += NF_SLOT_SIZE)
		nf_pktout_free(nf_output_mem + offset);
}

t_addr *nf_pktout_alloc(uint size)
{
	(void)size;
	nf_lock(LOCK_SLOTS);
	t_addr *slot = free_slots;
	if (slot)
		free_slots = *(t_addr **)slot;
	nf_unlock(LOCK_SLOTS);
	return slot;
}

void nf_pktout_free(t_addr *addr)
{
	nf_lock(LOCK_SLOTS);
	*(t_addr **)addr = free_slots;
	free_slots = addr;
	nf_unlock(LOCK_SLOTS);
}

// nf_pktout_send_finish launches, and collects the packet that was sent before.
static void nf_pktout_send_finish(void)
{
	t_addr *sent = nf_pktout_launch();
	nf_unlock(LOCK_SEND);
	nf_pktout_free(sent);
}

void nf_pktout_send(char *start_addr, char *end_addr)
{
	nf_lock(LOCK_SEND);
	nf_pktout_bounds(start_addr, end_addr);
	nf_pktout_send_finish();
}

void nf_pktout_send_schedule(char *start_addr, char *end_addr, uint time)
{
	nf_lock(LOCK_SEND);
	nf_pktout_bounds(start_addr, end_addr);
	nf_pktout_time(time);
	nf_pktout_send_finish();
}

#endif

#ifdef CONTEXT_SIM

#include <stdarg.h>

// nf_log gives the simulator the format, and the argument of each conversion. The simulator
// does the rest.
void nf_log(const char *format, ...)
{
	va_list args;
	va_start(args, format);
	nf_register(NF_PRINTF) = (uint)format;
	for (const char *c = format; *c; c++) {
		if (*c != '%')
			continue;
		if (c[1] == '%')
			c++;
		else
			nf_register(NF_PRINTF) = va_arg(args, uint);
	}
	nf_register(NF_PRINTF) = 0;
	va_end(args);
}

#endif
