/* A thread that calls the handlers, and several servers. */
#include "behaviour.h"

#include <stdatomic.h>

/* ---- the callback thread ----------------------------------------------- */

struct calls {
    atomic_int connected, messages, running;
};

static void count_event(void *user, mqtt_client *c, const mqtt_event *e)
{
    struct calls *calls = user;
    CHECK(mqtt_client_dispatch(c, 0) == MQTT_E_DEADLOCK);
    if (mqtt_event_type(e) == MQTT_EVENT_CONNECTED)
        atomic_fetch_add(&calls->connected, 1);
}

static void count_message(void *user, mqtt_client *c, mqtt_msg *m)
{
    struct calls *calls = user;
    (void)c;
    (void)m;
    atomic_fetch_add(&calls->running, 1);
    atomic_fetch_add(&calls->messages, 1);
    atomic_fetch_sub(&calls->running, 1);
}

static mqtt_client *with_callback_thread(mqtt_event_fn handler, void *user)
{
    mqtt_client *c;
    mqtt_options *o = mqtt_options_new(url);
    CHECK(mqtt_options_set_callback_thread(o, 1) == MQTT_OK);
    CHECK(mqtt_options_set_event_handler(o, handler, user) == MQTT_OK);
    CHECK(mqtt_client_new(o, &c) == MQTT_OK);
    mqtt_options_free(o);
    return c;
}

static void until_reached(atomic_int *count, int wanted)
{
    uint64_t deadline = now() + (uint64_t)PATIENCE_MS * 1000000u;
    while (atomic_load(count) < wanted)
        CHECK(now() < deadline);
}

void callback_thread(void)
{
    struct calls calls = {0, 0, 0};
    mqtt_client *c = with_callback_thread(count_event, &calls);
    CHECK(mqtt_client_subscribe(c, "a", 1, 0, count_message, &calls, NULL) ==
          MQTT_OK);
    for (int i = 0; i < 100; i++)
        publish(c, "a", "x", i % 2);
    until_reached(&calls.messages, 100);
    CHECK(atomic_load(&calls.connected) == 1);
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    CHECK(mqtt_client_dispatch(c, 0) == MQTT_E_STATE);
    for (int i = 0; i < 1000; i++)
        publish(c, "a", "x", 0);
    mqtt_client_free(c);
    CHECK(atomic_load(&calls.running) == 0);
}

static void free_when_connected(void *user, mqtt_client *c, const mqtt_event *e)
{
    if (mqtt_event_type(e) != MQTT_EVENT_CONNECTED)
        return;
    mqtt_client_free(c);
    atomic_fetch_add((atomic_int *)user, 1);
}

/* The thread ends by itself; the leak check sees whether it leaves anything. */
void free_in_callback_thread(void)
{
    atomic_int calls = 0;
    with_callback_thread(free_when_connected, &calls);
    until_reached(&calls, 1);
}

/* ---- several servers --------------------------------------------------- */

void several_servers(void)
{
    mqtt_client *c;
    mqtt_options *o = mqtt_options_new("mqtt://127.0.0.1:1");
    CHECK(mqtt_options_add_server(o, "unix:///nowhere/at/all") == MQTT_OK);
    CHECK(mqtt_options_add_server(o, url) == MQTT_OK);
    CHECK(mqtt_options_add_server(o, "mqtt://ann:pw@host") == MQTT_E_URL);
    CHECK(mqtt_options_set_redirect(o, MQTT_REDIRECT_FOLLOW) == MQTT_OK);
    CHECK(mqtt_options_set_redirect(o, 2) == MQTT_E_ARG);
    CHECK(mqtt_options_set_bind_address(o, "localhost") == MQTT_E_ARG);
    CHECK(mqtt_options_set_bind_address(o, "127.0.0.1") == MQTT_OK);
    CHECK(mqtt_options_set_bind_address(o, NULL) == MQTT_OK);
    CHECK(mqtt_options_set_proxy(o, "ftp://host") == MQTT_E_URL);
    CHECK(mqtt_options_set_proxy(o, NULL) == MQTT_OK);
    CHECK(mqtt_options_set_ack_timeout(o, 0) == MQTT_E_ARG);
    CHECK(mqtt_options_set_ack_timeout(o, MQTT_FOREVER) == MQTT_OK);
    CHECK(mqtt_client_new(o, &c) == MQTT_OK);
    mqtt_options_free(o);
    for (int failed = 0; failed < 2; failed++) {
        const mqtt_event *e = mqtt_client_next_event(c, PATIENCE_MS);
        CHECK(mqtt_event_type(e) == MQTT_EVENT_CONNECT_FAILED);
        CHECK(mqtt_event_retry_ms(e) == 0);
    }
    CHECK(mqtt_event_type(mqtt_client_next_event(c, PATIENCE_MS)) ==
          MQTT_EVENT_CONNECTED);
    mqtt_client_free(c);
}
