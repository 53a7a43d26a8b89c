/* Many threads use a client in every way at once, round after round, and each
 * operation has exactly one outcome: stress URL SECONDS [SEED] */
#include <mqtt.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { THREADS = 24, EACH = 200 };

static atomic_long begun, waited;

struct worker {
    pthread_t thread;
    mqtt_client *c;
    unsigned long long random;
};

static void must(int is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "not so: %s; last error: %s\n", what,
                mqtt_last_error());
        exit(1);
    }
}

static unsigned below(struct worker *w, unsigned limit)
{
    w->random ^= w->random << 13;
    w->random ^= w->random >> 7;
    w->random ^= w->random << 17;
    return (unsigned)(w->random >> 33) % limit;
}

/* Begins some operation; 0 if it was refused. */
static mqtt_op begin(struct worker *w)
{
    mqtt_op op = 0;
    mqtt_status status;
    switch (below(w, 8)) {
    case 0:
        status = mqtt_client_subscribe(w->c, "stress/#", 2, 0, NULL, NULL, &op);
        break;
    case 1:
        status = mqtt_client_unsubscribe(w->c, "stress/#", &op);
        break;
    default:
        status = mqtt_client_publish(w->c, "stress/a", "x", 1,
                                     (int)below(w, 3), 0, &op);
    }
    must(status == MQTT_OK || status == MQTT_E_FULL || status == MQTT_E_STATE,
         "a call succeeds, or the client is full or stopped");
    if (status == MQTT_OK)
        atomic_fetch_add(&begun, 1);
    return status == MQTT_OK ? op : 0;
}

/* What else can be done meanwhile. */
static void disturb(struct worker *w)
{
    switch (below(w, 40)) {
    case 0:
        mqtt_client_disconnect(w->c, MQTT_RC_SUCCESS, NULL, (int)below(w, 3));
        break;
    case 1:
    case 2:
        mqtt_client_reconnect(w->c);
        break;
    case 3:
        mqtt_client_wake(w->c);
        break;
    case 4:
        if (mqtt_client_wait_connected(w->c, 1) != MQTT_OK)
            mqtt_client_reconnect(w->c);
        break;
    default:
        break;
    }
}

static void *work(void *argument)
{
    struct worker *w = argument;
    for (int i = 0; i < EACH; i++) {
        mqtt_op op = begin(w);
        if (op != 0 && below(w, 4) == 0)
            mqtt_client_cancel(w->c, op);
        if (op != 0 && below(w, 4) == 0) {
            mqtt_reason reason;
            mqtt_status status =
                mqtt_client_wait(w->c, op, (int)below(w, 5), &reason);
            /* It was taken here, unless the drain was quicker or it runs. */
            if (status != MQTT_E_NOT_FOUND && status != MQTT_E_TIMEOUT)
                atomic_fetch_add(&waited, 1);
        }
        disturb(w);
    }
    return NULL;
}

static int is_outcome(const mqtt_event *e)
{
    int type = mqtt_event_type(e);
    return mqtt_event_op(e) != 0 && (type == MQTT_EVENT_PUBLISH_DONE ||
                                     type == MQTT_EVENT_SUBSCRIBE_DONE ||
                                     type == MQTT_EVENT_UNSUBSCRIBE_DONE);
}

static atomic_int is_over;

static void *drain(void *c)
{
    long outcomes = 0;
    for (;;) {
        int was_over = atomic_load(&is_over);
        const mqtt_event *e = mqtt_client_next_event(c, was_over ? 0 : 100);
        if (e == NULL && was_over)
            return (void *)outcomes;
        outcomes += is_outcome(e);
    }
}

static void play_round(const char *url, unsigned long long seed)
{
    struct worker workers[THREADS];
    pthread_t drainer;
    void *outcomes;
    mqtt_client *c;
    mqtt_options *o = mqtt_options_new(url);
    mqtt_options_set_reconnect(o, 1, 10);
    mqtt_options_set_queue(o, 500, 100000, (int)(seed % 2));
    must(mqtt_client_new(o, &c) == MQTT_OK, "a client");
    mqtt_options_free(o);
    atomic_store(&begun, 0);
    atomic_store(&waited, 0);
    atomic_store(&is_over, 0);
    must(pthread_create(&drainer, NULL, drain, c) == 0, "a thread");
    for (unsigned i = 0; i < THREADS; i++) {
        workers[i].c = c;
        workers[i].random = seed * 2654435761u + i * 40503u + 1;
        must(pthread_create(&workers[i].thread, NULL, work, &workers[i]) == 0,
             "a thread");
    }
    for (int i = 0; i < THREADS; i++)
        pthread_join(workers[i].thread, NULL);
    /* All that runs ends with the connection. */
    mqtt_client_disconnect(c, MQTT_RC_SUCCESS, NULL, 2000);
    atomic_store(&is_over, 1);
    mqtt_client_wake(c);
    pthread_join(drainer, &outcomes);
    mqtt_client_free(c);
    long told = (long)outcomes + atomic_load(&waited);
    if (told != atomic_load(&begun)) {
        fprintf(stderr, "seed %llu: %ld operations, %ld outcomes\n", seed,
                atomic_load(&begun), told);
        exit(1);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3)
        return 2;
    unsigned long long seed =
        argc > 3 ? strtoull(argv[3], NULL, 10) : (unsigned long long)time(NULL);
    time_t end = time(NULL) + atoi(argv[2]);
    long rounds = 0;
    printf("seed %llu\n", seed);
    do
        play_round(argv[1], seed + (unsigned long long)rounds++);
    while (time(NULL) < end);
    printf("%ld rounds of %d threads\n", rounds, THREADS);
    return 0;
}
