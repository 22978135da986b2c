# Builds the tool.
CC ?= cc
CFLAGS := -O2 -Wall
VERSION != git describe
include config.mk rules.mk

.PHONY: all clean

# Everything.
all: tool docs

tool: main.o util.o
	$(CC) -o $@ $^

%.o: %.c
	$(CC) $(CFLAGS) -c $<

define banner
echo building
endef

clean:
	rm -f *.o tool
