// The NetThreads API (tech doc section 4.4). All threads of a program start in main at the
// same time; nf_tid tells them apart.
//
// A program is built for one of three contexts (section 4.3): nf, the card; sim, the card
// with log; and sw, a program of this computer (see sw.c).
#ifndef SUPPORT_H
#define SUPPORT_H

#include "common.h"

enum {
	NF_THREADS = 8,       // of the card
	NF_LOCKS = 16,
	NUM_INPUT_BUFS = 10,  // slots of input memory
	NUM_OUTPUT_BUFS = 10, // and of output memory
	NF_SLOT_SIZE = 1600,  // bytes
	NF_MEM_SIZE = 16384,  // bytes of input memory, and of output memory
};

// ---- Receiving (4.4.2)

// nf_pktin_init divides input memory into slots. One thread calls it, once.
void nf_pktin_init(void);

// nf_pktin_pop returns the oldest packet that has arrived, once, or something invalid.
static inline t_addr *nf_pktin_pop(void);
static inline int nf_pktin_is_valid(t_addr *addr);

// nf_pktin_free gives a popped packet's slot back.
static inline void nf_pktin_free(t_addr *val);

// ---- Sending (4.4.3)

// nf_pktout_init makes output memory ready. One thread calls it, once, before any sends.
void nf_pktout_init(void);

// nf_pktout_alloc returns a slot, or 0 if none is free. The size is ignored. The slots are
// NUM_OUTPUT_BUFS, but the last becomes free with the first packet sent.
t_addr *nf_pktout_alloc(uint size);

// nf_pktout_free gives back a slot that is not to be sent.
void nf_pktout_free(t_addr *addr);

// nf_pktout_send sends the packet from its IOQ header to the byte before end_addr, and takes
// its slot. It waits while the packet before is still to leave.
void nf_pktout_send(char *start_addr, char *end_addr);

// The same in parts, for a program in which one thread sends: setup has the bounds, and
// finish sends. With schedule between them the packet leaves when nf_time is time, or at once
// if that has passed. finish collects the packet that was sent before: its slot is free.
static inline void nf_pktout_send_setup(char *start_addr, char *end_addr);
static inline void nf_pktout_send_schedule(uint time);
void nf_pktout_send_finish(void);

// nf_pktout_launch is finish for a program that keeps its slots itself: it returns the one of
// the packet sent before.
static inline t_addr *nf_pktout_launch(void);

// ---- Locks (4.4.5). Ids above 15 wrap around. A thread that locks twice waits for another
// thread to unlock. The library uses those up to SENDING_LOCK.
enum {
	LOCK_INIT = 0, // while the program begins: thread 0 takes it, and the others wait for it
	LOCK_PKTIN = 0,
	LOCK_MISC = 1,
	LOCK_PO_MEM = 2,
	MALLOCFREE_LOCK = 3,
	SENDING_LOCK = 4,
	LOCK_DS0 = 5,
	LOCK_DS1,
	LOCK_DS2,
	LOCK_DS3,
	LOCK_DS4,
	LOCK_DS5,
	LOCK_PREDEF, // this one and those behind it are nobody's
};

static inline void nf_lock(int id);
static inline void nf_unlock(int id);

// A rw_lock is for many readers or one writer. A writer that waits keeps new readers out.
typedef struct {
	int lock; // that guards the rest
	volatile int readers, writing, writers_waiting;
} rw_lock;

void rw_lock_init(rw_lock *rw, int lock);
void reader_lock(rw_lock *rw);
void reader_unlock(rw_lock *rw);
void writer_lock(rw_lock *rw);
void writer_unlock(rw_lock *rw);

// ---- Misc (4.4.1)

// nf_time returns the time in ticks of 8 ns; it wraps every 34 s.
static inline uint nf_time(void);

// nf_tid returns the thread's id, 0 and up.
static inline int nf_tid(void);

// nf_sleep returns after so many ticks.
static inline void nf_sleep(uint ticks)
{
	for (uint start = nf_time(); nf_time() - start < ticks;)
		;
}

// nf_stall_a_bit wastes some time, enough for thread 0 to take LOCK_INIT first if the others
// call it before they do; relax wastes a little, a random number of ticks.
void nf_stall_a_bit(void);
void relax(void);

// nf_pause goes into every loop that waits for another thread: in sw it lets that thread run.
static inline void nf_pause(void);

// nf_publish goes between writing what a pointer points to and handing the pointer, without
// a lock, to another thread.
static inline void nf_publish(void);

// memcpy32 copies count bytes between addresses divisible by 4, which do not overlap, by
// words. What does not fill a word is copied, too, and no more.
void *memcpy32(void *dst, const void *src, size_t count);

// ---- The heap: main memory, of which all threads may take. sp_init_mem_single makes all of
// it free, if it is called; sp_init_mem_pool may follow it and does nothing more.
void sp_init_mem_single(void);
void sp_init_mem_pool(void);
void *sp_malloc(size_t size); // 0 if there is no room
void sp_free(void *ptr);
void *sp_realloc(void *ptr, int new_size);

#ifdef CONTEXT_SW
#include "sw.h"
#else
#include "card.h"
#endif

#endif
