/* room.c: the network side: carries the engine's messages to the room's topics
 * and the room's messages to the engine.
 *
 * A peer has one session with the broker while its player runs. It outlives a
 * lost connection for SESSION_SECS, so that the will, which tells the others
 * that this peer is gone, waits WILL_DELAY_SECS for it to come back. */
#include "room.h"

#include "clock.h"
#include "feed.h"
#include "osd.h"

#include <stdio.h>
#include <string.h>

enum {
    KEEP_ALIVE_SECS = 5,
    SESSION_SECS = 300,
    WILL_DELAY_SECS = 10,
    RECONNECT_MIN_MS = 100,
    RECONNECT_MAX_MS = 2000,
    CONNECT_TIMEOUT_MS = 10000,
    FAREWELL_MS = 150,
    LINE_SIZE = 512,
};

static const char CLOCK[] = "clock";

/* ---- Opening and closing ------------------------------------------------- */

static bool say_why(char *error, size_t error_size, const char *what)
{
    snprintf(error, error_size, "%s: %s", what, mqtt_last_error());
    return false;
}

/* Channels are the room's, except those that begin with `$`. */
static void topic_of(const struct room *room, const char *channel,
                     char topic[TOPIC_SIZE])
{
    const char *prefix = channel[0] == '$' ? "" : room->prefix;
    snprintf(topic, TOPIC_SIZE, "%s%s", prefix, channel);
}

static mqtt_msg *message_of(const struct room *room,
                            const playsync_output *output)
{
    char topic[TOPIC_SIZE];
    topic_of(room, output->channel, topic);
    mqtt_msg *message = mqtt_msg_new(topic, output->json, output->json_len);
    if (message == NULL)
        return NULL;
    mqtt_msg_set_qos(message, output->qos);
    mqtt_msg_set_retain(message, output->retain);
    mqtt_msg_set_payload_utf8(message, true);
    if (output->expiry_seconds > 0)
        mqtt_msg_set_expiry(message, output->expiry_seconds);
    return message;
}

static void set_will(const struct room *room, mqtt_options *mqtt)
{
    playsync_output will = {0};
    if (playsync_will(room->engine, &will) != PLAYSYNC_OK)
        return;
    mqtt_msg *message = message_of(room, &will);
    mqtt_options_set_will(mqtt, message, WILL_DELAY_SECS);
    mqtt_msg_unref(message);
}

static bool set_roots(const struct options *options, mqtt_options *mqtt)
{
    return options->cafile[0] == '\0' ||
           mqtt_options_set_tls_ca_file(mqtt, options->cafile) == MQTT_OK;
}

static bool connect_with(struct room *room, const mqtt_options *mqtt,
                         char *error, size_t error_size)
{
    if (mqtt_client_new(mqtt, &room->client) == MQTT_OK)
        return true;
    room->client = NULL;
    return say_why(error, error_size, "Cannot join the room");
}

bool room_open(struct room *room, struct feed *feed, playsync *engine,
               const struct options *options, const char *peer_id, char *error,
               size_t error_size)
{
    *room = (struct room){.mpv = feed->mpv, .feed = feed, .engine = engine};
    snprintf(room->prefix, PREFIX_SIZE, "playsync/1/%s/", options->room);
    snprintf(room->answer_topic, TOPIC_SIZE, "playsync/1/%s/answer/%s",
             options->room, peer_id);
    mqtt_options *mqtt = mqtt_options_new(options->url);
    if (mqtt == NULL)
        return say_why(error, error_size, "Option playsync-url");
    if (!set_roots(options, mqtt)) {
        mqtt_options_free(mqtt);
        return say_why(error, error_size, "Option playsync-cafile");
    }

    /* Who enters a room with its password is a guest of that room's. */
    if (options->password[0] != '\0') {
        char user[NAME_SIZE + ROOM_SIZE];
        snprintf(user, sizeof user, "%s@%s", options->name, options->room);
        mqtt_options_set_credentials(mqtt, user, options->password,
                                     strlen(options->password));
    }
    char client_id[64];
    snprintf(client_id, sizeof client_id, "playsync-%s", peer_id);
    mqtt_options_set_client_id(mqtt, client_id);
    mqtt_options_set_session_expiry(mqtt, SESSION_SECS);
    mqtt_options_set_keep_alive(mqtt, KEEP_ALIVE_SECS);
    mqtt_options_set_reconnect(mqtt, RECONNECT_MIN_MS, RECONNECT_MAX_MS);
    mqtt_options_set_connect_timeout(mqtt, CONNECT_TIMEOUT_MS);
    /* A question for the time is worth nothing later. */
    mqtt_options_set_queue_qos0(mqtt, false);
    set_will(room, mqtt);
    bool is_open = connect_with(room, mqtt, error, error_size);
    mqtt_options_free(mqtt);
    return is_open;
}

void room_close(struct room *room)
{
    if (room->client == NULL)
        return;
    /* Nobody will come back for this session. */
    mqtt_props *farewell = mqtt_props_new();
    mqtt_props_set_session_expiry(farewell, 0);
    mqtt_client_disconnect(room->client, MQTT_RC_SUCCESS, farewell,
                           FAREWELL_MS);
    mqtt_props_free(farewell);
    mqtt_client_free(room->client);
    room->client = NULL;
}

int room_fd(const struct room *room)
{
    return room->client != NULL ? mqtt_client_event_fd(room->client) : -1;
}

/* ---- The connection ------------------------------------------------------ */

static void tell(struct room *room, const char *what, const char *why)
{
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "%s: %s", what, why);
    feed_tell(room->feed, line);
}

/* Subscribing anew at each connection brings the retained state again, which
 * may have changed meanwhile. */
static void connected(struct room *room)
{
    room->told_failure = false;
    room->told_malformed = false;
    static const char *const CHANNELS[] = {"settings", "timeline", "peer/#",
                                           "chat/#", CLOCK};
    enum { COUNT = sizeof CHANNELS / sizeof CHANNELS[0] };
    char topics[COUNT][TOPIC_SIZE];
    const char *filters[COUNT + 1];
    for (size_t i = 0; i < COUNT; i++) {
        topic_of(room, CHANNELS[i], topics[i]);
        filters[i] = topics[i];
    }
    filters[COUNT] = room->answer_topic;
    if (mqtt_client_subscribe_many(room->client, filters, COUNT + 1, 1,
                                   MQTT_SUB_NO_LOCAL | MQTT_SUB_ONCE, NULL,
                                   NULL, NULL, &room->subscribing) != MQTT_OK)
        tell(room, "Cannot join the room", mqtt_last_error());
}

static void subscribed(struct room *room, const mqtt_event *event)
{
    if (mqtt_event_op(event) != room->subscribing)
        return;
    if (mqtt_event_status(event) == MQTT_OK)
        playsync_connected(room->engine, clock_now());
    else
        tell(room, "Cannot join the room", mqtt_event_message(event));
}

/* The engine tells the viewer, so the attempts that follow need not. */
static void disconnected(struct room *room)
{
    room->told_failure = true;
    playsync_disconnected(room->engine, clock_now());
}

/* Attempts go on by themselves; the viewer is told of the first that fails. */
static void connect_failed(struct room *room, const mqtt_event *event)
{
    if (room->told_failure)
        return;
    room->told_failure = true;
    tell(room, "Cannot reach the room", mqtt_event_message(event));
}

static void stopped(struct room *room, const mqtt_event *event)
{
    room->told_failure = false;
    connect_failed(room, event);
}

/* ---- What comes ---------------------------------------------------------- */

static int64_t stamp_of(const mqtt_msg *message)
{
    return (int64_t)mqtt_msg_timestamp(message);
}

static void clock_request_came(struct room *room, const mqtt_msg *message)
{
    const char *answer_to = mqtt_msg_response_topic(message);
    if (answer_to == NULL)
        return;
    size_t length = 0;
    const void *correlation = mqtt_msg_correlation(message, &length);
    playsync_clock_request(room->engine, answer_to, correlation, length,
                           stamp_of(message), clock_now());
}

static void clock_answer_came(struct room *room, const mqtt_msg *message)
{
    size_t length = 0, correlation_length = 0;
    const char *json = mqtt_msg_payload(message, &length);
    const void *correlation =
        mqtt_msg_correlation(message, &correlation_length);
    playsync_clock_answer(room->engine, correlation, correlation_length, json,
                          length, stamp_of(message), clock_now());
}

static void channel_message_came(struct room *room, const char *channel,
                                 const mqtt_msg *message)
{
    size_t length = 0;
    const char *json = mqtt_msg_payload(message, &length);
    int status = playsync_message(room->engine, channel, json, length,
                                  stamp_of(message), clock_now());
    if (status != PLAYSYNC_E_MESSAGE || room->told_malformed)
        return;
    room->told_malformed = true;
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "Ignored a message on %s: %s", channel,
             playsync_error(room->engine));
    osd_log(room->mpv, line);
}

static void message_came(struct room *room, const mqtt_msg *message)
{
    const char *topic = mqtt_msg_topic(message);
    size_t prefix_length = strlen(room->prefix);
    if (strcmp(topic, room->answer_topic) == 0) {
        clock_answer_came(room, message);
        return;
    }
    if (strncmp(topic, room->prefix, prefix_length) != 0)
        return;
    const char *channel = topic + prefix_length;
    if (strcmp(channel, CLOCK) == 0)
        clock_request_came(room, message);
    else
        channel_message_came(room, channel, message);
}

/* Channels that only some may write to; a message refers to its own by a
 * pointer to it, which the library keeps for us. */
static const char *const GUARDED[] = {"timeline", "settings", "chat"};

static const char *guarded(const char *channel)
{
    for (size_t i = 0; i < sizeof GUARDED / sizeof GUARDED[0]; i++)
        if (strncmp(channel, GUARDED[i], strlen(GUARDED[i])) == 0)
            return GUARDED[i];
    return NULL;
}

/* What the room keeps comes again with a new subscription, and counts. */
static void refused(struct room *room, const mqtt_event *event)
{
    const char *channel = mqtt_event_user_data(event);
    if (channel == NULL || mqtt_event_reason(event) != MQTT_RC_NOT_AUTHORIZED) {
        tell(room, "The broker refused a message", mqtt_event_message(event));
        return;
    }
    playsync_refused(room->engine, channel, clock_now());
    char topic[TOPIC_SIZE];
    topic_of(room, channel, topic);
    if (channel != GUARDED[2] &&
        mqtt_client_subscribe(room->client, topic, 1,
                              MQTT_SUB_NO_LOCAL | MQTT_SUB_ONCE, NULL, NULL,
                              NULL) != MQTT_OK)
        osd_log(room->mpv, mqtt_last_error());
}

/* The stamp of a question's write comes with the end of its operation. */
static void published(struct room *room, const mqtt_event *event)
{
    for (size_t i = 0; i < ASKED_MAX; i++) {
        struct question *question = &room->asked[i];
        if (question->op == 0 || question->op != mqtt_event_op(event))
            continue;
        question->op = 0;
        if (mqtt_event_status(event) == MQTT_OK)
            playsync_clock_sent(room->engine, question->correlation,
                                (int64_t)mqtt_event_timestamp(event));
        return;
    }
    if (mqtt_event_status(event) == MQTT_E_REFUSED)
        refused(room, event);
}

static void handle(struct room *room, const mqtt_event *event)
{
    switch (mqtt_event_type(event)) {
    case MQTT_EVENT_CONNECTED:
        connected(room);
        break;
    case MQTT_EVENT_SUBSCRIBE_DONE:
        subscribed(room, event);
        break;
    case MQTT_EVENT_DISCONNECTED:
        disconnected(room);
        break;
    case MQTT_EVENT_CONNECT_FAILED:
        connect_failed(room, event);
        break;
    case MQTT_EVENT_STOPPED:
        stopped(room, event);
        break;
    case MQTT_EVENT_MESSAGE:
        message_came(room, mqtt_event_msg(event));
        break;
    case MQTT_EVENT_PUBLISH_DONE:
        published(room, event);
        break;
    default:
        break;
    }
}

void room_drain(struct room *room)
{
    const mqtt_event *event;
    while ((event = mqtt_client_next_event(room->client, 0)) != NULL)
        handle(room, event);
}

/* ---- What goes ----------------------------------------------------------- */

static void publish(struct room *room, const playsync_output *output)
{
    mqtt_msg *message = message_of(room, output);
    mqtt_msg_set_user_data(message, (void *)guarded(output->channel));
    if (mqtt_client_publish_msg(room->client, message, NULL) != MQTT_OK)
        osd_log(room->mpv, mqtt_last_error());
    mqtt_msg_unref(message);
}

static void ask_clock(struct room *room, const playsync_output *output)
{
    mqtt_msg *message = message_of(room, output);
    mqtt_msg_set_response_topic(message, room->answer_topic);
    mqtt_msg_set_correlation(message, output->correlation,
                             output->correlation_len);
    mqtt_op op = 0;
    if (mqtt_client_publish_msg(room->client, message, &op) == MQTT_OK &&
        output->correlation_len == CORRELATION_SIZE) {
        struct question *question = &room->asked[room->next_question];
        room->next_question = (room->next_question + 1) % ASKED_MAX;
        question->op = op;
        memcpy(question->correlation, output->correlation, CORRELATION_SIZE);
    }
    mqtt_msg_unref(message);
}

static void answer_clock(struct room *room, const playsync_output *output)
{
    mqtt_msg *message =
        mqtt_msg_new(output->channel, output->json, output->json_len);
    mqtt_msg_set_correlation(message, output->correlation,
                             output->correlation_len);
    /* An answer that is lost is asked for again. */
    if (mqtt_client_publish_msg(room->client, message, NULL) != MQTT_OK)
        osd_log(room->mpv, mqtt_last_error());
    mqtt_msg_unref(message);
}

bool room_perform(struct room *room, const playsync_output *output)
{
    switch (output->kind) {
    case PLAYSYNC_PUBLISH:
        publish(room, output);
        return true;
    case PLAYSYNC_CLOCK_REQUEST:
        ask_clock(room, output);
        return true;
    case PLAYSYNC_CLOCK_ANSWER:
        answer_clock(room, output);
        return true;
    default:
        return false;
    }
}
