# Builds, shows and tests. `make` lists what there is.

CARGO  ?= cargo
TARGET := $(or $(CARGO_TARGET_DIR),target)
BUILT  := $(abspath $(TARGET))/release

# make demo [FILE=film.mkv] [SECONDS=n] [PLAYERS=n]
FILE    ?=
SECONDS ?=
PLAYERS ?= 2

.PHONY: help build plugin demo clean

help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: plugin ## build the broker, libmqtt and the mpv plugin
	$(CARGO) build --release -p mqtt-broker -p mqtt-ffi

plugin: deps-demo ## build mpv-plugin/playsync.so
	$(CARGO) build --release -p playsync -p mqtt-ffi
	$(MAKE) --no-print-directory -C mpv-plugin BUILT=$(BUILT)

demo: deps-demo build ## watch players in one room [FILE=film.mkv] [SECONDS=n] [PLAYERS=n]
	$(CARGO) build --release -p rooms
	@$(BUILT)/demo --players $(PLAYERS) --clips $(TARGET)/clips \
	    --broker $(BUILT)/mqtt-broker --plugin mpv-plugin/playsync.so \
	    $(if $(FILE),--file "$(FILE)") $(if $(SECONDS),--seconds $(SECONDS))

.PHONY: deps-demo
deps-demo:
	@.ci/install compiler mpv mpv-headers

clean: ## remove what was built
	$(CARGO) clean
	$(MAKE) --no-print-directory -C mpv-plugin clean
