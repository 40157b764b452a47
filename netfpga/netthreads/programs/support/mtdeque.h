// A deque that several threads push to and pop from, and wait at (tech doc section 5.2).
#ifndef MTDEQUE_H
#define MTDEQUE_H

#include "deque.h"
#include "support.h"

struct mtdeque {
	struct deque deq;
	volatile int waiting; // threads
	int state_lock;       // guards the two
	int wait_lock;        // for the threads that wait
};

enum { NO_BLOCK, CAN_BLOCK };

// mtdeque_init makes an empty deque of two locks, which nobody else uses. lock1 guards it,
// and threads sleep waiting for lock2. One thread calls it, once.
void mtdeque_init(struct mtdeque *d, int lock1, int lock2);

static inline void mtdeque_lock(struct mtdeque *d)
{
	nf_lock(d->state_lock);
}

static inline void mtdeque_unlock(struct mtdeque *d)
{
	nf_unlock(d->state_lock);
}

// mtdeque_empty may be asked without the lock: then it is a hint.
static inline int mtdeque_empty(struct mtdeque *d)
{
	return *(struct deque_item *volatile *)&d->deq.head == 0;
}

// mtdeque_wake lets a thread go on that waits, if one does. As long as there are items it
// will let the next one, so that none need be counted here.
static inline void mtdeque_wake(struct mtdeque *d)
{
	if (d->waiting)
		nf_unlock(d->wait_lock);
}

// The functions that end with nolock are for callers that hold mtdeque_lock.
static inline void mtdeque_push_nolock(struct mtdeque *d, struct deque_item *item)
{
	deque_push(&d->deq, item);
	mtdeque_wake(d);
}

static inline void mtdeque_push_tail_nolock(struct mtdeque *d, struct deque_item *item)
{
	deque_push_tail(&d->deq, item);
	mtdeque_wake(d);
}

// mtdeque_pops_nolock pops up to n items as deque_pops does. With CAN_BLOCK it waits for the
// first, and lets go of the lock meanwhile.
int mtdeque_pops_nolock(struct mtdeque *d, struct deque_item **first, int n, int can_block);

// mtdeque_pop_nolock pops one. It returns 0 if there is none, and with CAN_BLOCK waits.
static inline struct deque_item *mtdeque_pop_nolock(struct mtdeque *d, int can_block)
{
	if (!can_block)
		return deque_pop(&d->deq);
	struct deque_item *item;
	mtdeque_pops_nolock(d, &item, 1, CAN_BLOCK);
	return item;
}

static inline void mtdeque_push(struct mtdeque *d, struct deque_item *item)
{
	mtdeque_lock(d);
	mtdeque_push_nolock(d, item);
	mtdeque_unlock(d);
}

static inline void mtdeque_push_tail(struct mtdeque *d, struct deque_item *item)
{
	mtdeque_lock(d);
	mtdeque_push_tail_nolock(d, item);
	mtdeque_unlock(d);
}

static inline struct deque_item *mtdeque_pop(struct mtdeque *d, int can_block)
{
	if (!can_block && mtdeque_empty(d))
		return 0; // without the lock
	mtdeque_lock(d);
	struct deque_item *item = mtdeque_pop_nolock(d, can_block);
	mtdeque_unlock(d);
	return item;
}

static inline int mtdeque_pops(struct mtdeque *d, struct deque_item **first, int n, int can_block)
{
	mtdeque_lock(d);
	n = mtdeque_pops_nolock(d, first, n, can_block);
	mtdeque_unlock(d);
	return n;
}

#endif
