# Builds and installs libmqtt; the Makefile at the top includes it.
#
# cargo makes the archive, cc links the shared library from it: so it gets its SONAME, exports
# mqtt_* and nothing else, and is never unloaded (Rust's thread-local destructors would outlive it).

CARGO      ?= cargo
CC         ?= cc
PREFIX     ?= /usr/local
BUILT      ?= target/release
MQTT_FOLDER := $(dir $(lastword $(MAKEFILE_LIST)))
MQTT_VERSION = $(shell sed -n 's/^version = "\(.*\)"/\1/p' $(MQTT_FOLDER)../Cargo.toml)
MQTT_SONAME := libmqtt.so.0
# What the Rust standard library in the archive stands on.
MQTT_SYSTEM := -lgcc_s -lpthread -ldl -lm -lc

# Relocations in a tenth of their size, where the linker can and the system's loader then can, too.
MQTT_PACK   := $(shell echo 'int x;' | $(CC) -shared -fPIC -Werror -Wl,--fatal-warnings \
    -Wl,-z,pack-relative-relocs -xc - -o /dev/null 2>/dev/null && echo -Wl,-z,pack-relative-relocs)

.PHONY: libmqtt libmqtt-archive libmqtt-tools check-memory deb-libmqtt install-libmqtt

libmqtt: $(BUILT)/libmqtt.so ## build libmqtt.a and libmqtt.so

libmqtt-archive:
	$(CARGO) build --profile libmqtt -p mqtt-ffi

$(BUILT)/libmqtt.a: libmqtt-archive
	mkdir -p $(BUILT)
	cmp -s $(BUILT)/../libmqtt/libmqtt.a $@ || cp $(BUILT)/../libmqtt/libmqtt.a $@

$(BUILT)/$(MQTT_SONAME): $(BUILT)/libmqtt.a $(MQTT_FOLDER)libmqtt.map
	$(CC) -shared -o $@.new \
	    -Wl,--whole-archive $< -Wl,--no-whole-archive -Wl,--gc-sections \
	    -Wl,-soname,$(MQTT_SONAME) -Wl,-z,nodelete -Wl,-z,defs $(MQTT_PACK) \
	    -Wl,--version-script=$(MQTT_FOLDER)libmqtt.map $(LDFLAGS) $(MQTT_SYSTEM)
	mv $@.new $@

$(BUILT)/libmqtt.so: $(BUILT)/$(MQTT_SONAME)
	ln -sf $(MQTT_SONAME) $@

MQTT_TOOLS := mqtt-pub mqtt-sub mqtt-request

libmqtt-tools: $(MQTT_TOOLS:%=$(BUILT)/%) ## build mqtt-pub, mqtt-sub and mqtt-request

$(BUILT)/mqtt-%: $(MQTT_FOLDER)../examples/tools/mqtt-%.c $(MQTT_FOLDER)../examples/tools/tool.c \
    $(MQTT_FOLDER)../examples/tools/tool.h $(BUILT)/libmqtt.so
	$(CC) -std=c11 -D_GNU_SOURCE -O2 -Wall -Wextra -I$(MQTT_FOLDER)../include \
	    $(filter %.c,$^) -L$(BUILT) -lmqtt -Wl,-rpath,'$$ORIGIN/../lib' -o $@

deb-libmqtt: libmqtt libmqtt-tools ## make Debian packages of libmqtt
	rm -rf $(BUILT)/deb
	mkdir -p $(BUILT)/deb
	$(MAKE) --no-print-directory -f $(firstword $(MAKEFILE_LIST)) install-libmqtt \
	    BUILT=$(BUILT) PREFIX=/usr DESTDIR=$(BUILT)/deb/stage
	$(MQTT_FOLDER)make-deb $(BUILT)/deb/stage $(BUILT)/deb $(MQTT_VERSION)

check-memory: libmqtt ## run the C cases of libmqtt under Valgrind
	@.ci/install compiler valgrind
	$(CARGO) build --release -p mqtt-broker
	$(MQTT_FOLDER)check-memory $(BUILT)

install-libmqtt: libmqtt libmqtt-tools ## install mqtt.h, libmqtt, its pkg-config and CMake files [PREFIX= DESTDIR=]
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig \
	    $(DESTDIR)$(PREFIX)/lib/cmake/libmqtt
	for part in config config-version; do \
	    sed -e 's|@VERSION@|$(MQTT_VERSION)|' $(MQTT_FOLDER)libmqtt-$$part.cmake.in \
	        > $(DESTDIR)$(PREFIX)/lib/cmake/libmqtt/libmqtt-$$part.cmake || exit 1; \
	    chmod 644 $(DESTDIR)$(PREFIX)/lib/cmake/libmqtt/libmqtt-$$part.cmake; \
	done
	install -d $(DESTDIR)$(PREFIX)/bin
	install -m 755 -s $(MQTT_TOOLS:%=$(BUILT)/%) $(DESTDIR)$(PREFIX)/bin/
	install -m 644 $(MQTT_FOLDER)../include/mqtt.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(BUILT)/libmqtt.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 -s $(BUILT)/$(MQTT_SONAME) $(DESTDIR)$(PREFIX)/lib/
	ln -sf $(MQTT_SONAME) $(DESTDIR)$(PREFIX)/lib/libmqtt.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(MQTT_VERSION)|' \
	    $(MQTT_FOLDER)libmqtt.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libmqtt.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/libmqtt.pc
