/* SCRAM as a C program uses it: authentication URL, or - URL
 *
 * tests/authentication.rs runs it under the sanitizers with our broker, where
 * ann has the password "ann's"; with two arguments the broker has no users.
 */
#include <mqtt.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK(condition) \
    ((condition) ? (void)0 : fail(__LINE__, #condition))

enum { PATIENCE_MS = 60000 };

static void fail(int line, const char *condition)
{
    fprintf(stderr, "line %d: not %s; last error: %s\n", line, condition,
            mqtt_last_error());
    exit(1);
}

/* A client that authenticates as a user; NULL: as the one in the URL. */
static mqtt_client *client(const char *url, const char *user,
                           const char *password)
{
    mqtt_client *c = NULL;
    mqtt_options *o = mqtt_options_new(url);
    CHECK(o != NULL);
    CHECK(mqtt_options_set_auth_scram(o, user, password) == MQTT_OK);
    CHECK(mqtt_client_new(o, &c) == MQTT_OK);
    mqtt_options_free(o);
    return c;
}

/* The next event of a type; others are passed over. */
static const mqtt_event *next(mqtt_client *c, int type)
{
    for (;;) {
        const mqtt_event *e = mqtt_client_next_event(c, PATIENCE_MS);
        CHECK(e != NULL);
        if (mqtt_event_type(e) == type)
            return e;
    }
}

static void reauthenticate(mqtt_client *c)
{
    mqtt_op op;
    CHECK(mqtt_client_reauthenticate(c, &op) == MQTT_OK);
    CHECK(mqtt_client_wait(c, op, PATIENCE_MS, NULL) == MQTT_OK);
    CHECK(mqtt_client_reauthenticate(c, &op) == MQTT_OK);
    const mqtt_event *e = next(c, MQTT_EVENT_AUTH_DONE);
    CHECK(mqtt_event_op(e) == op);
    CHECK(mqtt_event_status(e) == MQTT_OK);
}

static void right_password(const char *url)
{
    mqtt_client *c = client(url, "ann", "ann's");
    CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
    mqtt_op op;
    CHECK(mqtt_client_publish(c, "a", "x", 1, 1, 0, &op) == MQTT_OK);
    CHECK(mqtt_client_wait(c, op, PATIENCE_MS, NULL) == MQTT_OK);
    reauthenticate(c);
    CHECK(mqtt_client_disconnect(c, MQTT_RC_SUCCESS, NULL, PATIENCE_MS) ==
          MQTT_OK);
    CHECK(mqtt_client_reauthenticate(c, &op) == MQTT_E_STATE);
    mqtt_client_free(c);
}

static void refused(const char *url, const char *user, const char *password,
                    int reason)
{
    mqtt_client *c = client(url, user, password);
    const mqtt_event *e = next(c, MQTT_EVENT_CONNECT_FAILED);
    CHECK(mqtt_event_status(e) == MQTT_E_REFUSED);
    CHECK(mqtt_event_reason(e) == reason);
    next(c, MQTT_EVENT_STOPPED);
    mqtt_client_free(c);
}

/* Without SCRAM: the password travels, and there is nothing to do again. */
static void plain_password(const char *url)
{
    mqtt_options *o = mqtt_options_new(url);
    mqtt_client *c = NULL;
    mqtt_op op;
    CHECK(mqtt_options_set_credentials(o, "ann", "ann's", 5) == MQTT_OK);
    CHECK(mqtt_client_new(o, &c) == MQTT_OK);
    mqtt_options_free(o);
    CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
    CHECK(mqtt_client_reauthenticate(c, &op) == MQTT_E_STATE);
    mqtt_client_free(c);
}

static void nonsense(const char *url)
{
    mqtt_options *o = mqtt_options_new(url);
    mqtt_client *c = NULL;
    CHECK(mqtt_options_set_auth_scram(NULL, "a", "b") == MQTT_E_ARG);
    CHECK(mqtt_options_set_auth_scram(o, "\xff", "b") == MQTT_E_UTF8);
    CHECK(mqtt_options_set_auth_scram(o, "ann", NULL) == MQTT_OK);
    CHECK(mqtt_client_new(o, &c) == MQTT_E_ARG);
    CHECK(mqtt_options_set_auth_scram(o, NULL, "bell\a") == MQTT_OK);
    CHECK(mqtt_client_new(o, &c) == MQTT_E_ARG);
    CHECK(mqtt_client_reauthenticate(NULL, NULL) == MQTT_E_ARG);
    mqtt_options_free(o);
}

int main(int argc, char **argv)
{
    if (argc == 3) {
        /* The server offers no method. */
        refused(argv[2], "ann", "ann's", MQTT_RC_BAD_AUTH_METHOD);
        return 0;
    }
    const char *url = argv[1];
    right_password(url);
    refused(url, "ann", "guess", MQTT_RC_BAD_USERNAME_OR_PASSWORD);
    refused(url, "nobody", "ann's", MQTT_RC_BAD_USERNAME_OR_PASSWORD);
    plain_password(url);
    nonsense(url);
    return 0;
}
