/* options.h: what the viewer asks for in script-opts or playsync.conf. */
#ifndef PLUGIN_OPTIONS_H
#define PLUGIN_OPTIONS_H

#include <mpv/client.h>
#include <stdbool.h>
#include <stddef.h>

/* As many as playsync's categories of notices, which begin with 1. */
enum { OPTION_CATEGORIES = 6 };

enum { OPTION_SIZE = 1024, ROOM_SIZE = 129, NAME_SIZE = 65 };

struct options {
    char url[OPTION_SIZE]; /* empty: join no room */
    char cafile[OPTION_SIZE]; /* empty: trust whom the system trusts */
    char password[OPTION_SIZE]; /* empty: log in with what the URL says */
    char media_dirs[OPTION_SIZE];
    char trusted_domains[OPTION_SIZE];
    bool follows_files;
    char room[ROOM_SIZE];
    char name[NAME_SIZE];
    double offset; /* seconds by which the sound of this device is late */
    bool has_drift_control;
    bool shows_notices[OPTION_CATEGORIES];
};

/* Reads `~~/script-opts/playsync.conf`, then the script-opts, which win. False
 * with one sentence in `error` when something in them cannot be used. */
bool options_read(struct options *options, mpv_handle *mpv, char *error,
                  size_t error_size);

#endif
