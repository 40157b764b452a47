// Answers pings to any address, in a program of a work queue: thread 0 takes the packets, and
// the others process them.

#include "support.h"
#include "workqueue.h"
#include "process.h"

static struct work_queue packets;
static struct work_task tasks[NUM_INPUT_BUFS];

int main(void)
{
	if (nf_tid() != 0) {
		nf_stall_a_bit();
		nf_lock(LOCK_INIT);
		nf_unlock(LOCK_INIT);
		workq_serve(&packets, -1);
	}
	nf_lock(LOCK_INIT);
	nf_pktin_init();
	nf_pktout_init();
	workq_init(&packets, LOCK_DS0, LOCK_DS1);
	nf_unlock(LOCK_INIT);
	for (;;) {
		t_addr *packet = nf_pktin_pop();
		if (!nf_pktin_is_valid(packet)) {
			nf_pause();
			continue;
		}
		// A slot is not filled again before its packet has been processed.
		struct work_task *task = &tasks[(packet - nf_input_mem) / NF_SLOT_SIZE];
		workq_lock(&packets);
		workq_add_task_nolock(&packets, task, process, (unsigned long)packet);
		workq_unlock(&packets);
	}
}
