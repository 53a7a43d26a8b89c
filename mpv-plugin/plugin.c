/* plugin.c: keeps this mpv in step with a room: one thread, one loop over mpv,
 * the network and the engine's deadlines.
 *
 *        mpv --- player.c ---\          /--- room.c --- libmqtt --- broker
 *                             playsync
 *
 * Nothing here decides anything about the room, and nothing here waits for the
 * network: mpv cannot quit before this thread returns. */
#include "clock.h"
#include "commands.h"
#include "feed.h"
#include "input.h"
#include "keys.h"
#include "options.h"
#include "panel.h"
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
    struct feed feed;
    struct input input;
    struct panel panel;
    bool has_keys;
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
    if (room_open(&plugin->room, &plugin->feed, plugin->engine, options,
                  peer_id, error, error_size))
        return true;
    playsync_free(plugin->engine);
    plugin->engine = NULL;
    return false;
}

static void join(struct plugin *plugin)
{
    char error[ERROR_SIZE];
    if (!options_read(&plugin->options, plugin->mpv, error, sizeof error)) {
        feed_tell(&plugin->feed, error);
        return;
    }
    if (plugin->options.url[0] == '\0')
        return;
    if (!open_room(plugin, error, sizeof error)) {
        feed_tell(&plugin->feed, error);
        return;
    }
    player_enter(&plugin->player, plugin->engine);
    plugin->panel.room = plugin->options.room;
    plugin->panel.name = plugin->options.name;
    if (!plugin->has_keys)
        keys_bind(plugin->mpv);
    plugin->has_keys = true;
}

static void perform(struct plugin *plugin);

static void leave(struct plugin *plugin)
{
    if (plugin->engine == NULL)
        return;
    playsync_leave(plugin->engine, clock_now());
    perform(plugin);
    player_leave(&plugin->player);
    panel_close(&plugin->panel);
    room_close(&plugin->room);
    playsync_free(plugin->engine);
    plugin->engine = NULL;
}

/* ---- What the viewer asks, by keys, messages and in writing -------------- */

static void tell_status(struct plugin *plugin)
{
    const char *status = playsync_status_json(plugin->engine, clock_now());
    const char *command[] = {"script-message", "playsync-status",
                             status != NULL ? status : "{}", NULL};
    mpv_command_async(plugin->mpv, 0, command);
}

static void write_line(struct plugin *plugin)
{
    feed_hold(&plugin->feed, true);
    input_begin(&plugin->input);
}

static void help(struct plugin *plugin)
{
    feed_tell(&plugin->feed, "c write   h who is here   k menu   y ready   "
                             "Ctrl+z, Ctrl+y undo, redo   . , frame by frame");
}

/* False if there is no such command. */
static bool run(struct plugin *plugin, int count, const char *const *words)
{
    const char *word = words[0];
    if (strcmp(word, "status") == 0)
        tell_status(plugin);
    else if (strcmp(word, "leave") == 0)
        leave(plugin);
    else if (strcmp(word, "join") == 0 && plugin->engine == NULL)
        join(plugin);
    else if (strcmp(word, "chat") == 0)
        write_line(plugin);
    else if (strcmp(word, "people") == 0)
        panel_toggle(&plugin->panel, PANEL_PEOPLE, plugin->engine);
    else if (strcmp(word, "menu") == 0)
        panel_toggle(&plugin->panel, PANEL_MENU, plugin->engine);
    else if (strcmp(word, "help") == 0)
        help(plugin);
    else
        return command_run(plugin->engine, &plugin->feed, count, words);
    return true;
}

/* Words are what stands between spaces. */
static void run_line(struct plugin *plugin, const char *line)
{
    char copy[INPUT_SIZE];
    snprintf(copy, sizeof copy, "%s", line);
    const char *words[COMMAND_WORDS_MAX];
    int count = 0;
    char *rest = NULL;
    for (char *word = strtok_r(copy, " ", &rest);
         word != NULL && count < COMMAND_WORDS_MAX;
         word = strtok_r(NULL, " ", &rest))
        words[count++] = word;
    if (count == 0 || run(plugin, count, words))
        return;
    char text[128];
    snprintf(text, sizeof text, "There is no command %.64s", words[0]);
    feed_tell(&plugin->feed, text);
}

static void send_line(struct plugin *plugin)
{
    char line[INPUT_SIZE];
    snprintf(line, sizeof line, "%s", plugin->input.line);
    input_take(&plugin->input);
    if (line[0] == '/')
        run_line(plugin, line + 1);
    else if (plugin->engine == NULL && line[0] != '\0')
        feed_tell(&plugin->feed, "You are in no room");
    else
        playsync_say(plugin->engine, line, clock_now());
}

/* `state` begins with d or p for a key that goes down, r for one held. */
static void key_pressed(struct plugin *plugin, const char *binding,
                        const char *state, const char *typed)
{
    if (state[0] == 'u')
        return;
    if (strncmp(binding, "input-", 6) == 0) {
        bool is_finished = input_key(&plugin->input, binding, typed);
        if (!plugin->input.is_open)
            feed_hold(&plugin->feed, false);
        if (is_finished)
            send_line(plugin);
    } else if (strncmp(binding, "menu-", 5) == 0) {
        const char *command =
            panel_key(&plugin->panel, binding, plugin->engine);
        if (command != NULL)
            run_line(plugin, command);
    } else if (state[0] != 'r' || strncmp(binding, "step", 4) == 0) {
        run(plugin, 1, &binding);
    }
}

static void handle_message(struct plugin *plugin,
                           const mpv_event_client_message *message)
{
    int count = message->num_args;
    const char *const *words = (const char *const *)message->args;
    if (count == 0)
        return;
    if (strcmp(words[0], "key-binding") == 0) {
        if (count >= 3)
            key_pressed(plugin, words[1], words[2],
                        count >= 5 ? words[4] : NULL);
    } else {
        /* What is no command was meant for another script: some messages
         * go to all. */
        run(plugin, count, words);
    }
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

static void open_film(struct plugin *plugin, const playsync_output *film)
{
    const struct options *options = &plugin->options;
    char line[512];
    if (!options->follows_files)
        return;
    if (player_open_file(&plugin->player, options, film))
        snprintf(line, sizeof line, "Opening %.256s", film->name);
    else if (film->url != NULL)
        snprintf(line, sizeof line,
                 "The room watches %.300s, and trusted-domains does not say "
                 "that it may be opened",
                 film->url);
    else
        snprintf(line, sizeof line,
                 "The room watches %.256s, which is not beside this film nor "
                 "in media-dirs",
                 film->name);
    feed_tell(&plugin->feed, line);
}

static bool is_wanted(const struct options *options, int category)
{
    return category < OPTION_CATEGORIES && options->shows_notices[category];
}

static void perform(struct plugin *plugin)
{
    playsync_output output;
    while (playsync_poll(plugin->engine, &output)) {
        if (player_perform(&plugin->player, &output) ||
            room_perform(&plugin->room, &output))
            continue;
        if (output.kind == PLAYSYNC_OPEN_FILE)
            open_film(plugin, &output);
        else if (output.kind == PLAYSYNC_CHAT)
            feed_chat(&plugin->feed, output.name, output.text, output.on);
        else if (output.kind == PLAYSYNC_NOTICE &&
                 is_wanted(&plugin->options, output.category))
            feed_tell(&plugin->feed, output.text);
    }
}

static void turn(struct plugin *plugin)
{
    feed_handle_timeout(&plugin->feed);
    panel_handle_timeout(&plugin->panel, plugin->engine);
    if (plugin->engine == NULL)
        return;
    notice_sleep(plugin);
    room_drain(&plugin->room);
    int status = playsync_handle_timeout(plugin->engine, clock_now());
    perform(plugin);
    if (status == PLAYSYNC_E_INTERNAL) {
        feed_tell(&plugin->feed, "Leaving the room: the plugin has a defect");
        leave(plugin);
    }
}

static int64_t earlier(int64_t one, int64_t other)
{
    return one < other ? one : other;
}

/* INT64_MAX: nothing is due. */
static int64_t next_deadline(const struct plugin *plugin)
{
    int64_t drawing = earlier(feed_next_timeout(&plugin->feed),
                              panel_next_timeout(&plugin->panel));
    return plugin->engine == NULL
               ? drawing
               : earlier(drawing, playsync_next_timeout(plugin->engine));
}

/* Sleeps until mpv, the network or the engine's deadline wants a turn. */
static void wait_for_work(const struct plugin *plugin)
{
    struct pollfd fds[] = {
        {.fd = plugin->wakeup_fd, .events = POLLIN},
        {.fd = room_fd(&plugin->room), .events = POLLIN},
    };
    int64_t deadline = next_deadline(plugin);
    bool has_deadline = deadline != INT64_MAX;
    int64_t ns = has_deadline ? deadline - clock_now() : 0;
    struct timespec left = {0};
    if (ns > 0) {
        left.tv_sec = ns / 1000000000;
        left.tv_nsec = ns % 1000000000;
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
    feed_open(&plugin->feed, mpv);
    input_open(&plugin->input, mpv);
    panel_open(&plugin->panel, mpv);
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
        turn(&plugin);
        wait_for_work(&plugin);
    }
    close_plugin(&plugin);
    return 0;
}
