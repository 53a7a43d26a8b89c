# Measures libmqtt beside other client libraries; the Makefile at the top includes it.

BENCH_LIB_FOLDER := $(dir $(lastword $(MAKEFILE_LIST)))
BENCH_LIB        := $(abspath $(TARGET))/bench-lib
BENCH_LIB_FLAGS  := -std=c11 -O2 -Wall -Wextra -Werror -pthread

.PHONY: bench-lib
bench-lib: libmqtt ## measure libmqtt beside libmosquitto and Paho [ROUNDS=3]
	@.ci/install compiler libmosquitto libpaho
	mkdir -p $(BENCH_LIB)
	strip -o $(BENCH_LIB)/libmqtt.so.0 $(BUILT)/libmqtt.so.0
	$(CC) $(BENCH_LIB_FLAGS) $(BENCH_LIB_FOLDER)stub.c -o $(BENCH_LIB)/stub
	$(CC) $(BENCH_LIB_FLAGS) $(BENCH_LIB_FOLDER)measure.c $(BENCH_LIB_FOLDER)raw.c -o $(BENCH_LIB)/raw
	$(CC) $(BENCH_LIB_FLAGS) -Iinclude $(BENCH_LIB_FOLDER)measure.c $(BENCH_LIB_FOLDER)ours.c \
	    $(BENCH_LIB)/libmqtt.so.0 -o $(BENCH_LIB)/ours
	$(CC) $(BENCH_LIB_FLAGS) $(BENCH_LIB_FOLDER)measure.c $(BENCH_LIB_FOLDER)mosquitto.c \
	    -lmosquitto -o $(BENCH_LIB)/mosquitto
	$(CC) $(BENCH_LIB_FLAGS) $(BENCH_LIB_FOLDER)measure.c $(BENCH_LIB_FOLDER)paho.c \
	    -lpaho-mqtt3a -o $(BENCH_LIB)/paho
	$(BENCH_LIB_FOLDER)compare.py $(BENCH_LIB) $(or $(ROUNDS),3)
