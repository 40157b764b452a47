// A list that several threads push to and pop from (tech doc section 5.2). Items are pushed
// at its end and popped at its front. An item is part of what is listed, and in one list.
#ifndef MTDEQUE_H
#define MTDEQUE_H

#include "support.h"

struct mtdeque_item {
	struct mtdeque_item *next;
};

struct mtdeque {
	struct mtdeque_item *volatile front;
	struct mtdeque_item *end;
	int lock;
};

// MTDEQUE is an empty list with a lock of its own.
#define MTDEQUE(lock) {0, 0, lock}

static inline void mtdeque_lock(struct mtdeque *q)
{
	nf_lock(q->lock);
}

static inline void mtdeque_unlock(struct mtdeque *q)
{
	nf_unlock(q->lock);
}

// mtdeque_is_empty may be asked without the lock: then it is a hint.
static inline int mtdeque_is_empty(struct mtdeque *q)
{
	return q->front == 0;
}

static inline void mtdeque_push_nolock(struct mtdeque *q, struct mtdeque_item *item)
{
	item->next = 0;
	if (q->front)
		q->end->next = item;
	else
		q->front = item;
	q->end = item;
}

// mtdeque_pop_nolock returns 0 if the list is empty.
static inline struct mtdeque_item *mtdeque_pop_nolock(struct mtdeque *q)
{
	struct mtdeque_item *item = q->front;
	if (item)
		q->front = item->next;
	return item;
}

static inline void mtdeque_push(struct mtdeque *q, struct mtdeque_item *item)
{
	mtdeque_lock(q);
	mtdeque_push_nolock(q, item);
	mtdeque_unlock(q);
}

// mtdeque_pop returns 0 if the list is empty, for which it takes no lock.
static inline struct mtdeque_item *mtdeque_pop(struct mtdeque *q)
{
	if (mtdeque_is_empty(q))
		return 0;
	mtdeque_lock(q);
	struct mtdeque_item *item = mtdeque_pop_nolock(q);
	mtdeque_unlock(q);
	return item;
}

#endif
