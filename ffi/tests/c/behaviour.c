/* What libmqtt promises a C program, case by case: behaviour CASE URL
 *
 * tests/behaviour.rs runs each case under the sanitizers with a server at URL.
 */
#include <mqtt.h>

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

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

static uint64_t now(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (uint64_t)at.tv_sec * 1000000000u + (uint64_t)at.tv_nsec;
}

static mqtt_client *connected(void)
{
    mqtt_client *c = NULL;
    CHECK(mqtt_client_open(url, &c) == MQTT_OK);
    CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
    CHECK(mqtt_client_is_connected(c) == 1);
    return c;
}

static void subscribe(mqtt_client *c, const char *filter, unsigned flags,
                      mqtt_message_fn handler, void *user)
{
    mqtt_op op;
    mqtt_reason reason = -1;
    CHECK(mqtt_client_subscribe(c, filter, 2, flags, handler, user, &op) ==
          MQTT_OK);
    CHECK(mqtt_client_wait(c, op, PATIENCE_MS, &reason) == MQTT_OK);
    CHECK(reason == MQTT_RC_GRANTED_QOS_2);
}

static void publish(mqtt_client *c, const char *topic, const char *text,
                    int qos)
{
    CHECK(mqtt_client_publish(c, topic, text, strlen(text), qos, 0, NULL) ==
          MQTT_OK);
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

static bool text_is(const char *text, const char *expected)
{
    return text != NULL && strcmp(text, expected) == 0;
}

/* ---- one outcome for each operation ------------------------------------ */

static void outcomes(void)
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

static void stamps(void)
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

static void properties(void)
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

/* ---- NULL -------------------------------------------------------------- */

static void nulls(void)
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

/* ---- how the program is told ------------------------------------------- */

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&watched, 1, timeout_ms) == 1;
}

static void descriptor(void)
{
    mqtt_client *c = connected();
    subscribe(c, "a", 0, NULL, NULL);
    while (mqtt_client_next_event(c, 0) != NULL)
        continue;
    int fd = mqtt_client_event_fd(c);
    CHECK(fd >= 0 && !is_readable(fd, 0));
    for (int round = 0; round < 100; round++) {
        publish(c, "a", "x", 0);
        CHECK(is_readable(fd, PATIENCE_MS));
        CHECK(is_readable(fd, 0)); /* level, not edge */
        CHECK(mqtt_event_type(mqtt_client_next_event(c, 0)) ==
              MQTT_EVENT_MESSAGE);
        CHECK(mqtt_client_next_event(c, 0) == NULL);
        CHECK(!is_readable(fd, 0));
    }
    CHECK(mqtt_client_event_fd(c) == fd);
    mqtt_client_wake(c);
    CHECK(is_readable(fd, 0));
    CHECK(mqtt_client_next_event(c, PATIENCE_MS) == NULL);
    CHECK(!is_readable(fd, 0));
    mqtt_client_free(c);
}

static void count_up(void *user)
{
    atomic_fetch_add((atomic_int *)user, 1);
}

static void wait_for_calls(atomic_int *calls, int count)
{
    uint64_t deadline = now() + (uint64_t)PATIENCE_MS * 1000000u;
    while (atomic_load(calls) < count) {
        CHECK(now() < deadline);
        usleep(1000);
    }
}

static void wakeup(void)
{
    atomic_int calls = 0;
    mqtt_client *c = connected();
    CHECK(mqtt_event_type(mqtt_client_next_event(c, PATIENCE_MS)) ==
          MQTT_EVENT_CONNECTED);
    mqtt_client_set_wakeup(c, count_up, &calls);
    mqtt_op op;
    CHECK(mqtt_client_publish(c, "a", "", 0, 1, 0, &op) == MQTT_OK);
    CHECK(mqtt_event_op(next(c, MQTT_EVENT_PUBLISH_DONE)) == op);
    /* The event is in the queue before the function is called. */
    wait_for_calls(&calls, 1);
    mqtt_client_set_wakeup(c, NULL, NULL);
    int before = atomic_load(&calls);
    CHECK(mqtt_client_publish(c, "a", "", 0, 1, 0, &op) == MQTT_OK);
    next(c, MQTT_EVENT_PUBLISH_DONE);
    CHECK(atomic_load(&calls) == before);

    /* Events that wait are told of at once. */
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    CHECK(mqtt_client_publish(c, "a", "", 0, 1, 0, &op) == MQTT_OK);
    while (!is_readable(mqtt_client_event_fd(c), PATIENCE_MS))
        continue;
    mqtt_client_set_wakeup(c, count_up, &calls);
    CHECK(atomic_load(&calls) > before);
    mqtt_client_free(c);
}

static void *wake_later(void *c)
{
    usleep(50000);
    mqtt_client_wake(c);
    return NULL;
}

static void wake(void)
{
    pthread_t thread;
    mqtt_client *c = connected();
    next(c, MQTT_EVENT_CONNECTED);
    CHECK(pthread_create(&thread, NULL, wake_later, c) == 0);
    CHECK(mqtt_client_next_event(c, MQTT_FOREVER) == NULL);
    CHECK(pthread_join(thread, NULL) == 0);
    mqtt_client_free(c);
}

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

static void handlers(void)
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

static void free_in_handler(void)
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

static void manual_ack(void)
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

/* ---- processes and signals --------------------------------------------- */

static void forked(void)
{
    mqtt_client *c = connected();
    pid_t child = fork();
    if (child == 0) {
        mqtt_op op;
        bool refused =
            mqtt_client_publish(c, "a", "", 0, 0, 0, &op) == MQTT_E_FORKED &&
            mqtt_client_next_event(c, MQTT_FOREVER) == NULL &&
            mqtt_client_disconnect(c, 0, NULL, 100) == MQTT_E_FORKED &&
            mqtt_client_is_connected(c) == 0;
        mqtt_client_free(c);
        _exit(refused ? 0 : 1);
    }
    int status;
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    mqtt_op op;
    CHECK(mqtt_client_publish(c, "a", "", 0, 1, 0, &op) == MQTT_OK);
    CHECK(mqtt_client_wait(c, op, PATIENCE_MS, NULL) == MQTT_OK);
    mqtt_client_free(c);
}

/* Every thread but this one blocks every signal that can be blocked. */
static void check_threads(void)
{
    FILE *list = popen("grep -H SigBlk /proc/$PPID/task/*/status", "r");
    CHECK(list != NULL);
    char line[256], self[32];
    int library_threads = 0;
    snprintf(self, sizeof self, "/task/%d/", (int)getpid());
    while (fgets(line, sizeof line, list) != NULL) {
        unsigned long long blocked =
            strtoull(strstr(line, "SigBlk:") + strlen("SigBlk:"), NULL, 16);
        if (strstr(line, self) != NULL)
            continue;
        library_threads++;
        CHECK((blocked >> (SIGPIPE - 1) & 1) != 0);
        CHECK((blocked >> (SIGTERM - 1) & 1) != 0);
        CHECK((blocked >> (SIGUSR1 - 1) & 1) != 0);
    }
    pclose(list);
    CHECK(library_threads >= 1);
}

static void signals(void)
{
    struct sigaction before, after;
    sigaction(SIGPIPE, NULL, &before);
    mqtt_client *c = connected();
    check_threads();
    sigset_t blocked;
    CHECK(pthread_sigmask(SIG_SETMASK, NULL, &blocked) == 0);
    CHECK(sigismember(&blocked, SIGTERM) == 0);
    sigaction(SIGPIPE, NULL, &after);
    CHECK(before.sa_handler == SIG_DFL && after.sa_handler == SIG_DFL);
    mqtt_client_free(c);
}

/* ---- leaving ----------------------------------------------------------- */

static void farewell(void)
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
static void silent_server(void)
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

/* Many short lives, in every state; the leak check comes at the end. */
static void lives(void)
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
        CHECK(mqtt_client_subscribe(c, "a", 1, 0, second_handler, NULL, NULL) ==
              MQTT_OK);
        if (life % 4 == 1)
            CHECK(mqtt_client_wait_connected(c, PATIENCE_MS) == MQTT_OK);
        if (life % 8 == 1)
            CHECK(mqtt_client_next_event(c, PATIENCE_MS) != NULL);
        mqtt_client_free(c);
    }
}

/* ---- many threads ------------------------------------------------------ */

enum { THREADS = 8, EACH = 500 };

/* Outcomes that the publishing threads took themselves. */
static atomic_int taken;

static void *publish_many(void *c)
{
    for (int i = 0; i < EACH; i++) {
        mqtt_op op;
        mqtt_status status;
        do
            status = mqtt_client_publish(c, "t", "x", 1, i % 3, 0, &op);
        while (status == MQTT_E_FULL);
        CHECK(status == MQTT_OK);
        if (i % 10 != 0)
            continue;
        /* The draining thread may have been quicker. */
        status = mqtt_client_wait(c, op, PATIENCE_MS, NULL);
        CHECK(status == MQTT_OK || status == MQTT_E_NOT_FOUND);
        if (status == MQTT_OK) {
            atomic_fetch_add(&taken, 1);
            mqtt_client_wake(c);
        }
    }
    return NULL;
}

static void threads(void)
{
    pthread_t all[THREADS];
    mqtt_client *c = connected();
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_create(&all[i], NULL, publish_many, c) == 0);
    int outcomes = 0;
    uint64_t deadline = now() + (uint64_t)PATIENCE_MS * 1000000u;
    while (outcomes + atomic_load(&taken) < THREADS * EACH) {
        const mqtt_event *e = mqtt_client_next_event(c, PATIENCE_MS);
        CHECK(now() < deadline);
        if (mqtt_event_type(e) == MQTT_EVENT_PUBLISH_DONE) {
            CHECK(mqtt_event_status(e) == MQTT_OK);
            outcomes++;
        }
    }
    for (int i = 0; i < THREADS; i++)
        CHECK(pthread_join(all[i], NULL) == 0);
    CHECK(mqtt_client_next_event(c, 0) == NULL);
    CHECK(outcomes + atomic_load(&taken) == THREADS * EACH);
    CHECK(mqtt_client_stat(c, MQTT_STAT_INFLIGHT) == 0);
    mqtt_client_free(c);
}

/* ---- a server that comes and goes -------------------------------------- */

/* Says "gone" when it is, and receives a message once it is back. */
static void comes_back(void)
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

static const struct {
    const char *name;
    void (*run)(void);
} cases[] = {
    {"outcomes", outcomes},
    {"stamps", stamps},
    {"properties", properties},
    {"nulls", nulls},
    {"descriptor", descriptor},
    {"wakeup", wakeup},
    {"wake", wake},
    {"handlers", handlers},
    {"free-in-handler", free_in_handler},
    {"manual-ack", manual_ack},
    {"forked", forked},
    {"signals", signals},
    {"farewell", farewell},
    {"silent-server", silent_server},
    {"lives", lives},
    {"threads", threads},
    {"comes-back", comes_back},
};

int main(int argc, char **argv)
{
    if (argc != 3)
        return 2;
    url = argv[2];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        if (strcmp(argv[1], cases[i].name) == 0) {
            cases[i].run();
            return 0;
        }
    }
    return 2;
}
