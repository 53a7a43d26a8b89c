/* A session that outlives its process. The file is named in the environment. */
#include "behaviour.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>

static mqtt_client *with_file(const char *server)
{
    mqtt_client *c, *second;
    mqtt_options *o = mqtt_options_new(server);
    CHECK(mqtt_options_set_client_id(o, "outliving") == MQTT_OK);
    CHECK(mqtt_options_set_session_expiry(o, 1000) == MQTT_OK);
    CHECK(mqtt_options_set_session_file(o, getenv("SESSION_FILE")) == MQTT_OK);
    CHECK(mqtt_client_new(o, &c) == MQTT_OK);
    CHECK(mqtt_client_new(o, &second) == MQTT_E_STORE);
    mqtt_options_free(o);
    return c;
}

/* Nobody listens at the URL, and the process is killed. */
void killed(void)
{
    mqtt_client *c = with_file("mqtt://127.0.0.1:1");
    for (int i = 0; i < 3; i++)
        CHECK(mqtt_client_publish(c, "kept", i == 0 ? "0" : i == 1 ? "1" : "2",
                                  1, 2, 0, NULL) == MQTT_OK);
    raise(SIGKILL);
}

/* What the killed process has published arrives, in its order, once. */
void raised(void)
{
    mqtt_client *follower = connected();
    subscribe(follower, "kept", 0, NULL, NULL);
    mqtt_client *c = with_file(url);
    CHECK(mqtt_client_stat(c, MQTT_STAT_QUEUED_MESSAGES) <= 3);
    for (int i = 0; i < 3; i++) {
        const mqtt_event *e = next(follower, MQTT_EVENT_MESSAGE);
        char expected[2] = {(char)('0' + i), '\0'};
        CHECK(text_is(mqtt_msg_payload(mqtt_event_msg(e), NULL), expected));
    }
    CHECK(mqtt_client_disconnect(c, MQTT_RC_SUCCESS, NULL, PATIENCE_MS) ==
          MQTT_OK);
    mqtt_client_free(c);
    c = with_file(url);
    CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
    const mqtt_event *e = next(c, MQTT_EVENT_CONNECTED);
    CHECK(mqtt_event_session_present(e) == 1);
    CHECK(mqtt_client_disconnect(c, MQTT_RC_SUCCESS, NULL, PATIENCE_MS) ==
          MQTT_OK);
    mqtt_client_free(c);
    CHECK(mqtt_client_disconnect(follower, 0, NULL, PATIENCE_MS) == MQTT_OK);
    mqtt_client_free(follower);
}
