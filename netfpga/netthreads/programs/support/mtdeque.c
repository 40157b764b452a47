#include "mtdeque.h"

void mtdeque_init(struct mtdeque *d, int lock1, int lock2)
{
	deque_init(&d->deq);
	d->waiting = 0;
	d->state_lock = lock1;
	d->wait_lock = lock2;
	nf_lock(lock2); // a push frees it
}

// Where there are items and threads that wait, the wait lock is free, or given to a thread
// that is on its way: that one frees it again for the next.
int mtdeque_pops_nolock(struct mtdeque *d, struct deque_item **first, int n, int can_block)
{
	while (can_block && mtdeque_empty(d)) {
		d->waiting++;
		mtdeque_unlock(d);
		nf_lock(d->wait_lock);
		mtdeque_lock(d);
		d->waiting--;
	}
	n = deque_pops(&d->deq, first, n);
	if (!mtdeque_empty(d))
		mtdeque_wake(d);
	return n;
}
