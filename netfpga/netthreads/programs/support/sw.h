// The API on this computer, for support.h: functions of sw.c, and pauses in which other
// threads run.

#include <sched.h>

extern t_addr nf_input_mem[NF_MEM_SIZE], nf_output_mem[NF_MEM_SIZE];

uint sw_time(void);
int sw_tid(void);
t_addr *sw_pop(void);
void sw_free(t_addr *val);
void sw_bounds(char *start_addr, char *end_addr);
void sw_time_trigger(uint time);
t_addr *sw_launch(void);
void sw_lock(int id);
void sw_unlock(int id);

static inline t_addr *nf_pktin_pop(void) { return sw_pop(); }
static inline int nf_pktin_is_valid(t_addr *addr) { return addr != 0; }
static inline void nf_pktin_free(t_addr *val) { sw_free(val); }
static inline void nf_pktout_send_setup(char *start, char *end) { sw_bounds(start, end); }
static inline void nf_pktout_send_schedule(uint time) { sw_time_trigger(time); }
static inline t_addr *nf_pktout_launch(void) { return sw_launch(); }
static inline void nf_lock(int id) { sw_lock(id); }
static inline void nf_unlock(int id) { sw_unlock(id); }
static inline uint nf_time(void) { return sw_time(); }
static inline int nf_tid(void) { return sw_tid(); }
static inline void nf_pause(void) { sched_yield(); }
static inline void nf_publish(void) { __atomic_thread_fence(__ATOMIC_SEQ_CST); }

// The program's own; sw.c has the one that the computer starts.
#ifndef SW_C
#define main nf_main
#endif
int nf_main(void);
