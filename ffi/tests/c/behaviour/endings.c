/* Leaving, short lives, and a server that comes and goes. */
#include "behaviour.h"

#include <stdio.h>

/* ---- leaving ----------------------------------------------------------- */

void farewell(void)
{
    mqtt_client *follower = connected(), *c = connected();
    subscribe(follower, "bye", 0, NULL, NULL);
    publish(c, "bye", "now", 1);
    CHECK(mqtt_client_disconnect(c, MQTT_RC_SUCCESS, NULL, PATIENCE_MS) ==
          MQTT_OK);
    next(c, MQTT_EVENT_DISCONNECTED);
    CHECK(mqtt_event_status(next(c, MQTT_EVENT_STOPPED)) == MQTT_OK);
    CHECK(mqtt_client_is_connected(c) == 0);
    CHECK(mqtt_client_publish(c, "a", "", 0, 0, 0, NULL) == MQTT_E_STATE);
    CHECK(text_is(mqtt_msg_payload(
                      mqtt_event_msg(next(follower, MQTT_EVENT_MESSAGE)), NULL),
                  "now"));

    /* It can begin again, and leave without waiting: what was published gets
     * out even if the client is released at once. */
    CHECK(mqtt_client_reconnect(c) == MQTT_OK);
    CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
    publish(c, "bye", "again", 0);
    CHECK(mqtt_client_disconnect(c, MQTT_RC_SUCCESS, NULL, 0) == MQTT_OK);
    mqtt_client_free(c);
    CHECK(text_is(mqtt_msg_payload(
                      mqtt_event_msg(next(follower, MQTT_EVENT_MESSAGE)), NULL),
                  "again"));
    mqtt_client_free(follower);
}

/* The server at this URL accepts and says nothing. */
void silent_server(void)
{
    mqtt_options *o = mqtt_options_new(url);
    CHECK(mqtt_options_set_queue_qos0(o, 0) == MQTT_OK);
    CHECK(mqtt_options_set_connect_timeout(o, 600000) == MQTT_OK);
    mqtt_client *c;
    CHECK(mqtt_client_new(o, &c) == MQTT_OK);
    mqtt_options_free(o);
    CHECK(mqtt_client_publish(c, "a", "", 0, 0, 0, NULL) == MQTT_E_STATE);
    mqtt_op op;
    CHECK(mqtt_client_publish(c, "a", "", 0, 1, 0, &op) == MQTT_OK);
    CHECK(mqtt_client_wait(c, op, 1, NULL) == MQTT_E_TIMEOUT);
    CHECK(mqtt_client_wait_connected(c, 1) == MQTT_E_TIMEOUT);
    /* There is nobody to take leave of. */
    CHECK(mqtt_client_disconnect(c, MQTT_RC_SUCCESS, NULL, 600000) == MQTT_OK);
    CHECK(mqtt_event_type(next(c, MQTT_EVENT_CONNECT_FAILED)) != 0);
    CHECK(mqtt_event_status(next(c, MQTT_EVENT_PUBLISH_DONE)) ==
          MQTT_E_CANCELLED);
    next(c, MQTT_EVENT_STOPPED);
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    mqtt_client_free(c);

    CHECK(mqtt_client_open(url, &c) == MQTT_OK);
    mqtt_client_free(c);
}

static void ignore(void *user, mqtt_client *c, mqtt_msg *m)
{
    (void)user;
    (void)c;
    (void)m;
}

/* Many short lives, in every state; the leak check comes at the end. */
void lives(void)
{
    for (int life = 0; life < 100; life++) {
        mqtt_client *c;
        mqtt_options *o =
            mqtt_options_new(life % 2 ? url : "mqtt://127.0.0.1:1");
        mqtt_msg *will = mqtt_msg_new("will", "gone", 4);
        CHECK(mqtt_options_set_will(o, will, 0) == MQTT_OK);
        mqtt_msg_unref(will);
        CHECK(mqtt_client_new(o, &c) == MQTT_OK);
        mqtt_options_free(o);
        publish(c, "a", "x", life % 3);
        CHECK(mqtt_client_subscribe(c, "a", 1, 0, ignore, NULL, NULL) ==
              MQTT_OK);
        if (life % 4 == 1)
            CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
        if (life % 8 == 1)
            CHECK(mqtt_client_next_event(c, PATIENCE_MS) != NULL);
        mqtt_client_free(c);
    }
}

/* ---- a server that comes and goes -------------------------------------- */

/* Says "gone" when it is, and receives a message once it is back. */
void comes_back(void)
{
    mqtt_client *c;
    mqtt_options *o = mqtt_options_new(url);
    CHECK(mqtt_options_set_reconnect(o, 10, 100) == MQTT_OK);
    CHECK(mqtt_client_new(o, &c) == MQTT_OK);
    mqtt_options_free(o);
    int fd = mqtt_client_event_fd(c);
    subscribe(c, "a", 0, NULL, NULL);
    puts("subscribed");
    fflush(stdout);
    const mqtt_event *e = next(c, MQTT_EVENT_DISCONNECTED);
    CHECK(mqtt_event_status(e) == MQTT_E_LOST ||
          mqtt_event_status(e) == MQTT_E_REFUSED);
    CHECK(mqtt_event_retry_ms(e) >= 0);
    mqtt_op op;
    CHECK(mqtt_client_publish(c, "a", "kept", 4, 1, 0, &op) == MQTT_OK);
    puts("gone");
    fflush(stdout);
    next(c, MQTT_EVENT_CONNECTED);
    CHECK(text_is(mqtt_msg_payload(mqtt_event_msg(next(c, MQTT_EVENT_MESSAGE)),
                                   NULL),
                  "kept"));
    CHECK(mqtt_client_wait(c, op, PATIENCE_MS, NULL) == MQTT_OK);
    CHECK(mqtt_client_event_fd(c) == fd);
    CHECK(mqtt_client_stat(c, MQTT_STAT_RECONNECTS) == 1);
    mqtt_client_free(c);
}
