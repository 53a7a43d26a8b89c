/* NULL and nonsense, which are refused. */
#include "behaviour.h"

void nulls(void)
{
    mqtt_op op;
    mqtt_client *c = connected();
    CHECK(mqtt_options_new(NULL) == NULL);
    CHECK(mqtt_options_new("http://x") == NULL);
    CHECK(mqtt_options_set_client_id(NULL, "x") == MQTT_E_ARG);
    CHECK(mqtt_client_new(NULL, &c) == MQTT_E_ARG);
    CHECK(mqtt_client_open(url, NULL) == MQTT_E_ARG);
    CHECK(mqtt_client_wait_connected(NULL, 0) == MQTT_E_ARG);
    CHECK(mqtt_client_is_connected(NULL) == 0);
    CHECK(mqtt_client_reconnect(NULL) == MQTT_E_ARG);
    CHECK(mqtt_client_disconnect(NULL, 0, NULL, 0) == MQTT_E_ARG);
    CHECK(text_is(mqtt_client_id(NULL), ""));
    CHECK(mqtt_client_limit(NULL, MQTT_LIMIT_MAX_QOS) == 0);
    CHECK(mqtt_client_stat(NULL, MQTT_STAT_SENT) == 0);
    CHECK(mqtt_client_publish(NULL, "a", "x", 1, 0, 0, &op) == MQTT_E_ARG);
    CHECK(mqtt_client_publish(c, NULL, "x", 1, 0, 0, &op) == MQTT_E_ARG);
    CHECK(mqtt_client_publish(c, "a", NULL, 1, 0, 0, &op) == MQTT_E_ARG);
    CHECK(mqtt_client_publish(c, "a", "x", 1, 3, 0, &op) == MQTT_E_ARG);
    CHECK(mqtt_client_publish(c, "a", "x", 1, 0, 2, &op) == MQTT_E_ARG);
    CHECK(mqtt_client_publish(c, "+", "x", 1, 0, 0, &op) == MQTT_E_TOPIC);
    CHECK(mqtt_client_publish(c, "\xff", "x", 1, 0, 0, &op) == MQTT_E_UTF8);
    CHECK(mqtt_client_publish(c, "a", NULL, 0, 0, 0, NULL) == MQTT_OK);
    CHECK(mqtt_client_publish_msg(c, NULL, &op) == MQTT_E_ARG);
    CHECK(mqtt_client_wait(c, 12345, 0, NULL) == MQTT_E_NOT_FOUND);
    CHECK(mqtt_client_wait(c, 12345, -2, NULL) == MQTT_E_ARG);
    CHECK(mqtt_msg_new(NULL, NULL, 0) == NULL);
    CHECK(mqtt_msg_ref(NULL) == NULL);
    CHECK(mqtt_msg_set_qos(NULL, 0) == MQTT_E_ARG);
    CHECK(mqtt_msg_topic(NULL) == NULL);
    CHECK(text_is(mqtt_msg_payload(NULL, NULL), ""));
    CHECK(mqtt_msg_correlation(NULL, NULL) == NULL);
    CHECK(mqtt_msg_ack(NULL, 0) == MQTT_E_ARG);
    CHECK(mqtt_client_subscribe(c, "a/#/b", 0, 0, NULL, NULL, &op) ==
          MQTT_E_TOPIC);
    CHECK(mqtt_client_subscribe(c, "a", 0, 0x40, NULL, NULL, &op) ==
          MQTT_E_ARG);
    CHECK(mqtt_client_subscribe_many(c, NULL, 1, 0, 0, NULL, NULL, NULL,
                                     &op) == MQTT_E_ARG);
    CHECK(mqtt_client_unsubscribe(c, NULL, &op) == MQTT_E_ARG);
    CHECK(mqtt_client_request(c, NULL, 1, NULL, NULL, NULL) == MQTT_E_ARG);
    CHECK(mqtt_client_reply(c, NULL, NULL, 0) == MQTT_E_ARG);
    CHECK(mqtt_client_next_event(NULL, 0) == NULL);
    CHECK(mqtt_client_dispatch(NULL, 0) == MQTT_E_ARG);
    CHECK(mqtt_client_event_fd(NULL) == -1);
    mqtt_client_set_wakeup(NULL, NULL, NULL);
    mqtt_client_set_event_handler(NULL, NULL, NULL);
    mqtt_client_wake(NULL);
    CHECK(mqtt_event_type(NULL) == 0 && mqtt_event_op(NULL) == 0);
    CHECK(mqtt_event_status(NULL) == MQTT_OK && mqtt_event_reason(NULL) == 0);
    CHECK(text_is(mqtt_event_message(NULL), ""));
    CHECK(mqtt_event_msg(NULL) == NULL);
    CHECK(mqtt_event_retry_ms(NULL) == -1);
    CHECK(mqtt_topic_matches("a/+", "a/b") == 1);
    CHECK(mqtt_topic_matches("a/+", NULL) == 0);
    CHECK(text_is(mqtt_status_name(MQTT_E_TCP), "MQTT_E_TCP"));
    CHECK(text_is(mqtt_reason_name(0x89), "Server busy"));
    CHECK(mqtt_reason_name(-1) != NULL && mqtt_status_name(7) != NULL);
    mqtt_options_free(NULL);
    mqtt_props_free(NULL);
    mqtt_msg_unref(NULL);
    mqtt_client_free(NULL);
    mqtt_client_free(c);
}
