/* What the programs that measure a client library share; each library has its
 * own file with the functions below. */
#ifndef MEASURE_H
#define MEASURE_H

#include <stddef.h>

enum { PAYLOAD = 64, WINDOW = 100 };

extern const char payload[PAYLOAD];

/* Connects to the stub server, and returns once the server has accepted. */
void bench_connect(int port);

/* Publishes so many messages on "bench", and returns once the server has them:
 * QoS 0 all written, QoS 1 all acknowledged, at most WINDOW at once. */
void bench_publish(int qos, long count);

/* Subscribes to a topic that makes the server send so many messages, and
 * returns once all have been handed to the program and acknowledged. */
void bench_receive(const char *topic, int qos, long count);

/* Publishes on "echo", and waits until the server has sent it back. */
void bench_echo_begin(void);
void bench_echo(void);

/* Releases the client. */
void bench_end(void);

/* Ends the program if something is not so. */
void must(int is_so, const char *what);
double seconds(void);

/* A gate for callbacks on another thread: opens after so many calls of pass. */
void gate_set(long count);
void gate_pass(void);
void gate_wait(void);

#endif
