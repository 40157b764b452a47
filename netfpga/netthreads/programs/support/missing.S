# What the macros of missing.inc call. All registers but 1, 25 and 27 are kept.

	.set	noreorder
	.set	noat

	.macro	enter
	sw	$2, -16($29)
	sw	$3, -20($29)
	sw	$4, -24($29)
	sw	$5, -28($29)
	sw	$6, -32($29)
	sw	$7, -36($29)
	sw	$8, -40($29)
	.endm

	.macro	leave
	lw	$2, -16($29)
	lw	$3, -20($29)
	lw	$4, -24($29)
	lw	$5, -28($29)
	lw	$6, -32($29)
	lw	$7, -36($29)
	lw	$8, -40($29)
	jr	$31
	nop
	.endm

# 25:27 = 27 * 25. Signed factors are taken for unsigned ones, which makes the upper word
# too large by the other factor for each that is negative.

	.section .text.missing_mult, "ax"
	.globl	missing_mult, missing_multu
missing_mult:
	enter
	sra	$8, $27, 31
	and	$8, $8, $25
	sra	$2, $25, 31
	and	$2, $2, $27
	addu	$8, $8, $2
	b	multiply
	nop
missing_multu:
	enter
	move	$8, $0
multiply:
	sltu	$1, $27, $25		# the smaller is the multiplier, 6
	beqz	$1, 1f
	nop
	move	$6, $27
	move	$27, $25
	b	2f
	nop
1:	move	$6, $25
2:	move	$4, $27			# 5:4 is the other, shifted
	move	$5, $0
	move	$2, $0			# 3:2 is the product
	move	$3, $0
3:	andi	$1, $6, 1
	beqz	$1, 4f
	nop
	addu	$2, $2, $4
	sltu	$7, $2, $4
	addu	$3, $3, $5
	addu	$3, $3, $7
4:	srl	$7, $4, 31
	sll	$4, $4, 1
	sll	$5, $5, 1
	or	$5, $5, $7
	srl	$6, $6, 1
	bnez	$6, 3b
	nop
	subu	$25, $3, $8
	move	$27, $2
	leave

# 27 = 27 / 25, and 25 is what remains. By 0 the quotient has all bits set, or is 1 for a
# negative dividend, and all of the dividend remains.

	.section .text.missing_div, "ax"
	.globl	missing_div, missing_divu
missing_div:
	enter
	xor	$7, $27, $25		# its sign is the quotient's
	move	$8, $27			# its sign is the remainder's
	bgez	$27, 1f
	nop
	subu	$27, $0, $27
1:	bgez	$25, divide
	nop
	subu	$25, $0, $25
	b	divide
	nop
missing_divu:
	enter
	move	$7, $0
	move	$8, $0
divide:
	move	$2, $27			# 3:2 is the dividend, shifted out by the quotient
	move	$3, $0
	li	$4, 32
2:	srl	$5, $3, 31		# the bit shifted out counts, too
	srl	$6, $2, 31
	sll	$3, $3, 1
	or	$3, $3, $6
	sll	$2, $2, 1
	bnez	$5, 3f
	nop
	sltu	$1, $3, $25
	bnez	$1, 4f
	nop
3:	subu	$3, $3, $25
	ori	$2, $2, 1
4:	addiu	$4, $4, -1
	bnez	$4, 2b
	nop
	bgez	$7, 5f
	nop
	subu	$2, $0, $2
5:	bgez	$8, 6f
	nop
	subu	$3, $0, $3
6:	move	$27, $2
	move	$25, $3
	leave

# lwl and lwr take the bytes from the address to the end, or from the start to the
# address, of the aligned word into the upper, or lower, bytes of the value.

	.section .text.missing_lwl, "ax"
	.globl	missing_lwl
missing_lwl:
	enter
	andi	$2, $27, 3
	sll	$2, $2, 3		# bits to the left of the address
	srl	$3, $27, 2
	sll	$3, $3, 2
	lw	$3, 0($3)
	li	$4, -1
	sllv	$3, $3, $2
	sllv	$4, $4, $2
	nor	$4, $4, $0
	and	$25, $25, $4
	or	$25, $25, $3
	leave

	.section .text.missing_lwr, "ax"
	.globl	missing_lwr
missing_lwr:
	enter
	andi	$2, $27, 3
	xori	$2, $2, 3
	sll	$2, $2, 3		# bits to the right of the byte at the address
	srl	$3, $27, 2
	sll	$3, $3, 2
	lw	$3, 0($3)
	li	$4, -1
	srlv	$3, $3, $2
	srlv	$4, $4, $2
	nor	$4, $4, $0
	and	$25, $25, $4
	or	$25, $25, $3
	leave

# swl and swr are the same to memory. They store byte by byte, as another thread may own
# the rest of the word.

	.section .text.missing_swl, "ax"
	.globl	missing_swl
missing_swl:
	enter
	move	$2, $25
1:	srl	$3, $2, 24
	sb	$3, 0($27)
	sll	$2, $2, 8
	addiu	$27, $27, 1
	andi	$3, $27, 3
	bnez	$3, 1b
	nop
	leave

	.section .text.missing_swr, "ax"
	.globl	missing_swr
missing_swr:
	enter
	move	$2, $25
1:	sb	$2, 0($27)
	srl	$2, $2, 8
	andi	$3, $27, 3
	addiu	$27, $27, -1
	bnez	$3, 1b
	nop
	leave
