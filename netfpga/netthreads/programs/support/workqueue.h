// A queue of work for threads: functions, and what to call them with (tech doc section 5.2).
#ifndef WORKQUEUE_H
#define WORKQUEUE_H

#include "mtdeque.h"

struct work {
	struct mtdeque_item item; // first, so that an item of the queue is a work
	void (*func)(void *data);
	void *data;
};

struct work_queue {
	struct mtdeque works;
};

// WORK_QUEUE is an empty queue with a lock of its own.
#define WORK_QUEUE(lock) {MTDEQUE(lock)}

// workq_add adds a work, which must stay until it is served.
static inline void workq_add(struct work_queue *q, struct work *w)
{
	mtdeque_push(&q->works, &w->item);
}

static inline int workq_is_empty(struct work_queue *q)
{
	return mtdeque_is_empty(&q->works);
}

// workq_try does a work if there is one, and reports whether there was.
static inline int workq_try(struct work_queue *q)
{
	struct work *w = (struct work *)mtdeque_pop(&q->works);
	if (w)
		w->func(w->data);
	return w != 0;
}

// workq_serve does so many works, waiting for them; with -1 it never returns. A work may be
// added again while it is served.
static inline void workq_serve(struct work_queue *q, int n)
{
	while (n != 0) {
		if (!workq_try(q))
			nf_pause();
		else if (n > 0)
			n--;
	}
}

#endif
