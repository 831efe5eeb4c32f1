# Make reads this file after CPython's own Makefile, whose variables name its objects and libraries.

# The shadow stack comes first in memory, so that an overflow traps below address 0 instead of overwriting data.
GUEST_LDFLAGS = -mexec-model=reactor -Wl,--stack-first -Wl,-z,stack-size=8388608 -Wl,--lto-O3 -Wl,-mllvm,-hot-cold-split=true

# The file system in the guest's memory, in place of libc's functions that would ask the host.
FILES = $(patsubst %.c,%.o,$(wildcard files/*.c))
GUEST_LDFLAGS += -Wl,--wrap=chdir,--wrap=chmod,--wrap=fchmod,--wrap=__wasilibc_find_relpath_alloc

.PHONY: python-objects
python-objects: $(LINK_PYTHON_DEPS) $(LINK_PYTHON_OBJS)

guest.o modules.o wcsftime.o kdf.o $(FILES): %.o: %.c
	$(CC) $(CONFIGURE_CFLAGS) -std=c11 -Wall -Wextra -Werror -isystem ../cpython/Include -isystem ../cpython/Include/internal \
	    -isystem ../cpython/Modules/_hacl -isystem ../cpython/Modules/_hacl/include -I. -c $< -o $@

# Without LTO, which would gain nothing for a single array.
frozen_stdlib.o: ../frozen/frozen_stdlib.c ../frozen/frozen_stdlib.bin
	$(CC) -O1 -std=c23 -I../cpython/Include -I. -c $< -o $@

# Compiled already, without LTO, C++ in part; it prints numbers of type `long double`.
NUMPY_OBJS = $(shell cat numpy-objects)
NUMPY_LIBS = -L/usr/lib/llvm-22/lib/wasm32-wasi -lc++ -lc++abi -lc-printscan-long-double

guest.wasm: guest.o modules.o wcsftime.o kdf.o $(FILES) frozen_stdlib.o python-objects numpy-objects
	$(CC) $(CONFIGURE_CFLAGS) $(GUEST_LDFLAGS) -o $@ guest.o modules.o wcsftime.o kdf.o $(FILES) frozen_stdlib.o $(NUMPY_OBJS) \
	    $(LINK_PYTHON_OBJS) $(LIBS) $(MODLIBS) $(SYSLIBS) $(NUMPY_LIBS)
