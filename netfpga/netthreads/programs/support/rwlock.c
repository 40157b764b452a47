#include "support.h"

void rw_lock_init(rw_lock *rw, int lock)
{
	rw->lock = lock;
	rw->readers = rw->writing = rw->writers_waiting = 0;
}

// give_way lets others have the lock for a while.
static void give_way(rw_lock *rw)
{
	nf_unlock(rw->lock);
	nf_pause();
	relax();
	nf_lock(rw->lock);
}

void reader_lock(rw_lock *rw)
{
	nf_lock(rw->lock);
	while (rw->writing || rw->writers_waiting)
		give_way(rw);
	rw->readers++;
	nf_unlock(rw->lock);
}

void reader_unlock(rw_lock *rw)
{
	nf_lock(rw->lock);
	rw->readers--;
	nf_unlock(rw->lock);
}

void writer_lock(rw_lock *rw)
{
	nf_lock(rw->lock);
	rw->writers_waiting++;
	while (rw->writing || rw->readers)
		give_way(rw);
	rw->writers_waiting--;
	rw->writing = 1;
	nf_unlock(rw->lock);
}

void writer_unlock(rw_lock *rw)
{
	nf_lock(rw->lock);
	rw->writing = 0;
	nf_unlock(rw->lock);
}
