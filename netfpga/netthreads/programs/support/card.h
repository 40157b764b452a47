// The control registers of the card, for support.h.

#define nf_input_mem ((t_addr *)0x10000000)
#define nf_output_mem ((t_addr *)0x08000000)

enum {
	NF_CTRL_START = 0x20000000,
	NF_CTRL_END = 0x40000000,
	NF_CTRL_END_W = 0x60000000,
	NF_GET_LOCK = 0x20000004,
	NF_UN_LOCK = 0x40000004,
	NF_PRINTF = 0x60000004,
};
#define NF_SEND_OUT_W 0x80000000
#define NF_SEND_TIME_TRIG 0x80000004
#define NF_HEADER_FLUSH_W 0xa0000000
#define NF_COMMON_TIME 0xc0000000
#define NF_HEADER_RETURN_W 0xe0000000

#define nf_register(addr) (*(volatile uint *)(addr))

static inline t_addr *nf_pktin_pop(void)
{
	return (t_addr *)nf_register(NF_HEADER_FLUSH_W);
}

static inline int nf_pktin_is_valid(t_addr *addr)
{
	return addr != (t_addr *)0xffffffff;
}

static inline void nf_pktin_free(t_addr *val)
{
	// The packet was read before.
	asm volatile("" ::: "memory");
	nf_register(NF_HEADER_RETURN_W) = (uint)val;
}

static inline void nf_pktout_send_setup(char *start_addr, char *end_addr)
{
	nf_register(NF_CTRL_START) = (uint)start_addr;
	nf_register(NF_CTRL_END) = (uint)end_addr - 1;
	// The control bits of the last word of 8 bytes say which byte is the last.
	nf_register(NF_CTRL_END_W) = (0x101 >> ((end_addr - start_addr) & 7)) & 0xff;
}

static inline void nf_pktout_send_schedule(uint time)
{
	nf_register(NF_SEND_TIME_TRIG) = time;
}

static inline t_addr *nf_pktout_launch(void)
{
	// The packet was written before.
	asm volatile("" ::: "memory");
	return (t_addr *)nf_register(NF_SEND_OUT_W);
}

static inline void nf_lock(int id)
{
	nf_register(NF_GET_LOCK) = id;
	asm volatile("" ::: "memory");
}

static inline void nf_unlock(int id)
{
	asm volatile("" ::: "memory");
	nf_register(NF_UN_LOCK) = id;
}

static inline uint nf_time(void)
{
	return nf_register(NF_COMMON_TIME);
}

static inline int nf_tid(void)
{
	int id;
	asm("move %0, $26" : "=r"(id));
	return id;
}

static inline void nf_pause(void)
{
	asm volatile("" ::: "memory");
}

// The cores do what the program says in its order; the compiler must, too.
static inline void nf_publish(void)
{
	asm volatile("" ::: "memory");
}
