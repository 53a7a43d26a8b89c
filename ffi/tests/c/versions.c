/* libmqtt as a client of MQTT 3.1.1 and 3.1, and its session: versions URL
 *
 * tests/versions.rs runs it under the sanitizers with a server at URL.
 */
#include <mqtt.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : fail(__LINE__, #condition))

enum { PATIENCE_MS = 20000 };

static const char *url;

static void fail(int line, const char *condition)
{
    fprintf(stderr, "line %d: not %s; last error: %s\n", line, condition,
            mqtt_last_error());
    exit(1);
}

static mqtt_options *options(int version, const char *id)
{
    mqtt_options *o = mqtt_options_new(url);
    CHECK(mqtt_options_set_protocol_version(o, version) == MQTT_OK);
    CHECK(mqtt_options_set_client_id(o, id) == MQTT_OK);
    return o;
}

/* Makes a client, and releases its options. */
static mqtt_client *made(mqtt_options *o)
{
    mqtt_client *c = NULL;
    CHECK(mqtt_client_new(o, &c) == MQTT_OK);
    mqtt_options_free(o);
    return c;
}

static const mqtt_event *next(mqtt_client *c, int type)
{
    for (;;) {
        const mqtt_event *e = mqtt_client_next_event(c, PATIENCE_MS);
        CHECK(e != NULL);
        if (mqtt_event_type(e) == type)
            return e;
    }
}

static void done(mqtt_client *c, mqtt_op op)
{
    CHECK(mqtt_client_wait(c, op, PATIENCE_MS, NULL) == MQTT_OK);
}

static void publish(mqtt_client *c, const char *topic, int qos)
{
    mqtt_op op;
    CHECK(mqtt_client_publish(c, topic, "x", 1, qos, 0, &op) == MQTT_OK);
    done(c, op);
}

static void leave(mqtt_client *c)
{
    CHECK(mqtt_client_disconnect(c, 0, NULL, PATIENCE_MS) == MQTT_OK);
    next(c, MQTT_EVENT_STOPPED);
}

/* ---- messages ----------------------------------------------------------- */

static void messages(int version)
{
    static const char *const filters[] = {"a/+", "b"};
    mqtt_client *c = made(options(version, "messages"));
    mqtt_op op;
    CHECK(mqtt_client_subscribe_many(c, filters, 2, 2, 0, NULL, NULL, NULL,
                                     &op) == MQTT_OK);
    done(c, op);
    for (int qos = 0; qos < 3; qos++) {
        publish(c, "a/b", qos);
        const mqtt_msg *m = mqtt_event_msg(next(c, MQTT_EVENT_MESSAGE));
        CHECK(mqtt_msg_qos(m) == qos && strcmp(mqtt_msg_topic(m), "a/b") == 0);
    }
    CHECK(mqtt_client_unsubscribe_many(c, filters, 2, &op) == MQTT_OK);
    done(c, op);
    publish(c, "b", 1);
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    leave(c);
    mqtt_client_free(c);
}

/* ---- what version 5.0 has alone ----------------------------------------- */

static void refusals(void)
{
    mqtt_client *c = NULL;
    mqtt_options *o = options(4, "refusals");
    CHECK(mqtt_options_set_protocol_version(o, 6) == MQTT_E_ARG);
    CHECK(mqtt_options_set_session_expiry(o, 60) == MQTT_OK);
    CHECK(mqtt_client_new(o, &c) == MQTT_E_UNSUPPORTED);
    CHECK(strstr(mqtt_last_error(), "MQTT 3.1.1 has no") != NULL);
    CHECK(mqtt_options_set_session_expiry(o, 0) == MQTT_OK);
    c = made(o);
    mqtt_msg *m = mqtt_msg_new("a", "x", 1);
    CHECK(mqtt_client_request(c, m, 1, NULL, NULL, NULL) == MQTT_E_UNSUPPORTED);
    CHECK(mqtt_msg_set_expiry(m, 5) == MQTT_OK);
    CHECK(mqtt_client_publish_msg(c, m, NULL) == MQTT_E_UNSUPPORTED);
    mqtt_msg_unref(m);
    CHECK(mqtt_client_subscribe(c, "a", 0, MQTT_SUB_NO_LOCAL, NULL, NULL,
                                NULL) == MQTT_E_UNSUPPORTED);
    CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
    CHECK(mqtt_client_disconnect(c, MQTT_RC_DISCONNECT_WITH_WILL, NULL, 0) ==
          MQTT_E_UNSUPPORTED);
    CHECK(mqtt_client_is_connected(c) == 1);
    mqtt_client_free(c);
}

/* ---- sessions ------------------------------------------------------------ */

static mqtt_options *lasting(int version, bool adopts)
{
    mqtt_options *o = options(version, "sleeper");
    CHECK(mqtt_options_set_clean_start(o, 0) == MQTT_OK);
    if (version == 5)
        CHECK(mqtt_options_set_session_expiry(o, 60) == MQTT_OK);
    CHECK(mqtt_options_set_adopt_session(o, adopts) == MQTT_OK);
    return o;
}

static void connected(mqtt_client *c, int session_present)
{
    const mqtt_event *e = next(c, MQTT_EVENT_CONNECTED);
    CHECK(mqtt_event_session_present(e) == session_present);
}

static void sessions(int version)
{
    mqtt_client *sender = made(options(5, "sender"));
    mqtt_client *c = made(lasting(version, false));
    mqtt_op op;
    CHECK(mqtt_client_subscribe(c, "night", 1, 0, NULL, NULL, &op) == MQTT_OK);
    done(c, op);
    connected(c, 0);
    leave(c);

    /* The same client goes on with its session. */
    publish(sender, "night", 1);
    CHECK(mqtt_client_reconnect(c) == MQTT_OK);
    connected(c, 1);
    next(c, MQTT_EVENT_MESSAGE);
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    leave(c);
    mqtt_client_free(c);

    /* Another one, as after a restart, only if the program vouches for it. */
    publish(sender, "night", 1);
    c = made(lasting(version, false));
    CHECK(mqtt_event_status(next(c, MQTT_EVENT_STOPPED)) == MQTT_E_PROTOCOL);
    mqtt_client_free(c);
    c = made(lasting(version, true));
    connected(c, 1);
    next(c, MQTT_EVENT_MESSAGE);
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    leave(c);
    mqtt_client_free(c);
    mqtt_client_free(sender);

    /* The session goes with a clean start. */
    c = made(options(version, "sleeper"));
    connected(c, 0);
    mqtt_client_free(c);
}

int main(int argc, char **argv)
{
    if (argc != 2)
        return 2;
    url = argv[1];
    for (int version = 3; version <= 5; version++)
        messages(version);
    refusals();
    for (int version = 4; version <= 5; version++)
        sessions(version);
    return 0;
}
