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

.PHONY: libmqtt libmqtt-archive install-libmqtt

libmqtt: $(BUILT)/libmqtt.so ## build libmqtt.a and libmqtt.so

libmqtt-archive:
	$(CARGO) build --profile libmqtt -p mqtt-ffi

$(BUILT)/libmqtt.a: libmqtt-archive
	mkdir -p $(BUILT)
	cmp -s $(BUILT)/../libmqtt/libmqtt.a $@ || cp $(BUILT)/../libmqtt/libmqtt.a $@

$(BUILT)/$(MQTT_SONAME): $(BUILT)/libmqtt.a $(MQTT_FOLDER)libmqtt.map
	$(CC) -shared -o $@.new \
	    -Wl,--whole-archive $< -Wl,--no-whole-archive -Wl,--gc-sections \
	    -Wl,-soname,$(MQTT_SONAME) -Wl,-z,nodelete -Wl,-z,defs \
	    -Wl,--version-script=$(MQTT_FOLDER)libmqtt.map $(LDFLAGS) $(MQTT_SYSTEM)
	mv $@.new $@

$(BUILT)/libmqtt.so: $(BUILT)/$(MQTT_SONAME)
	ln -sf $(MQTT_SONAME) $@

install-libmqtt: libmqtt ## install mqtt.h, libmqtt and its pkg-config file [PREFIX= DESTDIR=]
	install -d $(DESTDIR)$(PREFIX)/include $(DESTDIR)$(PREFIX)/lib/pkgconfig
	install -m 644 $(MQTT_FOLDER)../include/mqtt.h $(DESTDIR)$(PREFIX)/include/
	install -m 644 $(BUILT)/libmqtt.a $(DESTDIR)$(PREFIX)/lib/
	install -m 755 -s $(BUILT)/$(MQTT_SONAME) $(DESTDIR)$(PREFIX)/lib/
	ln -sf $(MQTT_SONAME) $(DESTDIR)$(PREFIX)/lib/libmqtt.so
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(MQTT_VERSION)|' \
	    $(MQTT_FOLDER)libmqtt.pc.in > $(DESTDIR)$(PREFIX)/lib/pkgconfig/libmqtt.pc
	chmod 644 $(DESTDIR)$(PREFIX)/lib/pkgconfig/libmqtt.pc
