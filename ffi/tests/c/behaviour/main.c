/* What libmqtt promises a C program, case by case: behaviour CASE URL
 *
 * tests/behaviour.rs runs each case under the sanitizers with a server at URL.
 */
#include "behaviour.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

const char *url;

void fail(const char *file, int line, const char *condition)
{
    fprintf(stderr, "%s:%d: not %s; last error: %s\n", file, line, condition,
            mqtt_last_error());
    exit(1);
}

uint64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

mqtt_client *connected(void)
{
    mqtt_client *c = NULL;
    CHECK(mqtt_client_open(url, &c) == MQTT_OK);
    CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
    CHECK(mqtt_client_is_connected(c) == 1);
    return c;
}

void subscribe(mqtt_client *c, const char *filter, unsigned flags,
               mqtt_message_fn handler, void *user)
{
    mqtt_op op;
    mqtt_reason reason = -1;
    CHECK(mqtt_client_subscribe(c, filter, 2, flags, handler, user, &op) ==
          MQTT_OK);
    CHECK(mqtt_client_wait(c, op, PATIENCE_MS, &reason) == MQTT_OK);
    CHECK(reason == MQTT_RC_GRANTED_QOS_2);
}

void publish(mqtt_client *c, const char *topic, const char *text, int qos)
{
    CHECK(mqtt_client_publish(c, topic, text, strlen(text), qos, 0, NULL) ==
          MQTT_OK);
}

const mqtt_event *next(mqtt_client *c, int type)
{
    for (;;) {
        const mqtt_event *e = mqtt_client_next_event(c, PATIENCE_MS);
        CHECK(e != NULL);
        if (mqtt_event_type(e) == type)
            return e;
    }
}

bool text_is(const char *text, const char *expected)
{
    return text != NULL && strcmp(text, expected) == 0;
}

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"outcomes", outcomes},
    {"stamps", stamps},
    {"properties", properties},
    {"nulls", nulls},
    {"descriptor", descriptor},
    {"wakeup", wakeup},
    {"wake", wake},
    {"handlers", handlers},
    {"free-in-handler", free_in_handler},
    {"manual-ack", manual_ack},
    {"forked", forked},
    {"signals", signals},
    {"farewell", farewell},
    {"silent-server", silent_server},
    {"lives", lives},
    {"threads", threads},
    {"comes-back", comes_back},
    {"borrowed", borrowed},
    {"cancelled", cancelled},
    {"callback-thread", callback_thread},
    {"free-in-callback-thread", free_in_callback_thread},
    {"several-servers", several_servers},
    {"killed", killed},
    {"raised", raised},
};

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    url = argv[2];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    }
    return 2;
}
