/* libmqtt, drained by the program's own thread. */
#include "measure.h"

#include <mqtt.h>

#include <stdio.h>

static mqtt_client *c;

void bench_connect(int port)
{
    char url[64];
    snprintf(url, sizeof url, "mqtt://127.0.0.1:%d", port);
    mqtt_options *o = mqtt_options_new(url);
    mqtt_options_set_max_inflight(o, WINDOW);
    must(mqtt_client_new(o, &c) == MQTT_OK, "a client");
    mqtt_options_free(o);
    must(mqtt_client_wait_connected(c, 10000) == MQTT_OK, "a connection");
    while (mqtt_client_next_event(c, 0) != NULL)
        continue;
}

static void until_writable(void)
{
    const mqtt_event *e;
    do
        must((e = mqtt_client_next_event(c, 60000)) != NULL, "room");
    while (mqtt_event_type(e) != MQTT_EVENT_WRITABLE);
}

void bench_publish(int qos, long count)
{
    for (long i = 0; i < count; i++)
        while (mqtt_client_publish(c, "bench", payload, PAYLOAD, qos, 0,
                                   NULL) == MQTT_E_FULL)
            until_writable();
    mqtt_op last;
    while (mqtt_client_publish(c, "bench", payload, PAYLOAD, 1, 0, &last) ==
           MQTT_E_FULL)
        until_writable();
    must(mqtt_client_wait(c, last, 60000, NULL) == MQTT_OK, "the last one");
}

void bench_receive(const char *topic, int qos, long count)
{
    must(mqtt_client_subscribe(c, topic, qos, 0, NULL, NULL, NULL) == MQTT_OK,
         "a subscription");
    while (count > 0) {
        const mqtt_event *e = mqtt_client_next_event(c, 60000);
        must(e != NULL, "a message");
        if (mqtt_event_type(e) == MQTT_EVENT_MESSAGE) {
            size_t length;
            mqtt_msg_payload(mqtt_event_msg(e), &length);
            must(length == PAYLOAD, "its payload");
            count--;
        }
    }
    mqtt_client_next_event(c, 0);
}

void bench_echo_begin(void)
{
    mqtt_op op;
    must(mqtt_client_subscribe(c, "echo", 0, 0, NULL, NULL, &op) == MQTT_OK &&
             mqtt_client_wait(c, op, 10000, NULL) == MQTT_OK,
         "a subscription");
}

void bench_echo(void)
{
    must(mqtt_client_publish(c, "echo", payload, PAYLOAD, 0, 0, NULL) ==
             MQTT_OK,
         "a question");
    must(mqtt_event_type(mqtt_client_next_event(c, 10000)) ==
             MQTT_EVENT_MESSAGE,
         "an answer");
}

void bench_end(void)
{
    mqtt_client_free(c);
}
