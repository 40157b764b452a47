# Where the threads start: thread t at 0x30 * t, all at once. Each gets its id in register
# 26, a stack of 32 KB, and the pointer to small data, and calls main.

#define THREADS   16			/* as many as the machine can be built with */
#define STACK_TOP 0x040fffe0		/* 0x040ffffc less what main may keep above it */
#define STACK     0x8000

	.set	noreorder

	.section .text.start, "ax"
	.globl	start
start:
	.set	.Lthread, 0
	.rept	THREADS
	.org	0x30 * .Lthread
	nop
	addiu	$26, $0, .Lthread
	lui	$2, (STACK_TOP - STACK * .Lthread) >> 16
	ori	$2, $2, (STACK_TOP - STACK * .Lthread) & 0xffff
	addu	$29, $2, $0
	lui	$28, %hi(_gp)
	addiu	$28, $28, %lo(_gp)
	jal	main
	nop
1:	b	1b			# what main returns is nobody's
	nop
	.set	.Lthread, .Lthread + 1
	.endr
