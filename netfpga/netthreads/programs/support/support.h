// The NetThreads API (tech doc section 4.4). All threads of a program start in main at the
// same time; nf_tid tells them apart.
//
// A program is built for one of three contexts (section 4.3): nf, the card; sim, the card
// with log; and sw, a program of this computer (see sw.c).
//
// Locks 14 and 15 are the library's own.
#ifndef SUPPORT_H
#define SUPPORT_H

typedef unsigned int uint;

// A packet in input or output memory begins with its IOQ header, at an address divisible by 8.
typedef char t_addr;

enum {
	NF_THREADS = 8,      // of the card
	NF_LOCKS = 16,
	NF_SLOTS = 10,       // of input memory, and of output memory
	NF_SLOT_SIZE = 1600, // bytes
	NF_MEM_SIZE = 16384, // bytes of input memory, and of output memory
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
// NF_SLOTS, but the last becomes free with the first packet sent.
t_addr *nf_pktout_alloc(uint size);

// nf_pktout_free gives back a slot that is not to be sent.
void nf_pktout_free(t_addr *addr);

// nf_pktout_send sends the packet from its IOQ header to the byte before end_addr, and takes
// its slot. It waits while the packet before is still to leave.
void nf_pktout_send(char *start_addr, char *end_addr);

// nf_pktout_send_schedule does the same, but the packet leaves when nf_time is time, or at
// once if that has passed.
void nf_pktout_send_schedule(char *start_addr, char *end_addr, uint time);

// The same in parts, for a program in which one thread sends: bounds, maybe a time, and
// nf_pktout_launch, which returns the slot of the packet launched before this one, free.
static inline void nf_pktout_bounds(char *start_addr, char *end_addr);
static inline void nf_pktout_time(uint time);
static inline t_addr *nf_pktout_launch(void);

// ---- Locks (4.4.5). Ids above 15 wrap around. A thread that locks twice waits for ever.
static inline void nf_lock(int id);
static inline void nf_unlock(int id);

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

// nf_pause goes into every loop that waits for another thread: in sw it lets that thread run.
static inline void nf_pause(void);

// nf_publish goes between writing what a pointer points to and handing the pointer, without
// a lock, to another thread.
static inline void nf_publish(void);

// log prints as printf does, of the conversions of C the ones of a word: %d %u %x %c %s %p.
// In nf it and its arguments are nothing.
#ifdef CONTEXT_NF
#define log(...) ((void)0)
#else
#define log nf_log
void nf_log(const char *format, ...) __attribute__((format(printf, 1, 2)));
#endif

// ---- Byte order of packets, which is the card's.
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
#define nf_be16(x) ((unsigned short)(x))
#define nf_be32(x) ((uint)(x))
#else
#define nf_be16(x) __builtin_bswap16(x)
#define nf_be32(x) __builtin_bswap32(x)
#endif

#ifdef CONTEXT_SW
#include "sw.h"
#else
#include "card.h"
#endif

#endif
