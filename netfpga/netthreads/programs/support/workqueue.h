// A queue of work for threads: functions, and what to call them with (tech doc section 5.2).
#ifndef WORKQUEUE_H
#define WORKQUEUE_H

#include "mtdeque.h"

typedef void (*work_t)(unsigned long data);

struct work_task {
	struct deque_item item;
	work_t work;
	unsigned long data;
};

struct work_queue {
	struct mtdeque tasks;
};

// workq_init makes an empty queue of two locks, as mtdeque_init does.
void workq_init(struct work_queue *q, int lock1, int lock2);

// workq_add_task has a thread that serves the queue call work(data). The task, of which
// nothing need be set, must stay until then; while it is served it may be added again.
void workq_add_task(struct work_queue *q, struct work_task *task, work_t work, unsigned long data);

// workq_serve does n tasks, waiting for them; with -1 it never returns.
void workq_serve(struct work_queue *q, int n);

// workq_try does a task if there is one, and reports whether there was.
int workq_try(struct work_queue *q);

// workq_empty may be asked without the lock: then it is a hint.
static inline int workq_empty(struct work_queue *q)
{
	return mtdeque_empty(&q->tasks);
}

// With the lock several tasks can be added at once.
static inline void workq_lock(struct work_queue *q)
{
	mtdeque_lock(&q->tasks);
}

static inline void workq_unlock(struct work_queue *q)
{
	mtdeque_unlock(&q->tasks);
}

static inline void workq_add_task_nolock(struct work_queue *q, struct work_task *task, work_t work, unsigned long data)
{
	task->work = work;
	task->data = data;
	mtdeque_push_tail_nolock(&q->tasks, &task->item);
}

#endif
