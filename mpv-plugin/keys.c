/* keys.c: the keys that the plugin takes unless input.conf says otherwise. */
#include "keys.h"

static const char SECTION[] = "playsync-keys";

/* Frames are stepped by the room: mpv's own stepping would be one player's. */
static const char KEYS[] = "c script-binding playsync/chat\n"
                           "h script-binding playsync/people\n"
                           "k script-binding playsync/menu\n"
                           "y script-binding playsync/ready\n"
                           "Ctrl+z script-binding playsync/undo\n"
                           "Ctrl+y script-binding playsync/redo\n"
                           ". script-binding playsync/step\n"
                           ", script-binding playsync/step-back\n";

void keys_bind(mpv_handle *mpv)
{
    /* "default" lets the viewer's own input.conf win. */
    const char *define[] = {"define-section", SECTION, KEYS, "default", NULL};
    const char *enable[] = {"enable-section", SECTION, NULL};
    mpv_command_async(mpv, 0, define);
    mpv_command_async(mpv, 0, enable);
}
