/* Payloads that are not copied, and operations that are taken back. */
#include "behaviour.h"

#include <stdatomic.h>
#include <string.h>

static const char text[] = "not copied";
static atomic_int returned;

static void give_back(void *user, const void *payload)
{
    CHECK(user == &returned && payload == text);
    atomic_fetch_add(&returned, 1);
}

void borrowed(void)
{
    size_t length;
    mqtt_op op;
    mqtt_client *c = connected();
    subscribe(c, "lent", 0, NULL, NULL);
    CHECK(mqtt_msg_new_borrowed("#", text, sizeof text - 1, give_back,
                                &returned) == NULL);
    CHECK(atomic_load(&returned) == 1);
    mqtt_msg *m = mqtt_msg_new_borrowed("lent", text, sizeof text - 1,
                                        give_back, &returned);
    CHECK(mqtt_msg_payload(m, &length) == text && length == sizeof text - 1);
    CHECK(mqtt_msg_set_qos(m, 1) == MQTT_OK);
    CHECK(mqtt_client_publish_msg(c, m, &op) == MQTT_OK);
    CHECK(atomic_load(&returned) == 1);
    mqtt_msg_unref(m);
    CHECK(mqtt_client_wait(c, op, PATIENCE_MS, NULL) == MQTT_OK);
    const mqtt_event *e = next(c, MQTT_EVENT_MESSAGE);
    CHECK(text_is(mqtt_msg_payload(mqtt_event_msg(e), NULL), text));
    mqtt_client_free(c);
    CHECK(atomic_load(&returned) == 2);
}

/* The server at this URL accepts and says nothing, so all of it waits. */
void cancelled(void)
{
    mqtt_client *c;
    mqtt_op publish_op, subscribe_op, request_op;
    mqtt_msg *question = mqtt_msg_new("question", "?", 1);
    CHECK(mqtt_client_open(url, &c) == MQTT_OK);
    CHECK(mqtt_client_publish(c, "a", "", 0, 1, 0, &publish_op) == MQTT_OK);
    CHECK(mqtt_client_subscribe(c, "a", 0, 0, NULL, NULL, &subscribe_op) ==
          MQTT_OK);
    CHECK(mqtt_client_request(c, question, MQTT_FOREVER, NULL, NULL,
                              &request_op) == MQTT_OK);
    mqtt_msg_unref(question);
    CHECK(mqtt_client_cancel(c, publish_op) == MQTT_OK);
    CHECK(mqtt_client_cancel(c, publish_op) == MQTT_E_NOT_FOUND);
    CHECK(mqtt_client_cancel(c, subscribe_op) == MQTT_OK);
    CHECK(mqtt_client_cancel(c, request_op) == MQTT_OK);
    const mqtt_event *e = next(c, MQTT_EVENT_PUBLISH_DONE);
    CHECK(mqtt_event_op(e) == publish_op);
    CHECK(mqtt_event_status(e) == MQTT_E_CANCELLED);
    CHECK(mqtt_event_op(next(c, MQTT_EVENT_SUBSCRIBE_DONE)) == subscribe_op);
    CHECK(mqtt_event_op(next(c, MQTT_EVENT_REPLY)) == request_op);
    CHECK(mqtt_client_stat(c, MQTT_STAT_QUEUED_MESSAGES) == 0);
    CHECK(mqtt_client_cancel(c, 12345) == MQTT_E_NOT_FOUND);
    mqtt_client_free(c);
}
