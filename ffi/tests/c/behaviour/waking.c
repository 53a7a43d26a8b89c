/* How the program is told that something has happened. */
#include "behaviour.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

static bool is_readable(int fd, int timeout_ms)
{
    struct pollfd watched = {.fd = fd, .events = POLLIN, .revents = 0};
    return poll(&watched, 1, timeout_ms) == 1;
}

void descriptor(void)
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

void wakeup(void)
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

void wake(void)
{
    pthread_t thread;
    mqtt_client *c = connected();
    next(c, MQTT_EVENT_CONNECTED);
    CHECK(pthread_create(&thread, NULL, wake_later, c) == 0);
    CHECK(mqtt_client_next_event(c, MQTT_FOREVER) == NULL);
    CHECK(pthread_join(thread, NULL) == 0);
    mqtt_client_free(c);
}
