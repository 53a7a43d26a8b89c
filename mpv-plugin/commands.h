/* commands.h: what the viewer can have the room do, in words: from key
 * bindings, script messages, the menu and the line one writes in. */
#ifndef PLUGIN_COMMANDS_H
#define PLUGIN_COMMANDS_H

#include <playsync.h>
#include <stdbool.h>
#include <stddef.h>

#include "feed.h"

enum { COMMAND_WORDS_MAX = 8 };

/* Does what the words ask of the room; false if the first is no command of the
 * room's. Says in the feed what is wrong with the others. */
bool command_run(playsync *engine, struct feed *feed, int count,
                 const char *const *words);

/* The name of a command and how it is written, in order; NULL at the end. Also
 * those that the plugin itself does are listed. */
const char *command_name(size_t index);
const char *command_usage(size_t index);

/* The position of a time as people write it: `90`, `1:30`, `1:02:03.5`; NAN if
 * it is none. */
double command_seconds(const char *time);

#endif
