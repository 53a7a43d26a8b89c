# Installs the foreign software that the tests in bench/interop meet; the Makefile at the top includes it.

INTEROP_FOLDER := $(dir $(lastword $(MAKEFILE_LIST)))
INTEROP        := $(abspath $(TARGET))/interop
PAHO_VERSION   := 2.2.0
MQTTJS_VERSION := 5.16.0

.PHONY: interop deps-interop interop-quick

# The C programs also meet mosquitto among the tests of libmqtt, in all its cases.
interop: deps-interop build ## meet foreign clients and brokers, after installing them
	@.ci/install chromium
	$(CARGO) build --manifest-path $(INTEROP_FOLDER)peers/rumqtt/Cargo.toml --target-dir $(INTEROP)/rumqtt
	$(CARGO) test -p interop --test '*'
	$(CARGO) test -p mqtt-broker --test mosquitto

# What takes seconds to install and to run; built as the rest of the workspace is, so that nothing is built twice.
interop-quick: deps-interop build
	$(CARGO) test --workspace --test foreign_clients --test foreign_brokers -- \
	    --skip chromium --skip rumqtt

deps-interop: $(INTEROP)/paho-$(PAHO_VERSION) $(INTEROP)/mqttjs-$(MQTTJS_VERSION)
	@.ci/install openssl mosquitto mosquitto-clients

$(INTEROP)/paho-$(PAHO_VERSION):
	@.ci/install python
	rm -rf $(INTEROP)/paho*
	python3 -m venv $(INTEROP)/paho
	$(INTEROP)/paho/bin/pip install -q --disable-pip-version-check paho-mqtt==$(PAHO_VERSION)
	touch $@

$(INTEROP)/mqttjs-$(MQTTJS_VERSION):
	@.ci/install node npm
	rm -rf $(INTEROP)/node_modules $(INTEROP)/mqttjs-*
	mkdir -p $(INTEROP)
	npm install --silent --no-save --no-audit --no-fund --prefix $(INTEROP) mqtt@$(MQTTJS_VERSION)
	touch $@
