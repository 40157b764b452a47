# The rules by which programs are built (tech doc section 4.3). A program's Makefile says
#
#	TARGETS=name                  the programs, one or several
#	name_OBJS=process.o           what a program consists of beside name.c, if anything;
#	                              or, behind the include: "name: process.o"
#	EXTRA_DEFINES=-DFAST          for the compiler, if anything
#	include ../bench.mk
#
# What lies in support is there for every program: its headers can be included, and what is
# called of it is linked, whether its objects are listed or not.
#
# "make CONTEXT=nf" (the default) builds for the card, sim for the card with log, and sw for
# this computer: build/nf/name.elf, build/sim/name.elf and build/sw/name. Each context has a
# folder of its own, so that nothing need be cleaned between them. "make mif" writes the
# files that the loader of the card takes.

TARGETS ?= $(TARGET)
CONTEXT ?= nf
OUT     ?= build
CROSS   ?= mips-linux-gnu-
CALIPER ?= caliper
OPT     ?= -O2

ifeq ($(filter nf sim sw,$(CONTEXT)),)
$(error CONTEXT is nf, sim or sw, and not $(CONTEXT))
endif

ifndef NF_SOURCES

# First make goes to the folder of the objects, and reads the Makefile again from there.

OBJDIR := $(abspath $(OUT))/$(CONTEXT)

.PHONY: all mif clean $(TARGETS)
all mif $(TARGETS):
	@mkdir -p $(OBJDIR)
	@$(MAKE) --no-print-directory -C $(OBJDIR) -I $(CURDIR) -f $(abspath $(firstword $(MAKEFILE_LIST))) \
		NF_SOURCES=$(CURDIR) CONTEXT=$(CONTEXT) CROSS=$(CROSS) CALIPER=$(CALIPER) OPT="$(OPT)" $@

# The objects of "name: process.o" are made there, too.
%.o: ;

clean:
	rm -rf $(OUT)

else

SUPPORT := $(abspath $(dir $(lastword $(MAKEFILE_LIST))))/support/
VPATH   := $(NF_SOURCES):$(SUPPORT)

# Programs of the time when this interface was made count on what compilers did then: inline
# functions of GNU C, and variables that several files define without a value.
CFLAGS := -std=gnu11 -fgnu89-inline -fcommon $(OPT) -Wall -Wextra -fno-strict-aliasing -I$(NF_SOURCES) -I$(SUPPORT)
START  := start.o missing.o
COMMON := support.o pktbuff.o deque.o mtdeque.o workqueue.o memory.o memcpy.o rwlock.o print.o string.o int64.o

ifeq ($(CONTEXT),sw)

CC      := gcc
AR      := ar
CFLAGS  += -DCONTEXT_SW -D_GNU_SOURCE -fno-builtin-log -pthread
START   := sw.o
COMMON  := $(filter-out support.o string.o int64.o,$(COMMON))

else

CC      := $(CROSS)gcc
AR      := $(CROSS)ar
CFLAGS  += -DCONTEXT_$(if $(filter nf,$(CONTEXT)),NF,SIM)
CFLAGS  += -march=mips1 -mabi=32 -EB -msoft-float -fno-pic -mno-abicalls -G64
# The assembler fills no delay slots, nor does the compiler; see missing.inc for the rest.
CFLAGS  += -fno-delayed-branch -ffixed-25 -mno-check-zero-division
CFLAGS  += -ffreestanding -fno-builtin -fno-tree-loop-distribute-patterns -U_FORTIFY_SOURCE
CFLAGS  += -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables -fno-stack-protector
ifeq ($(CONTEXT),nf)
# Much is only there to be given to log.
CFLAGS  += -Wno-unused-variable -Wno-unused-but-set-variable -Wno-unused-parameter
endif
MISSING := -Wa,-O1 -Wa,$(SUPPORT)missing.inc

endif

CFLAGS += $(EXTRA_DEFINES)

.PHONY: all mif $(TARGETS)
.SECONDEXPANSION:
all: $(TARGETS)

# A program's own objects are its file of C, if it has one, what name_OBJS lists, and what
# its Makefile adds to the rule.
$(TARGETS): %: $$(if $$(wildcard $(NF_SOURCES)/$$*.c),$$*.o) $$($$*_OBJS) $(addprefix library/,$(START)) library.a
ifeq ($(CONTEXT),sw)
	$(CC) -pthread -o $@ $(filter %.o,$^) library.a
else
	$(CROSS)ld -EB -T $(SUPPORT)nf.ld --gc-sections --strip-debug --discard-locals --build-id=none -z max-page-size=8 -o $@.new $(filter %.o,$^) library.a
	$(CROSS)objdump -d -z -M no-aliases $@.new | awk -f $(SUPPORT)check.awk
	mv $@.new $@.elf
endif

HEADERS := $(wildcard $(SUPPORT)*.h $(NF_SOURCES)/*.h)

COMPILE = $(CC) $(CFLAGS) $(MISSING) -c -o $@ $<

%.o: %.c $(HEADERS) $(SUPPORT)missing.inc
	$(COMPILE)

# The library has a folder of its own: programs may have files that are called as its files.
library/%.o: $(SUPPORT)%.c $(HEADERS) $(SUPPORT)missing.inc
	@mkdir -p $(@D)
	$(COMPILE)

library/%.o: $(SUPPORT)%.S
	@mkdir -p $(@D)
	$(CC) $(CFLAGS) -c -o $@ $<

library.a: $(addprefix library/,$(COMMON))
	rm -f $@
	$(AR) rcD $@ $^

mif: $(TARGETS)
ifeq ($(CONTEXT),sw)
	$(error what runs on this computer is not loaded into the card: make CONTEXT=nf mif)
endif
	for target in $(TARGETS); do $(CALIPER) netthreads mif --force $$target.elf || exit; done

endif
