/* Runs one measurement of a client library and prints it as one line:
 * count, seconds, CPU seconds, median in microseconds, KiB of memory, wakeups.
 *
 *     PROGRAM publish0|publish1|receive0|receive1|echo|start|idle PORT COUNT */
#define _GNU_SOURCE
#include "measure.h"

#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

const char payload[PAYLOAD] =
    "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcde";

void must(int is_so, const char *what)
{
    if (!is_so) {
        fprintf(stderr, "in vain: %s\n", what);
        exit(1);
    }
}

double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double cpu_seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static atomic_long left;
static sem_t opened;

void gate_set(long count)
{
    atomic_store(&left, count);
}

void gate_pass(void)
{
    if (atomic_fetch_sub(&left, 1) == 1)
        sem_post(&opened);
}

void gate_wait(void)
{
    while (sem_wait(&opened) != 0)
        continue;
}

static long status_value(const char *path, const char *name)
{
    char line[256];
    long value = 0;
    FILE *file = fopen(path, "r");
    while (file != NULL && fgets(line, sizeof line, file) != NULL)
        if (strncmp(line, name, strlen(name)) == 0)
            value = atol(line + strlen(name));
    if (file != NULL)
        fclose(file);
    return value;
}

/* How often the threads of this process have gone to sleep of their own will,
 * which is how often they woke up. */
static long wakeups(void)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    return usage.ru_nvcsw;
}

static int by_value(const void *a, const void *b)
{
    double first = *(const double *)a, second = *(const double *)b;
    return (first > second) - (first < second);
}

static double median(double *values, long count)
{
    qsort(values, (size_t)count, sizeof *values, by_value);
    return values[count / 2];
}

static double *timed(void (*work)(void), long count)
{
    double *times = calloc((size_t)count, sizeof *times);
    must(times != NULL, "memory");
    for (long i = 0; i < count; i++) {
        double before = seconds();
        work();
        times[i] = (seconds() - before) * 1e6;
    }
    return times;
}

static int measured_port;

static void start(void)
{
    bench_connect(measured_port);
}

static double starts(int port, long count)
{
    double *times = calloc((size_t)count, sizeof *times);
    must(times != NULL, "memory");
    measured_port = port;
    for (long i = 0; i < count; i++) {
        double before = seconds();
        start();
        times[i] = (seconds() - before) * 1e6;
        bench_end();
    }
    double middle = median(times, count);
    free(times);
    return middle;
}

int main(int argc, char **argv)
{
    must(argc == 4, "COMMAND PORT COUNT");
    must(sem_init(&opened, 0, 0) == 0, "a semaphore");
    const char *command = argv[1];
    int port = atoi(argv[2]);
    long count = atol(argv[3]), woken = 0;
    double middle = 0;
    if (strcmp(command, "start") == 0) {
        printf("%ld 0 0 %f 0 0\n", count, starts(port, count));
        return 0;
    }
    bench_connect(port);
    if (strcmp(command, "echo") == 0)
        bench_echo_begin();
    double cpu = cpu_seconds(), began = seconds();
    if (strncmp(command, "publish", 7) == 0) {
        bench_publish(command[7] - '0', count);
    } else if (strncmp(command, "receive", 7) == 0) {
        char topic[64];
        snprintf(topic, sizeof topic, "flood/%c/%ld", command[7], count);
        bench_receive(topic, command[7] - '0', count);
    } else if (strcmp(command, "echo") == 0) {
        free(timed(bench_echo, count / 10 + 1));
        double *times = timed(bench_echo, count);
        middle = median(times, count);
        free(times);
    } else if (strcmp(command, "idle") == 0) {
        sleep(1);
        woken = wakeups();
        sleep((unsigned)count);
        /* The one is this sleep's own. */
        woken = wakeups() - woken - 1;
    } else {
        must(0, "a command that there is");
    }
    printf("%ld %f %f %f %ld %ld\n", count, seconds() - began,
           cpu_seconds() - cpu, middle,
           status_value("/proc/self/status", "VmRSS:"), woken);
    bench_end();
    return 0;
}
