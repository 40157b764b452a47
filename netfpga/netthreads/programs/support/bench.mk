# The rules by which programs are built (tech doc section 4.3). A program's Makefile sets
#
#	NAME  the program
#	SRCS  its C files
#
# and includes this one. "make CONTEXT=nf" (the default) builds it for the card, sim for the
# card with log, and sw for this computer: build/nf/NAME.elf, build/sim/NAME.elf and
# build/sw/NAME. "make mif" writes the files that the loader of the card takes.

SUPPORT := $(dir $(lastword $(MAKEFILE_LIST)))
CONTEXT ?= nf
OUT     ?= build
CROSS   ?= mips-linux-gnu-
CALIPER ?= caliper
OPT     ?= -O2
OBJDIR  := $(OUT)/$(CONTEXT)

CFLAGS := -std=gnu11 $(OPT) -Wall -Wextra -fno-strict-aliasing -I$(SUPPORT)

ifeq ($(CONTEXT),sw)

TARGET  := $(OBJDIR)/$(NAME)
COMMON  := sw.o memcpy.o
CC      := gcc
CFLAGS  += -DCONTEXT_SW -D_GNU_SOURCE -fno-builtin-log -pthread

else ifneq ($(filter nf sim,$(CONTEXT)),)

TARGET  := $(OBJDIR)/$(NAME).elf
COMMON  := start.o missing.o support.o memcpy.o int64.o
CC      := $(CROSS)gcc
CFLAGS  += -DCONTEXT_$(if $(filter nf,$(CONTEXT)),NF,SIM)
CFLAGS  += -march=mips1 -mabi=32 -EB -msoft-float -fno-pic -mno-abicalls -G64
# The assembler fills no delay slots, nor does the compiler; see missing.inc for the rest.
CFLAGS  += -fno-delayed-branch -ffixed-25 -mno-check-zero-division
CFLAGS  += -ffreestanding -fno-builtin -fno-common -fno-tree-loop-distribute-patterns
CFLAGS  += -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-stack-protector
MISSING := -Wa,-O1 -Wa,$(SUPPORT)missing.inc

else
$(error CONTEXT is nf, sim or sw, and not $(CONTEXT))
endif

OBJS := $(addprefix $(OBJDIR)/,$(SRCS:.c=.o) $(COMMON))

.PHONY: all mif clean
all: $(TARGET)

ifeq ($(CONTEXT),sw)
$(TARGET): $(OBJS)
	$(CC) -pthread -o $@ $^
else
$(TARGET): $(OBJS) $(SUPPORT)nf.ld $(SUPPORT)check.awk
	$(CROSS)ld -EB -T $(SUPPORT)nf.ld --gc-sections --strip-debug --discard-locals --build-id=none -z max-page-size=8 -o $@.new $(OBJS)
	$(CROSS)objdump -d -z -M no-aliases $@.new | awk -f $(SUPPORT)check.awk
	mv $@.new $@
endif

HEADERS := $(wildcard $(SUPPORT)*.h *.h)

$(OBJDIR)/%.o: %.c $(HEADERS) $(SUPPORT)missing.inc | $(OBJDIR)
	$(CC) $(CFLAGS) $(MISSING) -c -o $@ $<

$(OBJDIR)/%.o: $(SUPPORT)%.c $(HEADERS) $(SUPPORT)missing.inc | $(OBJDIR)
	$(CC) $(CFLAGS) $(MISSING) -c -o $@ $<

$(OBJDIR)/%.o: $(SUPPORT)%.S | $(OBJDIR)
	$(CC) $(CFLAGS) -c -o $@ $<

$(OBJDIR):
	mkdir -p $@

mif: $(TARGET)
	$(CALIPER) netthreads mif --force $(TARGET)

clean:
	rm -rf $(OUT)
