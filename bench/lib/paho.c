/* Paho's asynchronous C client, which has threads of its own. */
#define _GNU_SOURCE
#include "measure.h"

#include <MQTTAsync.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static MQTTAsync p;

static void on_success(void *user, MQTTAsync_successData5 *response)
{
    (void)user;
    (void)response;
    gate_pass();
}

static void on_failure(void *user, MQTTAsync_failureData5 *response)
{
    (void)user;
    (void)response;
    must(0, "an operation");
}

static int on_message(void *user, char *topic, int length,
                      MQTTAsync_message *message)
{
    (void)user;
    (void)length;
    must(message->payloadlen == PAYLOAD, "its payload");
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    gate_pass();
    return 1;
}

void bench_connect(int port)
{
    char url[64];
    snprintf(url, sizeof url, "tcp://127.0.0.1:%d", port);
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer5;
    MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer5;
    create.maxBufferedMessages = 1000;
    must(MQTTAsync_createWithOptions(&p, url, "bench",
                                     MQTTCLIENT_PERSISTENCE_NONE, NULL,
                                     &create) == 0,
         "a client");
    must(MQTTAsync_setCallbacks(p, NULL, NULL, on_message, NULL) == 0,
         "callbacks");
    connect.cleanstart = 1;
    connect.maxInflight = WINDOW;
    connect.onSuccess5 = on_success;
    connect.onFailure5 = on_failure;
    gate_set(1);
    must(MQTTAsync_connect(p, &connect) == 0, "a connection");
    gate_wait();
}

static void send_one(const char *topic, int qos, int is_reported)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.onSuccess5 = is_reported ? on_success : NULL;
    while (MQTTAsync_send(p, topic, PAYLOAD, payload, qos, 0, &options) != 0)
        usleep(100);
}

void bench_publish(int qos, long count)
{
    gate_set(count + 1);
    for (long i = 0; i < count; i++)
        send_one("bench", qos, 1);
    send_one("bench", 1, 1);
    gate_wait();
}

void bench_receive(const char *topic, int qos, long count)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    gate_set(count);
    must(MQTTAsync_subscribe(p, topic, qos, &options) == 0, "a subscription");
    gate_wait();
}

void bench_echo_begin(void)
{
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    options.onSuccess5 = on_success;
    gate_set(1);
    must(MQTTAsync_subscribe(p, "echo", 0, &options) == 0, "a subscription");
    gate_wait();
}

void bench_echo(void)
{
    gate_set(1);
    send_one("echo", 0, 0);
    gate_wait();
}

void bench_end(void)
{
    MQTTAsync_destroy(&p);
}
