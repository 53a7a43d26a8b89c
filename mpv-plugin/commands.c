/* commands.c: what the viewer can have the room do, in words: from key
 * bindings, script messages, the menu and the line one writes in. */
#include "commands.h"

#include "clock.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE_SIZE = 1024, DAY_SECS = 24 * 3600 };

struct request {
    playsync *engine;
    struct feed *feed;
    const char *usage;
    int count;                /* of the words after the command */
    const char *const *words; /* of which the rest are NULL */
};

typedef void deed(const struct request *request);

static void explain(const struct request *request)
{
    char line[LINE_SIZE];
    snprintf(line, sizeof line, "Write: %s", request->usage);
    feed_tell(request->feed, line);
}

static playsync_own_status status_of(const struct request *request)
{
    playsync_own_status status = {0};
    playsync_status(request->engine, clock_now(), &status);
    return status;
}

double command_seconds(const char *time)
{
    double seconds = 0;
    for (int parts = 0; parts < 3; parts++) {
        char *end = NULL;
        double part = strtod(time, &end);
        if (end == time || !isfinite(part) || part < 0)
            return NAN;
        seconds = 60 * seconds + part;
        if (*end == '\0')
            return seconds;
        if (*end != ':')
            return NAN;
        time = end + 1;
    }
    return NAN;
}

static void play(const struct request *request)
{
    playsync_wish_pause(request->engine, false, clock_now());
}

static void pause_room(const struct request *request)
{
    playsync_wish_pause(request->engine, true, clock_now());
}

static void toggle(const struct request *request)
{
    bool is_paused = status_of(request).is_paused;
    playsync_wish_pause(request->engine, !is_paused, clock_now());
}

/* `+10` and `-10` count from where the room is. */
static void seek(const struct request *request)
{
    const char *word = request->count == 1 ? request->words[0] : "";
    bool is_relative = word[0] == '+' || word[0] == '-';
    double seconds = command_seconds(is_relative ? word + 1 : word);
    if (isnan(seconds)) {
        explain(request);
        return;
    }
    if (is_relative) {
        double here = status_of(request).position;
        double there = word[0] == '-' ? here - seconds : here + seconds;
        seconds = there < 0 ? 0 : there;
    }
    playsync_wish_seek(request->engine, seconds, clock_now());
}

static void set_speed(const struct request *request)
{
    double speed = request->count == 1 ? atof(request->words[0]) : 0;
    if (playsync_wish_speed(request->engine, speed, clock_now()) !=
        PLAYSYNC_OK)
        explain(request);
}

static void step(const struct request *request)
{
    int frames = request->count == 0 ? 1 : atoi(request->words[0]);
    playsync_wish_step(request->engine, frames, clock_now());
}

static void step_back(const struct request *request)
{
    playsync_wish_step(request->engine, -1, clock_now());
}

static void undo(const struct request *request)
{
    playsync_wish_undo(request->engine, clock_now());
}

static void redo(const struct request *request)
{
    playsync_wish_redo(request->engine, clock_now());
}

static void set_ready(const struct request *request)
{
    bool is_ready = !status_of(request).is_ready;
    if (request->count == 1)
        is_ready = strcmp(request->words[0], "no") != 0;
    playsync_set_ready(request->engine, is_ready, clock_now());
}

/* Seconds from now until the clock on the wall next says so. */
static double until_wall_time(double seconds_of_day)
{
    time_t now = time(NULL);
    struct tm local;
    localtime_r(&now, &local);
    double passed = local.tm_hour * 3600.0 + local.tm_min * 60.0 + local.tm_sec;
    double left = seconds_of_day - passed;
    return left > 0 ? left : left + DAY_SECS;
}

/* `start 20:15` is a time of day here, `start 90` so many seconds from now. */
static void start(const struct request *request)
{
    const char *word = request->count == 1 ? request->words[0] : "";
    double seconds = command_seconds(word);
    if (isnan(seconds) || seconds > DAY_SECS) {
        explain(request);
        return;
    }
    /* A time of day has hours and minutes. */
    if (strchr(word, ':') != NULL) {
        bool has_seconds = strchr(strchr(word, ':') + 1, ':') != NULL;
        seconds = until_wall_time(has_seconds ? seconds : 60 * seconds);
    }
    int64_t now = clock_now();
    playsync_wish_start(request->engine, now + (int64_t)(seconds * 1e9), now);
}

static void set_rule(const struct request *request)
{
    if (request->count != 2 ||
        playsync_wish_rule(request->engine, request->words[0],
                           request->words[1], clock_now()) != PLAYSYNC_OK)
        explain(request);
}

static void next_wait(const struct request *request)
{
    static const char *const NEXT[] = {"soft", "all", "none"};
    int wait = status_of(request).wait;
    playsync_wish_rule(request->engine, "wait", NEXT[wait], clock_now());
}

static void next_start(const struct request *request)
{
    bool is_all = status_of(request).start == PLAYSYNC_START_ALL_READY;
    playsync_wish_rule(request->engine, "start",
                       is_all ? "anyone" : "all_ready", clock_now());
}

static void next_leave(const struct request *request)
{
    bool pauses = status_of(request).pauses_on_leave;
    playsync_wish_rule(request->engine, "pause_on_leave",
                       pauses ? "no" : "yes", clock_now());
}

static void set_offset(const struct request *request)
{
    double ms = request->count == 1 ? atof(request->words[0]) : NAN;
    if (playsync_set_offset(request->engine, ms / 1000.0, clock_now()) !=
        PLAYSYNC_OK)
        explain(request);
}

static void say(const struct request *request)
{
    char line[LINE_SIZE] = "";
    for (int i = 0; i < request->count; i++) {
        size_t length = strlen(line);
        snprintf(line + length, sizeof line - length, "%s%s",
                 i > 0 ? " " : "", request->words[i]);
    }
    playsync_say(request->engine, line, clock_now());
}

/* Those without a deed are the plugin's own. */
static const struct command {
    const char *name;
    const char *usage;
    deed *deed;
} COMMANDS[] = {
    {"play", "play", play},
    {"pause", "pause", pause_room},
    {"toggle", "toggle", toggle},
    {"seek", "seek 12:34, seek +10 or seek -10", seek},
    {"speed", "speed 1.25", set_speed},
    {"step", "step, or step -1", step},
    {"step-back", "step-back", step_back},
    {"undo", "undo", undo},
    {"redo", "redo", redo},
    {"ready", "ready, ready yes or ready no", set_ready},
    {"start", "start 20:15, or start 30 (seconds)", start},
    {"rule",
     "rule start anyone|all_ready, rule wait none|soft|all, or "
     "rule pause_on_leave yes|no",
     set_rule},
    {"next-start", "next-start", next_start},
    {"next-wait", "next-wait", next_wait},
    {"next-leave", "next-leave", next_leave},
    {"offset", "offset 150 (milliseconds this device is late)", set_offset},
    {"say", "say words", say},
    {"chat", "chat", NULL},
    {"people", "people", NULL},
    {"menu", "menu", NULL},
    {"status", "status", NULL},
    {"join", "join", NULL},
    {"leave", "leave", NULL},
    {"help", "help", NULL},
};

enum { COMMAND_COUNT = sizeof COMMANDS / sizeof COMMANDS[0] };

const char *command_name(size_t index)
{
    return index < COMMAND_COUNT ? COMMANDS[index].name : NULL;
}

const char *command_usage(size_t index)
{
    return index < COMMAND_COUNT ? COMMANDS[index].usage : NULL;
}

bool command_run(playsync *engine, struct feed *feed, int count,
                 const char *const *words)
{
    for (size_t i = 0; count > 0 && i < COMMAND_COUNT; i++) {
        const struct command *command = &COMMANDS[i];
        if (command->deed == NULL || strcmp(words[0], command->name) != 0)
            continue;
        struct request request = {engine, feed, command->usage, count - 1,
                                  words + 1};
        if (engine == NULL)
            feed_tell(feed, "You are in no room");
        else
            command->deed(&request);
        return true;
    }
    return false;
}
