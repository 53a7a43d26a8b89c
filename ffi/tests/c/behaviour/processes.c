/* What the library does to a process: forks, signals, threads. */
#include "behaviour.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- processes and signals --------------------------------------------- */

void forked(void)
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

void signals(void)
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

void threads(void)
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
