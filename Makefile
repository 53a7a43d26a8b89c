# Builds, shows and tests. `make` lists what there is.

CARGO  ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
BUILT  := $(abspath $(TARGET))/release

# make demo [FILE=film.mkv] [SECONDS=n] [PLAYERS=n]
FILE    ?=
SECONDS ?=
PLAYERS ?= 2

.PHONY: help build plugin demo test bench-rooms simulate mutants faults update clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: plugin ## build the broker, libmqtt and the mpv plugin
	$(CARGO) build --release -p mqtt-broker

plugin: deps-demo libmqtt ## build mpv-plugin/playsync.so
	$(CARGO) build --release -p playsync
	$(MAKE) --no-print-directory -C mpv-plugin BUILT=$(BUILT)

demo: deps-demo build ## watch players in one room [FILE=film.mkv] [SECONDS=n] [PLAYERS=n]
	$(CARGO) build --release -p rooms
	@$(BUILT)/demo --players $(PLAYERS) --clips $(TARGET)/clips \
	    --broker $(BUILT)/mqtt-broker --plugin mpv-plugin/playsync.so \
	    $(if $(FILE),--file "$(FILE)") $(if $(SECONDS),--seconds $(SECONDS))

# The parts that the tests of real players load.
test: deps-test build ## test everything, after installing what that needs
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets -- -D warnings
	$(CARGO) clippy --workspace --test '*' -- -D warnings
	$(CARGO) test --workspace
	$(CARGO) test --workspace --test real_players
	$(MAKE) --no-print-directory interop-quick

bench-rooms: deps-demo build ## measure real players in rooms, write docs/accuracy.md [ROOMS=two,slow QUICK=--quick]
	@.ci/install mosquitto syncplay
	$(CARGO) build --release -p rooms
	python3 bench/rooms/accuracy.py --room $(BUILT)/room --broker $(BUILT)/mqtt-broker \
	    --clips $(TARGET)/clips --out $(TARGET)/accuracy $(if $(ROOMS),--only $(ROOMS)) $(QUICK)

simulate: ## simulate rooms and brokers for long [SEEDS=10000]
	SEEDS=$(or $(SEEDS),10000) $(CARGO) test --release -p playsync -p mqtt-broker \
	    --test 'simulation*' -- --nocapture

mutants: ## break the code at many statements of the standard, and see their tests turn red
	@protocol/spec/mutants/run

faults: ## kill the broker, cut its power, put it under more than it can bear, and print figures [SECONDS=10 KILLS=200 POWER_CUTS=10000 FLIPS=1000]
	KILLS=$(or $(KILLS),200) POWER_CUTS=$(or $(POWER_CUTS),10000) FLIPS=$(or $(FLIPS),1000) \
	    $(CARGO) test --release -p mqtt-broker --test simulation -- --nocapture
	$(if $(SECONDS),SECONDS=$(SECONDS)) $(CARGO) test --release -p mqtt-broker --test overload \
	    -- --nocapture --test-threads=1

update: ## write anew what is generated: headers, docs/conformance.md, docs/protocol/packets.md
	UPDATE_CONFORMANCE=1 $(CARGO) test -q -p mqtt-protocol --test statements --test drawings
	UPDATE_HEADER=1 $(CARGO) test -q -p mqtt-ffi -p playsync --test header

.PHONY: deps-demo deps-test
deps-demo:
	@.ci/install compiler mpv mpv-headers

deps-test:
	@.ci/install compiler c++ mpv mpv-headers mosquitto mosquitto-clients pkg-config cmake

.PHONY: install install-broker install-plugin
install: install-libmqtt install-broker install-plugin ## install everything [PREFIX=/usr/local DESTDIR=]

install-broker: build
	install -D -m 755 -s $(BUILT)/mqtt-broker $(DESTDIR)$(PREFIX)/bin/mqtt-broker
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	for unit in service socket; do \
	    sed 's|/usr/bin/|$(PREFIX)/bin/|' packaging/mqtt-broker.$$unit \
	        > $(DESTDIR)$(PREFIX)/lib/systemd/system/mqtt-broker.$$unit || exit 1; \
	done

# The plugin finds the library beside it, wherever mpv is told to load it from.
PLUGIN_FOLDER = $(DESTDIR)$(PREFIX)/lib/mpv-playsync
install-plugin: plugin
	install -D -m 755 -s mpv-plugin/playsync.so $(PLUGIN_FOLDER)/playsync.so
	install -D -m 755 -s $(BUILT)/libmqtt.so.0 $(PLUGIN_FOLDER)/libmqtt.so.0
	install -D -m 755 -s mpv-plugin/playsync $(PLUGIN_FOLDER)/playsync
	install -d $(DESTDIR)$(PREFIX)/bin
	ln -sf ../lib/mpv-playsync/playsync $(DESTDIR)$(PREFIX)/bin/playsync

clean: ## remove what was built
	$(CARGO) clean
	$(MAKE) --no-print-directory -C mpv-plugin clean

include bench/interop/interop.mk
include fuzz/fuzz.mk
include ffi/libmqtt.mk
include bench/lib/lib.mk
