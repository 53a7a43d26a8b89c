/* What becomes of each operation, and what messages carry. */
#include "behaviour.h"

#include <string.h>

/* ---- one outcome for each operation ------------------------------------ */

void outcomes(void)
{
    mqtt_client *c = connected();
    mqtt_op ops[6];
    for (int qos = 0; qos < 6; qos++)
        CHECK(mqtt_client_publish(c, "a", "x", 1, qos % 3, 0, &ops[qos]) ==
              MQTT_OK);
    for (int i = 0; i < 3; i++) {
        mqtt_reason reason = -1;
        CHECK(mqtt_client_wait(c, ops[i], PATIENCE_MS, &reason) == MQTT_OK);
        CHECK(reason == MQTT_RC_SUCCESS ||
              reason == MQTT_RC_NO_MATCHING_SUBSCRIBERS);
        CHECK(mqtt_client_wait(c, ops[i], 0, NULL) == MQTT_E_NOT_FOUND);
    }
    for (int i = 3; i < 6; i++) {
        const mqtt_event *e = next(c, MQTT_EVENT_PUBLISH_DONE);
        CHECK(mqtt_event_op(e) == ops[i]);
        CHECK(mqtt_event_status(e) == MQTT_OK);
        CHECK(text_is(mqtt_event_message(e), ""));
    }
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    CHECK(mqtt_client_stat(c, MQTT_STAT_SENT) == 6);
    mqtt_client_free(c);
}

/* ---- stamps ------------------------------------------------------------ */

void stamps(void)
{
    mqtt_client *c = connected();
    subscribe(c, "clock", 0, NULL, NULL);
    int user;
    mqtt_op op;
    mqtt_msg *m = mqtt_msg_new("clock", "t", 1);
    CHECK(mqtt_msg_timestamp(m) == 0);
    CHECK(mqtt_msg_set_user_data(m, &user) == MQTT_OK);
    uint64_t before = now();
    CHECK(mqtt_client_publish_msg(c, m, &op) == MQTT_OK);
    mqtt_msg_unref(m);
    uint64_t sent = 0, received = 0;
    while (sent == 0 || received == 0) {
        const mqtt_event *e = mqtt_client_next_event(c, PATIENCE_MS);
        if (mqtt_event_type(e) == MQTT_EVENT_PUBLISH_DONE) {
            CHECK(mqtt_event_user_data(e) == &user);
            sent = mqtt_event_timestamp(e);
        }
        if (mqtt_event_type(e) == MQTT_EVENT_MESSAGE) {
            received = mqtt_msg_timestamp(mqtt_event_msg(e));
            CHECK(mqtt_event_timestamp(e) == received);
        }
    }
    CHECK(before <= sent && sent < received && received <= now());
    mqtt_client_free(c);
}

/* ---- properties -------------------------------------------------------- */

static mqtt_msg *message_with_everything(void)
{
    mqtt_msg *m = mqtt_msg_new("props", "caf\xc3\xa9", 5);
    CHECK(m != NULL);
    CHECK(mqtt_msg_set_qos(m, 1) == MQTT_OK);
    CHECK(mqtt_msg_set_expiry(m, 60) == MQTT_OK);
    CHECK(mqtt_msg_set_content_type(m, "text/plain") == MQTT_OK);
    CHECK(mqtt_msg_set_payload_utf8(m, 1) == MQTT_OK);
    CHECK(mqtt_msg_set_response_topic(m, "answer") == MQTT_OK);
    CHECK(mqtt_msg_set_correlation(m, "\0\1\2", 3) == MQTT_OK);
    CHECK(mqtt_msg_add_user_property(m, "a", "1") == MQTT_OK);
    CHECK(mqtt_msg_add_user_property(m, "b", "") == MQTT_OK);
    CHECK(mqtt_msg_add_user_property(m, "a", "2") == MQTT_OK);
    return m;
}

static void check_everything(const mqtt_msg *m)
{
    size_t length;
    uint32_t seconds;
    const char *name, *value;
    CHECK(text_is(mqtt_msg_topic(m), "props"));
    CHECK(text_is(mqtt_msg_payload(m, &length), "caf\xc3\xa9") && length == 5);
    CHECK(mqtt_msg_qos(m) == 1 && mqtt_msg_retain(m) == 0);
    CHECK(mqtt_msg_expiry(m, &seconds) == 1 && seconds <= 60 && seconds >= 40);
    CHECK(text_is(mqtt_msg_content_type(m), "text/plain"));
    CHECK(mqtt_msg_payload_utf8(m) == 1);
    CHECK(text_is(mqtt_msg_response_topic(m), "answer"));
    CHECK(memcmp(mqtt_msg_correlation(m, &length), "\0\1\2", 3) == 0);
    CHECK(length == 3);
    CHECK(mqtt_msg_user_property_count(m) == 3);
    CHECK(mqtt_msg_user_property(m, 2, &name, &value) == 1);
    CHECK(text_is(name, "a") && text_is(value, "2"));
    CHECK(mqtt_msg_user_property(m, 3, &name, &value) == 0);
    CHECK(text_is(mqtt_msg_find_user_property(m, "a"), "1"));
    CHECK(text_is(mqtt_msg_find_user_property(m, "b"), ""));
    CHECK(mqtt_msg_find_user_property(m, "c") == NULL);
}

void properties(void)
{
    mqtt_client *c = connected();
    subscribe(c, "props", 0, NULL, NULL);
    mqtt_msg *m = message_with_everything();
    CHECK(mqtt_client_publish_msg(c, m, NULL) == MQTT_OK);
    check_everything(m);
    mqtt_msg_unref(m);

    /* A received message can be kept, and published again as it is. */
    m = mqtt_msg_ref(mqtt_event_msg(next(c, MQTT_EVENT_MESSAGE)));
    check_everything(m);
    CHECK(mqtt_client_publish_msg(c, m, NULL) == MQTT_OK);
    const mqtt_event *e = next(c, MQTT_EVENT_MESSAGE);
    check_everything(mqtt_event_msg(e));
    check_everything(m);

    /* Only one holder may change a message. */
    mqtt_msg *same = mqtt_msg_ref(m);
    CHECK(mqtt_msg_set_qos(m, 0) == MQTT_E_STATE);
    mqtt_msg_unref(same);
    CHECK(mqtt_msg_set_qos(m, 0) == MQTT_OK);
    CHECK(mqtt_msg_set_response_topic(m, "a/#") == MQTT_E_TOPIC);
    CHECK(mqtt_msg_set_content_type(m, "\xff") == MQTT_E_UTF8);
    CHECK(mqtt_msg_set_qos(m, 3) == MQTT_E_ARG);
    mqtt_msg_unref(m);
    mqtt_client_free(c);
}
