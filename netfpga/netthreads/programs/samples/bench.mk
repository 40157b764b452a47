# The samples are built as programs beside them are.
include $(dir $(lastword $(MAKEFILE_LIST)))../bench.mk
