# Refuses a disassembly (objdump -d -M no-aliases) that has an instruction which the cores
# lack, or a branch without a nop behind it: such a nop makes a program mean the same with
# and without delay slots.

BEGIN {
	branches = "beq bne blez bltz bgez bgtz j jal jr jalr"
	others = "lw lbu lb lh lhu sw sh sb addiu addu subu and andi or ori xor xori nor " \
		"slt slti sltu sltiu lui sll sllv srl srlv sra srav " \
		"negu" # a subu
	n = split(branches, list)
	for (i = 1; i <= n; i++)
		branch[list[i]] = known[list[i]] = 1
	n = split(others, list)
	for (i = 1; i <= n; i++)
		known[list[i]] = 1
}

/^[0-9a-f]+ <.*>:$/ { name = $2; next }

/^[0-9a-f]+:/ {
	count++
	if (count == 1 && $2 != "00000000")
		refuse("the first instruction is not a nop")
	if (waiting && $2 != "00000000")
		refuse("no nop behind a branch")
	waiting = $3 in branch
	if (!($3 in known))
		refuse("the cores have no such instruction")
}

END {
	if (!bad && count == 0) {
		print "there are no instructions"
		exit 1
	}
	exit bad
}

function refuse(why) {
	print $0 " in " name " " why > "/dev/stderr"
	bad = 1
}
