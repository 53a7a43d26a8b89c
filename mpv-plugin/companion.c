/* companion.c: the program `playsync`, which looks into a room, and pauses,
 * seeks and chats there without a player.
 *
 *     playsync URL ROOM                    who is here, and where the room is
 *     playsync URL ROOM watch              and everything that happens
 *     playsync URL ROOM pause | play | undo | redo
 *     playsync URL ROOM seek 12:34 | speed 1.25 | start 20:15
 *     playsync URL ROOM ready yes | say WORDS | rule NAME VALUE
 *     playsync URL list                    the rooms of a broker
 *
 * It is a peer like any other, with an engine and no film; what the engine
 * asks of a player, it leaves undone. */
#include "clock.h"
#include "commands.h"

#include <inttypes.h>
#include <math.h>
#include <mqtt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { TOPIC_SIZE = 300, CORRELATION_SIZE = 8, ASKED_MAX = 8 };

/* The room is known after about a second; a slow one gets some more. */
static const int64_t PATIENCE_NS = (int64_t)10 * 1000000000;
/* What was said or done has to leave, and its effect to come back. */
static const int64_t AFTER_NS = 700 * 1000 * 1000;

struct question {
    mqtt_op op;
    uint8_t correlation[CORRELATION_SIZE];
};

struct companion {
    mqtt_client *client;
    playsync *engine;
    const char *room;
    char prefix[TOPIC_SIZE];
    char answer_topic[TOPIC_SIZE];
    mqtt_op subscribing;
    struct question asked[ASKED_MAX];
    size_t next_question;
    bool is_watching;
    bool has_failed;
};

static volatile sig_atomic_t is_interrupted;

static void interrupt(int signal)
{
    (void)signal;
    is_interrupted = 1;
}

static int fail(const char *what)
{
    fprintf(stderr, "playsync: %s: %s\n", what, mqtt_last_error());
    return EXIT_FAILURE;
}

/* ---- The engine's messages ----------------------------------------------- */

static mqtt_msg *message_of(const struct companion *self,
                            const playsync_output *output)
{
    char topic[TOPIC_SIZE];
    bool is_whole = output->channel[0] == '$' ||
                    output->kind == PLAYSYNC_CLOCK_ANSWER;
    snprintf(topic, sizeof topic, "%s%s", is_whole ? "" : self->prefix,
             output->channel);
    mqtt_msg *message = mqtt_msg_new(topic, output->json, output->json_len);
    mqtt_msg_set_qos(message, output->qos);
    mqtt_msg_set_retain(message, output->retain);
    if (output->expiry_seconds > 0)
        mqtt_msg_set_expiry(message, output->expiry_seconds);
    if (output->correlation_len > 0)
        mqtt_msg_set_correlation(message, output->correlation,
                                 output->correlation_len);
    return message;
}

static void publish(struct companion *self, const playsync_output *output)
{
    bool is_question = output->kind == PLAYSYNC_CLOCK_REQUEST;
    mqtt_msg *message = message_of(self, output);
    mqtt_op op = 0;
    if (is_question)
        mqtt_msg_set_response_topic(message, self->answer_topic);
    if (mqtt_client_publish_msg(self->client, message,
                                is_question ? &op : NULL) != MQTT_OK)
        fprintf(stderr, "playsync: %s\n", mqtt_last_error());
    mqtt_msg_unref(message);
    if (!is_question)
        return;
    struct question *question = &self->asked[self->next_question];
    self->next_question = (self->next_question + 1) % ASKED_MAX;
    question->op = op;
    memcpy(question->correlation, output->correlation, CORRELATION_SIZE);
}

static void perform(struct companion *self)
{
    playsync_output output;
    while (playsync_poll(self->engine, &output)) {
        switch (output.kind) {
        case PLAYSYNC_PUBLISH:
        case PLAYSYNC_CLOCK_REQUEST:
        case PLAYSYNC_CLOCK_ANSWER:
            publish(self, &output);
            break;
        case PLAYSYNC_NOTICE:
            if (self->is_watching)
                printf("%s\n", output.text);
            break;
        case PLAYSYNC_CHAT:
            if (self->is_watching)
                printf("<%s> %s\n", output.name, output.text);
            break;
        default:
            break;
        }
    }
    fflush(stdout);
}

/* ---- What comes ---------------------------------------------------------- */

static void message_came(struct companion *self, const mqtt_event *event)
{
    const mqtt_msg *message = mqtt_event_msg(event);
    const char *topic = mqtt_msg_topic(message);
    size_t length = 0, correlation_length = 0;
    const char *json = mqtt_msg_payload(message, &length);
    const void *correlation =
        mqtt_msg_correlation(message, &correlation_length);
    int64_t received = (int64_t)mqtt_event_timestamp(event);
    size_t prefix_length = strlen(self->prefix);
    if (strcmp(topic, self->answer_topic) == 0)
        playsync_clock_answer(self->engine, correlation, correlation_length,
                              json, length, received, clock_now());
    else if (strncmp(topic, self->prefix, prefix_length) != 0)
        return;
    else if (strcmp(topic + prefix_length, "clock") == 0)
        playsync_clock_request(self->engine, mqtt_msg_response_topic(message),
                               correlation, correlation_length, received,
                               clock_now());
    else
        playsync_message(self->engine, topic + prefix_length, json, length,
                         received, clock_now());
}

static void published(struct companion *self, const mqtt_event *event)
{
    for (size_t i = 0; i < ASKED_MAX; i++) {
        struct question *question = &self->asked[i];
        if (question->op == 0 || question->op != mqtt_event_op(event))
            continue;
        question->op = 0;
        playsync_clock_sent(self->engine, question->correlation,
                            (int64_t)mqtt_event_timestamp(event));
        return;
    }
    if (mqtt_event_status(event) != MQTT_OK) {
        fprintf(stderr, "playsync: the broker refused that: %s\n",
                mqtt_event_message(event));
        self->has_failed = true;
    }
}

static bool subscribe(struct companion *self)
{
    static const char *const CHANNELS[] = {"settings", "timeline", "peer/#",
                                           "chat/#", "clock"};
    enum { COUNT = sizeof CHANNELS / sizeof CHANNELS[0] };
    char topics[COUNT][TOPIC_SIZE];
    const char *filters[COUNT + 1];
    for (size_t i = 0; i < COUNT; i++) {
        snprintf(topics[i], TOPIC_SIZE, "%s%s", self->prefix, CHANNELS[i]);
        filters[i] = topics[i];
    }
    filters[COUNT] = self->answer_topic;
    return mqtt_client_subscribe_many(self->client, filters, COUNT + 1, 1,
                                      MQTT_SUB_NO_LOCAL | MQTT_SUB_ONCE, NULL,
                                      NULL, NULL,
                                      &self->subscribing) == MQTT_OK;
}

static void drain(struct companion *self)
{
    const mqtt_event *event;
    while ((event = mqtt_client_next_event(self->client, 0)) != NULL) {
        switch (mqtt_event_type(event)) {
        case MQTT_EVENT_CONNECTED:
            self->has_failed |= !subscribe(self);
            break;
        case MQTT_EVENT_SUBSCRIBE_DONE:
            playsync_connected(self->engine, clock_now());
            break;
        case MQTT_EVENT_DISCONNECTED:
            playsync_disconnected(self->engine, clock_now());
            break;
        case MQTT_EVENT_CONNECT_FAILED:
        case MQTT_EVENT_STOPPED:
            fprintf(stderr, "playsync: %s\n", mqtt_event_message(event));
            self->has_failed = true;
            break;
        case MQTT_EVENT_MESSAGE:
            message_came(self, event);
            break;
        case MQTT_EVENT_PUBLISH_DONE:
            published(self, event);
            break;
        default:
            break;
        }
    }
}

static void wait_until(struct companion *self, int64_t end)
{
    int64_t next = playsync_next_timeout(self->engine);
    int64_t now = clock_now();
    int64_t left = (next < end ? next : end) - now;
    struct pollfd fd = {.fd = mqtt_client_event_fd(self->client),
                        .events = POLLIN};
    int ms = left <= 0 ? 0 : left > 1000000000 ? 1000 : (int)(left / 1000000);
    poll(&fd, 1, ms + 1);
    drain(self);
    playsync_handle_timeout(self->engine, clock_now());
    perform(self);
}

/* ---- What is shown ------------------------------------------------------- */

static bool is_known(struct companion *self, playsync_own_status *status)
{
    playsync_status(self->engine, clock_now(), status);
    return status->is_connected && !isnan(status->clock_error_ms) &&
           status->revision > 0;
}

static void show(struct companion *self)
{
    playsync_own_status own = {0};
    if (!is_known(self, &own)) {
        printf("%s: nobody has been here yet\n", self->room);
    } else {
        int at = isnan(own.position) ? 0 : (int)own.position;
        printf("%s: %s at %d:%02d:%02d, speed %g\n", self->room,
               own.is_paused ? "paused" : "playing", at / 3600, at / 60 % 60,
               at % 60, own.speed);
    }
    playsync_peer_status peer;
    for (size_t i = 0; i < own.peer_count; i++) {
        playsync_peer(self->engine, i, &peer);
        printf("  %-20s %s", peer.name, peer.is_ready ? "ready  " : "       ");
        if (!isnan(peer.error_ms))
            printf(" %+.1f ms", peer.error_ms);
        printf("\n");
    }
}

/* ---- The rooms of a broker ----------------------------------------------- */

static int list_rooms(const char *url)
{
    mqtt_client *client = NULL;
    if (mqtt_client_open(url, &client) != MQTT_OK)
        return fail("cannot reach the broker");
    if (mqtt_client_subscribe(client, "playsync/1/+/timeline", 1, 0, NULL,
                              NULL, NULL) != MQTT_OK)
        return fail("cannot ask for the rooms");
    int64_t end = clock_now() + 2 * AFTER_NS;
    while (clock_now() < end) {
        const mqtt_event *event = mqtt_client_next_event(client, 100);
        if (event == NULL || mqtt_event_type(event) != MQTT_EVENT_MESSAGE)
            continue;
        const char *room =
            mqtt_msg_topic(mqtt_event_msg(event)) + strlen("playsync/1/");
        printf("%.*s\n", (int)strcspn(room, "/"), room);
    }
    mqtt_client_free(client);
    return EXIT_SUCCESS;
}

/* ---- From start to end --------------------------------------------------- */

static bool open_companion(struct companion *self, const char *url,
                           const char *room)
{
    uint64_t numbers[2] = {0};
    if (getrandom(numbers, sizeof numbers, 0) < 0)
        numbers[0] = (uint64_t)clock_now();
    char id[32], client_id[64];
    snprintf(id, sizeof id, "%016" PRIx64, numbers[0]);
    snprintf(client_id, sizeof client_id, "playsync-%s", id);
    const char *user = getenv("USER");
    self->room = room;
    snprintf(self->prefix, TOPIC_SIZE, "playsync/1/%.200s/", room);
    snprintf(self->answer_topic, TOPIC_SIZE, "playsync/1/%.200s/answer/%s",
             room, id);
    self->engine = playsync_new(id, user != NULL ? user : "companion",
                                numbers[1],
                                clock_read(CLOCK_REALTIME) - clock_now());
    /* Nobody has to wait for a remote control. */
    playsync_set_ready(self->engine, true, clock_now());
    mqtt_options *options = mqtt_options_new(url);
    if (self->engine == NULL || options == NULL)
        return false;
    mqtt_options_set_client_id(options, client_id);
    mqtt_options_set_queue_qos0(options, false);
    playsync_output will;
    playsync_will(self->engine, &will);
    mqtt_msg *message = message_of(self, &will);
    mqtt_options_set_will(options, message, 0);
    mqtt_msg_unref(message);
    bool is_open = mqtt_client_new(options, &self->client) == MQTT_OK;
    mqtt_options_free(options);
    return is_open;
}

static void close_companion(struct companion *self)
{
    playsync_leave(self->engine, clock_now());
    perform(self);
    mqtt_client_disconnect(self->client, MQTT_RC_SUCCESS, NULL, 1000);
    mqtt_client_free(self->client);
    playsync_free(self->engine);
}

static void act(struct companion *self, int count, const char *const *words)
{
    struct feed feed = {0};
    self->is_watching = true;
    if (!command_run(self->engine, &feed, count, words)) {
        fprintf(stderr, "playsync: there is no command %s\n", words[0]);
        self->has_failed = true;
    }
    perform(self);
    int64_t end = clock_now() + AFTER_NS;
    while (clock_now() < end)
        wait_until(self, end);
}

/* What the commands would write on a picture. */
void feed_tell(struct feed *feed, const char *text)
{
    (void)feed;
    fprintf(stderr, "playsync: %s\n", text);
}

static int usage(void)
{
    fputs("playsync URL list\n"
          "playsync URL ROOM [watch]\n"
          "playsync URL ROOM COMMAND [WORDS]\n\nCommands:\n",
          stderr);
    for (size_t i = 0; command_name(i) != NULL; i++)
        if (strncmp(command_name(i), "next-", 5) != 0)
            fprintf(stderr, "  %s\n", command_usage(i));
    return 2;
}

int main(int count, char **words)
{
    if (count < 3)
        return usage();
    if (count == 3 && strcmp(words[2], "list") == 0)
        return list_rooms(words[1]);
    struct companion self = {0};
    if (!open_companion(&self, words[1], words[2]))
        return fail("cannot join the room");
    signal(SIGINT, interrupt);
    signal(SIGTERM, interrupt);

    playsync_own_status status = {0};
    int64_t end = clock_now() + PATIENCE_NS;
    int64_t settled = clock_now() + 2 * AFTER_NS;
    while (!self.has_failed && !is_interrupted && clock_now() < end &&
           (!is_known(&self, &status) || clock_now() < settled))
        wait_until(&self, clock_now() + AFTER_NS / 10);

    bool is_watch = count == 4 && strcmp(words[3], "watch") == 0;
    if (!self.has_failed && count > 3 && !is_watch)
        act(&self, count - 3, (const char *const *)words + 3);
    if (!self.has_failed && (count == 3 || is_watch))
        show(&self);
    self.is_watching = is_watch;
    while (is_watch && !is_interrupted && !self.has_failed)
        wait_until(&self, clock_now() + AFTER_NS);
    close_companion(&self);
    return self.has_failed ? EXIT_FAILURE : EXIT_SUCCESS;
}
