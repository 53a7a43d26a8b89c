/* player.c: the mpv side: tells the engine what the player does, and makes the
 * player do what the engine asks.
 *
 * Commands are asynchronous, because a synchronous call waits for the core,
 * which a seek holds for tens of milliseconds. Positions are read synchronously
 * between two readings of the clock (0.02 ms), and not at all while seeking. */
#include "player.h"

#include "clock.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum watched {
    WATCH_PAUSE = 1,
    WATCH_SPEED,
    WATCH_END,
    WATCH_BUFFERING,
    WATCH_AUDIO,
    WATCH_FRAME,
};

static const char FILTER[] = "@playsync:scaletempo2";
static const char FILTER_LABEL[] = "@playsync";

static void watch(mpv_handle *mpv, enum watched id, const char *name,
                  mpv_format format)
{
    mpv_observe_property(mpv, id, name, format);
}

/* Without it (the default before mpv 0.38) pulse overshoots a pause by up to a
 * third of a second. A player built without pulse has no such option. */
static void steady_pulse(mpv_handle *mpv)
{
    mpv_set_property_string(mpv, "pulse-latency-hacks", "yes");
}

void player_open(struct player *player, mpv_handle *mpv)
{
    *player = (struct player){.mpv = mpv, .speed = 1.0};
    watch(mpv, WATCH_PAUSE, "pause", MPV_FORMAT_FLAG);
    watch(mpv, WATCH_SPEED, "speed", MPV_FORMAT_DOUBLE);
    watch(mpv, WATCH_END, "eof-reached", MPV_FORMAT_FLAG);
    watch(mpv, WATCH_BUFFERING, "paused-for-cache", MPV_FORMAT_FLAG);
    watch(mpv, WATCH_AUDIO, "current-ao", MPV_FORMAT_STRING);
    steady_pulse(mpv);
}

/* ---- The viewer's settings and the room's -------------------------------- */

/* Sets a property and returns the value to go back to. */
static char *replace(mpv_handle *mpv, const char *name, const char *value)
{
    char *before = mpv_get_property_string(mpv, name);
    mpv_set_property_string(mpv, name, value);
    return before;
}

static void put_back(mpv_handle *mpv, const char *name, char **value)
{
    if (*value != NULL)
        mpv_set_property_string(mpv, name, *value);
    mpv_free(*value);
    *value = NULL;
}

/* Each time mpv inserts its own tempo filter the sound clicks and jumps by some
 * milliseconds; one that stays passes everything through at speed 1. Sound
 * that is handed on undecoded bears no filter. */
static bool add_filter(mpv_handle *mpv)
{
    char *undecoded = mpv_get_property_string(mpv, "audio-spdif");
    bool bears_filter = undecoded == NULL || undecoded[0] == '\0';
    mpv_free(undecoded);
    const char *command[] = {"af", "add", FILTER, NULL};
    return bears_filter && mpv_command(mpv, command) >= 0;
}

static void enter_settings(struct player *player)
{
    mpv_handle *mpv = player->mpv;
    player->video_sync = replace(mpv, "video-sync", "audio");
    /* At the end of a film the room is still there, and the next film comes. */
    player->keep_open = replace(mpv, "keep-open", "yes");
    player->pitch_correction =
        mpv_get_property_string(mpv, "audio-pitch-correction");
    player->has_filter = add_filter(mpv);
}

static void leave_settings(struct player *player)
{
    mpv_handle *mpv = player->mpv;
    put_back(mpv, "video-sync", &player->video_sync);
    put_back(mpv, "audio-pitch-correction", &player->pitch_correction);
    put_back(mpv, "keep-open", &player->keep_open);
    const char *command[] = {"af", "remove", FILTER_LABEL, NULL};
    if (player->has_filter)
        mpv_command_async(mpv, 0, command);
    player->has_filter = false;
}

/* ---- What the player says ------------------------------------------------ */

static double number(mpv_handle *mpv, const char *name)
{
    double value = NAN;
    return mpv_get_property(mpv, name, MPV_FORMAT_DOUBLE, &value) < 0 ? NAN
                                                                      : value;
}

static bool flag(mpv_handle *mpv, const char *name)
{
    int value = 0;
    return mpv_get_property(mpv, name, MPV_FORMAT_FLAG, &value) >= 0 && value;
}

/* Both ends of it are read, half a megabyte: once for each file. */
static void read_content(struct player *player)
{
    if (player->fingerprint[0] != '\0')
        return;
    char *path = mpv_get_property_string(player->mpv, "path");
    if (path == NULL || !files_fingerprint(path, player->fingerprint))
        player->fingerprint[0] = '\0';
    mpv_free(path);
}

static void tell_file(struct player *player)
{
    read_content(player);
    mpv_handle *mpv = player->mpv;
    char *name = mpv_get_property_string(mpv, "filename");
    char *path = mpv_get_property_string(mpv, "path");
    bool is_url = path != NULL && strstr(path, "://") != NULL;
    bool is_told = player->fingerprint[0] != '\0' && !is_url;
    int64_t size = -1;
    if (mpv_get_property(mpv, "file-size", MPV_FORMAT_INT64, &size) < 0)
        size = -1;
    playsync_file file = {
        .name = name,
        .size = size,
        .duration = number(mpv, "duration"),
        .frames_per_second = number(mpv, "container-fps"),
        .has_audio = player->has_audio,
        .is_seekable = flag(mpv, "seekable"),
        .fingerprint = is_told ? player->fingerprint : NULL,
        .url = is_url ? path : NULL,
    };
    playsync_file_loaded(player->engine, &file, clock_now());
    mpv_free(path);
    mpv_free(name);
}

static void tell_position(struct player *player)
{
    mpv_handle *mpv = player->mpv;
    bool is_known = player->has_file && !player->is_seeking;
    int64_t before = clock_now();
    double audio_pts = is_known ? number(mpv, "audio-pts") : NAN;
    double time_pos = is_known ? number(mpv, "time-pos") : NAN;
    int64_t after = clock_now();
    playsync_position(player->engine, audio_pts, time_pos, before, after);
}

/* Without sound the frames are the only clock that the player has, so each one
 * is told as its time comes up. */
static void watch_frames(struct player *player)
{
    mpv_unobserve_property(player->mpv, WATCH_FRAME);
    if (player->engine != NULL && !player->has_audio)
        watch(player->mpv, WATCH_FRAME, "time-pos", MPV_FORMAT_DOUBLE);
}

/* Returns whether that is news. */
static bool note_audio(struct player *player, bool has_audio)
{
    if (has_audio == player->has_audio)
        return false;
    player->has_audio = has_audio;
    watch_frames(player);
    return true;
}

static void audio_changed(struct player *player, bool has_audio)
{
    if (note_audio(player, has_audio) && player->has_file &&
        player->engine != NULL)
        tell_file(player);
}

/* The event that tells of an opened output may come after the restart. */
static void read_audio(struct player *player)
{
    char *output = mpv_get_property_string(player->mpv, "current-ao");
    note_audio(player, output != NULL);
    mpv_free(output);
}

static void frame_shown(struct player *player, const double *time_pos)
{
    if (player->engine == NULL || time_pos == NULL || player->is_seeking)
        return;
    int64_t now = clock_now();
    playsync_position(player->engine, NAN, *time_pos, now, now);
}

static void property_changed(struct player *player, enum watched id,
                             const mpv_event_property *property)
{
    playsync *engine = player->engine;
    int64_t now = clock_now();
    bool is_there = property->format != MPV_FORMAT_NONE;
    bool is_on = property->format == MPV_FORMAT_FLAG && *(int *)property->data;
    switch (id) {
    case WATCH_PAUSE:
        player->is_paused = is_on;
        playsync_paused(engine, is_on, now);
        break;
    case WATCH_SPEED:
        if (is_there)
            player->speed = *(double *)property->data;
        playsync_speed(engine, player->speed, now);
        break;
    case WATCH_END:
        player->is_at_end = is_on;
        playsync_end_reached(engine, is_on, now);
        break;
    case WATCH_BUFFERING:
        player->is_buffering = is_on;
        playsync_buffering(engine, is_on, now);
        break;
    case WATCH_AUDIO:
        audio_changed(player, is_there);
        break;
    case WATCH_FRAME:
        frame_shown(player, is_there ? property->data : NULL);
        break;
    }
}

static void playback_restarted(struct player *player)
{
    player->is_seeking = false;
    bool is_new = !player->has_file;
    player->has_file = true;
    if (is_new) {
        read_audio(player);
        player->fingerprint[0] = '\0';
    }
    if (player->engine == NULL)
        return;
    if (is_new)
        tell_file(player);
    double time_pos = number(player->mpv, "time-pos");
    playsync_playback_restarted(player->engine, time_pos, clock_now());
}

static void file_closed(struct player *player)
{
    bool was_told = player->has_file;
    player->has_file = false;
    player->is_seeking = false;
    if (was_told)
        playsync_file_unloaded(player->engine, clock_now());
}

/* The engine's functions refuse a NULL engine, which is what is meant. */
void player_handle(struct player *player, const mpv_event *event)
{
    switch (event->event_id) {
    case MPV_EVENT_PROPERTY_CHANGE:
        property_changed(player, (enum watched)event->reply_userdata,
                         event->data);
        break;
    case MPV_EVENT_SEEK:
        player->is_seeking = true;
        playsync_seek_started(player->engine, clock_now());
        break;
    case MPV_EVENT_PLAYBACK_RESTART:
        playback_restarted(player);
        break;
    case MPV_EVENT_END_FILE:
        file_closed(player);
        break;
    default:
        break;
    }
}

/* ---- Joining and leaving ------------------------------------------------- */

void player_enter(struct player *player, playsync *engine)
{
    player->engine = engine;
    enter_settings(player);
    watch_frames(player);
    int64_t now = clock_now();
    playsync_paused(engine, player->is_paused, now);
    playsync_speed(engine, player->speed, now);
    playsync_end_reached(engine, player->is_at_end, now);
    playsync_buffering(engine, player->is_buffering, now);
    if (!player->has_file)
        return;
    tell_file(player);
    if (player->is_seeking)
        playsync_seek_started(engine, clock_now());
    else
        playback_restarted(player);
}

void player_leave(struct player *player)
{
    if (player->engine == NULL)
        return;
    player->engine = NULL;
    watch_frames(player);
    leave_settings(player);
}

/* ---- What the engine asks ------------------------------------------------ */

static void set_flag(mpv_handle *mpv, const char *name, bool is_on)
{
    int value = is_on;
    mpv_set_property_async(mpv, 0, name, MPV_FORMAT_FLAG, &value);
}

static void seek(mpv_handle *mpv, double position)
{
    char seconds[64];
    snprintf(seconds, sizeof seconds, "%.9f", position);
    const char *command[] = {"seek", seconds, "absolute+exact", NULL};
    mpv_command_async(mpv, 0, command);
}

/* The command has changed its arguments over time, so they go by name. */
static void load(mpv_handle *mpv, const char *path)
{
    char *names[] = {"name", "url"};
    mpv_node values[] = {
        {.format = MPV_FORMAT_STRING, .u.string = "loadfile"},
        {.format = MPV_FORMAT_STRING, .u.string = (char *)path},
    };
    mpv_node_list list = {.num = 2, .values = values, .keys = names};
    mpv_node command = {.format = MPV_FORMAT_NODE_MAP, .u.list = &list};
    mpv_command_node_async(mpv, 0, &command);
}

bool player_open_file(struct player *player, const struct options *options,
                      const playsync_output *film)
{
    char *beside = mpv_get_property_string(player->mpv, "path");
    char found[PATH_SIZE];
    bool is_trusted = film->url != NULL &&
                      files_is_trusted(film->url, options->trusted_domains);
    bool is_found =
        is_trusted || (film->url == NULL &&
                       files_find(film->name, film->size, beside,
                                  options->media_dirs, found));
    mpv_free(beside);
    if (is_found)
        load(player->mpv, is_trusted ? film->url : found);
    return is_found;
}

bool player_perform(struct player *player, const playsync_output *output)
{
    mpv_handle *mpv = player->mpv;
    double value = output->value;
    switch (output->kind) {
    case PLAYSYNC_SET_PAUSE:
        set_flag(mpv, "pause", output->on);
        return true;
    case PLAYSYNC_SEEK:
        seek(mpv, value);
        return true;
    case PLAYSYNC_SET_SPEED:
        mpv_set_property_async(mpv, 0, "speed", MPV_FORMAT_DOUBLE, &value);
        return true;
    case PLAYSYNC_SET_PITCH_CORRECTION:
        set_flag(mpv, "audio-pitch-correction", output->on);
        return true;
    case PLAYSYNC_READ_POSITION:
        tell_position(player);
        return true;
    default:
        return false;
    }
}
