/* player.h: the mpv side: tells the engine what the player does, and makes the
 * player do what the engine asks. */
#ifndef PLUGIN_PLAYER_H
#define PLUGIN_PLAYER_H

#include <mpv/client.h>
#include <playsync.h>
#include <stdbool.h>

#include "files.h"
#include "options.h"

struct player {
    mpv_handle *mpv;
    playsync *engine; /* NULL outside of a room */

    /* What mpv said last, so that a room joined later hears it too. */
    bool is_paused;
    double speed;
    bool is_at_end;
    bool is_buffering;
    bool has_file;   /* a file is open and has shown its first frame */
    bool has_audio;
    /* The content of the open file, read once; "" when it cannot be read. */
    char fingerprint[FINGERPRINT_SIZE];

    bool is_seeking; /* from SEEK to PLAYBACK_RESTART */

    /* The viewer's settings, for the time after the room; NULL outside. */
    char *video_sync;
    char *pitch_correction;
    char *keep_open;
    bool has_filter; /* the tempo filter is ours to remove */
};

/* Begins to watch mpv. */
void player_open(struct player *player, mpv_handle *mpv);

/* Joins: sets what exact timing needs, and tells `engine` the state so far. */
void player_enter(struct player *player, playsync *engine);

/* Leaves: the viewer's own settings again. Harmless outside of a room. */
void player_leave(struct player *player);

/* Tells the engine of one event of mpv's. */
void player_handle(struct player *player, const mpv_event *event);

/* Opens the film that the room watches, if it is found; says whether it is. */
bool player_open_file(struct player *player, const struct options *options,
                      const playsync_output *film);

/* Does what the engine asks of the player; false if it asks something else. */
bool player_perform(struct player *player, const playsync_output *output);

#endif
