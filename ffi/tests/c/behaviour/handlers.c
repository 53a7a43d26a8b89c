/* Handlers, and acknowledgement by the program. */
#include "behaviour.h"

/* ---- handlers ---------------------------------------------------------- */

struct seen {
    int first, second, events, replies;
};

static void first_handler(void *user, mqtt_client *c, mqtt_msg *m)
{
    struct seen *seen = user;
    mqtt_op op;
    seen->first++;
    CHECK(text_is(mqtt_msg_topic(m), "a/b"));
    /* Whatever would wait for this thread is refused; the rest works. */
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    CHECK(mqtt_client_dispatch(c, 0) == MQTT_E_DEADLOCK);
    CHECK(mqtt_client_wait_connected(c, 1) == MQTT_E_DEADLOCK);
    CHECK(mqtt_client_disconnect(c, 0, NULL, 1) == MQTT_E_DEADLOCK);
    CHECK(mqtt_client_publish(c, "other", "", 0, 0, 0, &op) == MQTT_OK);
    CHECK(mqtt_client_wait(c, op, 1, NULL) == MQTT_E_DEADLOCK);
}

static void second_handler(void *user, mqtt_client *c, mqtt_msg *m)
{
    struct seen *seen = user;
    (void)c;
    CHECK(mqtt_msg_payload(m, NULL) != NULL);
    seen->second++;
}

static void event_handler(void *user, mqtt_client *c, const mqtt_event *e)
{
    struct seen *seen = user;
    (void)c;
    if (mqtt_event_type(e) == MQTT_EVENT_MESSAGE)
        seen->events++;
}

static void reply_handler(void *user, mqtt_client *c, mqtt_status status,
                          mqtt_msg *reply)
{
    struct seen *seen = user;
    (void)c;
    CHECK(status == MQTT_E_TIMEOUT && reply == NULL);
    seen->replies++;
}

void handlers(void)
{
    struct seen seen = {0, 0, 0, 0};
    mqtt_client *c = connected();
    mqtt_client_set_event_handler(c, event_handler, &seen);
    subscribe(c, "a/#", 0, first_handler, &seen);
    subscribe(c, "+/b", 0, second_handler, &seen);
    subscribe(c, "plain", 0, NULL, NULL);
    publish(c, "a/b", "", 0);
    publish(c, "plain", "", 0);
    mqtt_msg *question = mqtt_msg_new("nobody/answers", "", 0);
    CHECK(mqtt_client_request(c, question, 50, reply_handler, &seen, NULL) ==
          MQTT_OK);
    mqtt_msg_unref(question);
    while (seen.first < 1 || seen.second < 1 || seen.events < 1 ||
           seen.replies < 1)
        CHECK(mqtt_client_dispatch(c, PATIENCE_MS) > 0);
    CHECK(seen.first == 1 && seen.second == 1 && seen.events == 1);
    mqtt_client_free(c);
}

static void free_client(void *user, mqtt_client *c, mqtt_msg *m)
{
    (void)m;
    ++*(int *)user;
    mqtt_client_free(c);
}

void free_in_handler(void)
{
    int calls = 0;
    mqtt_client *c = connected();
    subscribe(c, "a", 0, free_client, &calls);
    publish(c, "a", "", 0);
    publish(c, "a", "", 0);
    while (calls == 0)
        CHECK(mqtt_client_dispatch(c, PATIENCE_MS) >= 0);
    CHECK(calls == 1);
}

/* ---- acknowledgement --------------------------------------------------- */

void manual_ack(void)
{
    mqtt_client *c = connected();
    subscribe(c, "a", MQTT_SUB_MANUAL_ACK, NULL, NULL);
    publish(c, "a", "1", 1);
    publish(c, "a", "2", 2);
    mqtt_msg *first = mqtt_msg_ref(mqtt_event_msg(next(c, MQTT_EVENT_MESSAGE)));
    mqtt_msg *second =
        mqtt_msg_ref(mqtt_event_msg(next(c, MQTT_EVENT_MESSAGE)));
    CHECK(mqtt_msg_ack(second, MQTT_RC_KEEP_ALIVE_TIMEOUT) == MQTT_E_ARG);
    CHECK(mqtt_msg_ack(second, MQTT_RC_SUCCESS) == MQTT_OK);
    CHECK(mqtt_msg_ack(first, MQTT_RC_SUCCESS) == MQTT_OK);
    CHECK(mqtt_msg_ack(first, MQTT_RC_SUCCESS) == MQTT_E_STATE);
    mqtt_msg_unref(first);
    mqtt_client_free(c);
    CHECK(mqtt_msg_ack(second, MQTT_RC_SUCCESS) == MQTT_E_STATE);
    mqtt_msg_unref(second);
}
