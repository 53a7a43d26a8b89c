/* options.c: what the viewer asks for in script-opts or playsync.conf.
 *
 * In script-opts the keys carry the prefix `playsync-`, in the file they do
 * not, as mpv's own scripts have it. */
#include "options.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char PREFIX[] = "playsync-";
static const char FILE_NAME[] = "~~/script-opts/playsync.conf";

/* Bluetooth is late by up to 0.3 s; what nears this limit is a typing error. */
static const double MAX_OFFSET_MS = 5000.0;

struct reader {
    struct options *options;
    char *error;
    size_t error_size;
};

static bool refuse(const struct reader *reader, const char *key,
                   const char *value, const char *why)
{
    snprintf(reader->error, reader->error_size, "Option %s%s=%s: %s", PREFIX,
             key, value, why);
    return false;
}

static bool set_text(const struct reader *reader, const char *key,
                     const char *value, char *text, size_t size)
{
    if (strlen(value) >= size)
        return refuse(reader, key, value, "this is too long");
    memcpy(text, value, strlen(value) + 1);
    return true;
}

/* A room is one level of a topic. */
static bool set_room(const struct reader *reader, const char *value)
{
    if (value[0] == '\0' || strpbrk(value, "/+#") != NULL)
        return refuse(reader, "room", value,
                      "a room's name is not empty and has no / + #");
    return set_text(reader, "room", value, reader->options->room, ROOM_SIZE);
}

static bool set_offset(const struct reader *reader, const char *value)
{
    char *end = NULL;
    double offset_ms = strtod(value, &end);
    if (end == value || *end != '\0' || !isfinite(offset_ms) ||
        fabs(offset_ms) > MAX_OFFSET_MS)
        return refuse(reader, "offset-ms", value,
                      "it is a number of milliseconds from -5000 to 5000");
    reader->options->offset = offset_ms / 1000.0;
    return true;
}

static bool set_switch(const struct reader *reader, const char *key,
                       const char *value, bool *is_on)
{
    *is_on = strcmp(value, "yes") == 0;
    if (*is_on || strcmp(value, "no") == 0)
        return true;
    return refuse(reader, key, value, "it is yes or no");
}

/* `yes`, `no`, or the kinds that are wanted. */
static bool set_notices(const struct reader *reader, const char *value)
{
    static const char *const KINDS[OPTION_CATEGORIES] = {
        NULL, "people", "action", "file", "connection", "ready"};
    bool *shows = reader->options->shows_notices;
    bool is_all = strcmp(value, "yes") == 0;
    bool is_none = strcmp(value, "no") == 0;
    for (size_t i = 0; i < OPTION_CATEGORIES; i++)
        shows[i] = is_all;
    while (!is_all && !is_none && value[0] != '\0') {
        size_t length = strcspn(value, "+");
        size_t kind = 1;
        while (kind < OPTION_CATEGORIES &&
               (strlen(KINDS[kind]) != length ||
                strncmp(KINDS[kind], value, length) != 0))
            kind++;
        if (kind == OPTION_CATEGORIES)
            return refuse(reader, "notices", value,
                          "it is yes, no, or some of people, action, file, "
                          "connection and ready, as in people+ready");
        shows[kind] = true;
        value += length + (value[length] == '+');
    }
    return true;
}

static bool set(const struct reader *reader, const char *key, const char *value)
{
    struct options *options = reader->options;
    if (strcmp(key, "url") == 0)
        return set_text(reader, key, value, options->url, OPTION_SIZE);
    if (strcmp(key, "cafile") == 0)
        return set_text(reader, key, value, options->cafile, OPTION_SIZE);
    if (strcmp(key, "password") == 0)
        return set_text(reader, key, value, options->password, OPTION_SIZE);
    if (strcmp(key, "media-dirs") == 0)
        return set_text(reader, key, value, options->media_dirs, OPTION_SIZE);
    if (strcmp(key, "trusted-domains") == 0)
        return set_text(reader, key, value, options->trusted_domains,
                        OPTION_SIZE);
    if (strcmp(key, "follow-files") == 0)
        return set_switch(reader, key, value, &options->follows_files);
    if (strcmp(key, "room") == 0)
        return set_room(reader, value);
    if (strcmp(key, "name") == 0)
        return set_text(reader, key, value, options->name, NAME_SIZE);
    if (strcmp(key, "offset-ms") == 0)
        return set_offset(reader, value);
    if (strcmp(key, "drift-control") == 0)
        return set_switch(reader, key, value, &options->has_drift_control);
    if (strcmp(key, "notices") == 0)
        return set_notices(reader, value);
    return refuse(reader, key, value, "there is no such option");
}

static char *trim(char *text)
{
    static const char SPACE[] = " \t\r\n";
    text += strspn(text, SPACE);
    size_t length = strlen(text);
    while (length > 0 && strchr(SPACE, text[length - 1]) != NULL)
        length--;
    text[length] = '\0';
    return text;
}

static bool read_line(const struct reader *reader, char *line)
{
    line = trim(line);
    if (line[0] == '\0' || line[0] == '#')
        return true;
    char *value = strchr(line, '=');
    if (value == NULL)
        return refuse(reader, line, "", "a line is key=value");
    *value = '\0';
    return set(reader, trim(line), trim(value + 1));
}

static bool read_lines(const struct reader *reader, FILE *file)
{
    char line[OPTION_SIZE + 64];
    while (fgets(line, sizeof line, file) != NULL)
        if (!read_line(reader, line))
            return false;
    return true;
}

static bool read_file(const struct reader *reader, mpv_handle *mpv)
{
    mpv_node path = {0};
    const char *command[] = {"expand-path", FILE_NAME, NULL};
    if (mpv_command_ret(mpv, command, &path) < 0)
        return true;
    /* A file that is not there asks for nothing. */
    bool is_ok = true;
    FILE *file = path.format == MPV_FORMAT_STRING && path.u.string[0] != '\0'
                     ? fopen(path.u.string, "re")
                     : NULL;
    if (file != NULL) {
        is_ok = read_lines(reader, file);
        fclose(file);
    }
    mpv_free_node_contents(&path);
    return is_ok;
}

static bool read_map(const struct reader *reader, const mpv_node_list *map)
{
    const size_t prefix_length = sizeof PREFIX - 1;
    for (int i = 0; i < map->num; i++) {
        bool is_ours = strncmp(map->keys[i], PREFIX, prefix_length) == 0;
        if (!is_ours || map->values[i].format != MPV_FORMAT_STRING)
            continue;
        if (!set(reader, map->keys[i] + prefix_length, map->values[i].u.string))
            return false;
    }
    return true;
}

static bool read_script_opts(const struct reader *reader, mpv_handle *mpv)
{
    mpv_node opts = {0};
    if (mpv_get_property(mpv, "script-opts", MPV_FORMAT_NODE, &opts) < 0)
        return true;
    bool is_ok = opts.format != MPV_FORMAT_NODE_MAP ||
                 read_map(reader, opts.u.list);
    mpv_free_node_contents(&opts);
    return is_ok;
}

static void set_default_name(struct options *options)
{
    if (options->name[0] != '\0')
        return;
    const char *user = getenv("USER");
    snprintf(options->name, NAME_SIZE, "%s", user != NULL ? user : "somebody");
}

bool options_read(struct options *options, mpv_handle *mpv, char *error,
                  size_t error_size)
{
    *options = (struct options){
        .has_drift_control = true,
        .follows_files = true,
        .shows_notices = {true, true, true, true, true, true},
    };
    struct reader reader = {options, error, error_size};
    if (!read_file(&reader, mpv) || !read_script_opts(&reader, mpv))
        return false;
    set_default_name(options);
    if (options->url[0] != '\0' && options->room[0] == '\0')
        return refuse(&reader, "room", "", "it has to name the room to join");
    if (options->room[0] != '\0' && options->url[0] == '\0')
        return refuse(&reader, "url", "",
                      "it has to name the broker, as in mqtt://host");
    return true;
}
