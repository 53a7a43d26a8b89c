/* plugin.c: keeps this mpv in step with a room: one thread, one loop over mpv,
 * the network and the engine's deadlines.
 *
 *        mpv --- player.c ---\          /--- room.c --- libmqtt --- broker
 *                             playsync
 *
 * Nothing here decides anything about the room, and nothing here waits for the
 * network: mpv cannot quit before this thread returns. */
#include "clock.h"
#include "options.h"
#include "osd.h"
#include "player.h"
#include "room.h"

#include <inttypes.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <unistd.h>

enum { ERROR_SIZE = 512 };

/* CLOCK_BOOTTIME runs on while the machine sleeps and CLOCK_MONOTONIC does not;
 * reading one after the other never takes this long. */
static const int64_t SLEEP_NS = 200 * 1000 * 1000;

struct plugin {
    mpv_handle *mpv;
    int wakeup_fd;
    struct options options;
    struct player player;
    struct room room;
    playsync *engine; /* NULL outside of a room */
    int64_t slept;    /* nanoseconds, since the machine started */
};

/* ---- Joining and leaving ------------------------------------------------- */

static playsync *new_engine(const struct options *options, char *peer_id)
{
    uint64_t numbers[2] = {0};
    /* So few bytes always come whole; without any, the clock has to do. */
    if (getrandom(numbers, sizeof numbers, 0) < 0)
        numbers[0] = numbers[1] = (uint64_t)clock_now();
    snprintf(peer_id, PEER_ID_SIZE, "%016" PRIx64, numbers[0]);
    int64_t wall_offset = clock_read(CLOCK_REALTIME) - clock_now();
    playsync *engine =
        playsync_new(peer_id, options->name, numbers[1], wall_offset);
    playsync_set_offset(engine, options->offset, clock_now());
    playsync_set_drift_control(engine, options->has_drift_control);
    return engine;
}

static bool open_room(struct plugin *plugin, char *error, size_t error_size)
{
    struct options *options = &plugin->options;
    char peer_id[PEER_ID_SIZE];
    plugin->engine = new_engine(options, peer_id);
    if (plugin->engine == NULL) {
        snprintf(error, error_size, "Option playsync-name=%s: it is not UTF-8",
                 options->name);
        return false;
    }
    if (room_open(&plugin->room, plugin->mpv, plugin->engine, options, peer_id,
                  error, error_size))
        return true;
    playsync_free(plugin->engine);
    plugin->engine = NULL;
    return false;
}

static void join(struct plugin *plugin)
{
    char error[ERROR_SIZE];
    if (!options_read(&plugin->options, plugin->mpv, error, sizeof error)) {
        osd_tell(plugin->mpv, error);
        return;
    }
    if (plugin->options.url[0] == '\0')
        return;
    if (!open_room(plugin, error, sizeof error)) {
        osd_tell(plugin->mpv, error);
        return;
    }
    player_enter(&plugin->player, plugin->engine);
}

static void perform(struct plugin *plugin);

static void leave(struct plugin *plugin)
{
    if (plugin->engine == NULL)
        return;
    playsync_leave(plugin->engine, clock_now());
    perform(plugin);
    player_leave(&plugin->player);
    room_close(&plugin->room);
    playsync_free(plugin->engine);
    plugin->engine = NULL;
}

/* ---- What others ask over mpv's script messages -------------------------- */

static void tell_status(struct plugin *plugin)
{
    const char *status = playsync_status_json(plugin->engine, clock_now());
    const char *command[] = {"script-message", "playsync-status",
                             status != NULL ? status : "{}", NULL};
    mpv_command_async(plugin->mpv, 0, command);
}

static void handle_message(struct plugin *plugin,
                           const mpv_event_client_message *message)
{
    const char *word = message->num_args > 0 ? message->args[0] : "";
    if (strcmp(word, "status") == 0)
        tell_status(plugin);
    else if (strcmp(word, "leave") == 0)
        leave(plugin);
    else if (strcmp(word, "join") == 0 && plugin->engine == NULL)
        join(plugin);
}

/* ---- One turn of the loop ------------------------------------------------ */

static bool drain_player(struct plugin *plugin)
{
    for (;;) {
        const mpv_event *event = mpv_wait_event(plugin->mpv, 0);
        switch (event->event_id) {
        case MPV_EVENT_NONE:
            return true;
        case MPV_EVENT_SHUTDOWN:
            return false;
        case MPV_EVENT_CLIENT_MESSAGE:
            handle_message(plugin, event->data);
            break;
        default:
            player_handle(&plugin->player, event);
            break;
        }
    }
}

static void notice_sleep(struct plugin *plugin)
{
    int64_t slept = clock_read(CLOCK_BOOTTIME) - clock_now();
    if (slept - plugin->slept > SLEEP_NS)
        playsync_suspended(plugin->engine, clock_now());
    plugin->slept = slept;
}

static void perform(struct plugin *plugin)
{
    playsync_output output;
    while (playsync_poll(plugin->engine, &output)) {
        if (player_perform(&plugin->player, &output) ||
            room_perform(&plugin->room, &output))
            continue;
        if (output.kind == PLAYSYNC_NOTICE && plugin->options.shows_notices)
            osd_tell(plugin->mpv, output.text);
    }
}

static void turn_engine(struct plugin *plugin)
{
    notice_sleep(plugin);
    room_drain(&plugin->room);
    int status = playsync_handle_timeout(plugin->engine, clock_now());
    perform(plugin);
    if (status == PLAYSYNC_E_INTERNAL) {
        osd_tell(plugin->mpv, "Leaving the room: the plugin has a defect");
        leave(plugin);
    }
}

/* Sleeps until mpv, the network or the engine's deadline wants a turn. */
static void wait_for_work(const struct plugin *plugin)
{
    struct pollfd fds[] = {
        {.fd = plugin->wakeup_fd, .events = POLLIN},
        {.fd = room_fd(&plugin->room), .events = POLLIN},
    };
    struct timespec left = {0};
    bool has_deadline = false;
    if (plugin->engine != NULL) {
        int64_t deadline = playsync_next_timeout(plugin->engine);
        has_deadline = deadline != INT64_MAX;
        int64_t ns = has_deadline ? deadline - clock_now() : 0;
        if (ns > 0) {
            left.tv_sec = ns / 1000000000;
            left.tv_nsec = ns % 1000000000;
        }
    }
    ppoll(fds, 2, has_deadline ? &left : NULL, NULL);
    eventfd_t wakeups;
    if (fds[0].revents != 0)
        eventfd_read(plugin->wakeup_fd, &wakeups);
}

/* ---- From start to end --------------------------------------------------- */

/* Runs on a thread of mpv's and may do nothing but signal. */
static void wake_up(void *user)
{
    const struct plugin *plugin = user;
    eventfd_write(plugin->wakeup_fd, 1);
}

static bool open_plugin(struct plugin *plugin, mpv_handle *mpv)
{
    *plugin = (struct plugin){.mpv = mpv};
    plugin->wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (plugin->wakeup_fd < 0)
        return false;
    plugin->slept = clock_read(CLOCK_BOOTTIME) - clock_now();
    mpv_set_wakeup_callback(mpv, wake_up, plugin);
    player_open(&plugin->player, mpv);
    join(plugin);
    return true;
}

static void close_plugin(struct plugin *plugin)
{
    leave(plugin);
    mpv_set_wakeup_callback(plugin->mpv, NULL, NULL);
    close(plugin->wakeup_fd);
}

__attribute__((visibility("default"))) int mpv_open_cplugin(mpv_handle *mpv);

/* mpv calls this on a thread of its own, and destroys the handle afterwards. */
int mpv_open_cplugin(mpv_handle *mpv)
{
    struct plugin plugin;
    if (!open_plugin(&plugin, mpv))
        return -1;
    while (drain_player(&plugin)) {
        if (plugin.engine != NULL)
            turn_engine(&plugin);
        wait_for_work(&plugin);
    }
    close_plugin(&plugin);
    return 0;
}
