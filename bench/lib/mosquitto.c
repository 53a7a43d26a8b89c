/* libmosquitto with its own thread. */
#include "measure.h"

#include <mosquitto.h>

#include <stdbool.h>
#include <string.h>

static struct mosquitto *m;

static void on_connect(struct mosquitto *mosq, void *user, int code)
{
    (void)mosq;
    (void)user;
    must(code == 0, "a connection");
    gate_pass();
}

static void on_message(struct mosquitto *mosq, void *user,
                       const struct mosquitto_message *message)
{
    (void)mosq;
    (void)user;
    must(message->payloadlen == PAYLOAD, "its payload");
    gate_pass();
}

static void on_publish(struct mosquitto *mosq, void *user, int id)
{
    (void)mosq;
    (void)user;
    (void)id;
    gate_pass();
}

static void on_subscribe(struct mosquitto *mosq, void *user, int id, int count,
                         const int *granted)
{
    (void)mosq;
    (void)user;
    (void)id;
    (void)count;
    (void)granted;
    gate_pass();
}

void bench_connect(int port)
{
    mosquitto_lib_init();
    m = mosquitto_new(NULL, true, NULL);
    must(m != NULL, "a client");
    mosquitto_int_option(m, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
    mosquitto_int_option(m, MOSQ_OPT_TCP_NODELAY, 1);
    mosquitto_max_inflight_messages_set(m, WINDOW);
    mosquitto_connect_callback_set(m, on_connect);
    gate_set(1);
    must(mosquitto_connect(m, "127.0.0.1", port, 60) == 0, "a connection");
    must(mosquitto_loop_start(m) == 0, "a thread");
    gate_wait();
}

void bench_publish(int qos, long count)
{
    mosquitto_publish_callback_set(m, on_publish);
    gate_set(count + 1);
    for (long i = 0; i < count; i++)
        must(mosquitto_publish(m, NULL, "bench", PAYLOAD, payload, qos,
                               false) == 0,
             "a publish");
    must(mosquitto_publish(m, NULL, "bench", PAYLOAD, payload, 1, false) == 0,
         "the last one");
    gate_wait();
}

void bench_receive(const char *topic, int qos, long count)
{
    mosquitto_message_callback_set(m, on_message);
    gate_set(count);
    must(mosquitto_subscribe(m, NULL, topic, qos) == 0, "a subscription");
    gate_wait();
}

void bench_echo_begin(void)
{
    mosquitto_subscribe_callback_set(m, on_subscribe);
    gate_set(1);
    must(mosquitto_subscribe(m, NULL, "echo", 0) == 0, "a subscription");
    gate_wait();
    mosquitto_message_callback_set(m, on_message);
}

void bench_echo(void)
{
    gate_set(1);
    must(mosquitto_publish(m, NULL, "echo", PAYLOAD, payload, 0, false) == 0,
         "a question");
    gate_wait();
}

void bench_end(void)
{
    mosquitto_disconnect(m);
    mosquitto_loop_stop(m, true);
    mosquitto_destroy(m);
    mosquitto_lib_cleanup();
}
