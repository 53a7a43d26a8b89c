/* keys.h: the keys that the plugin takes unless input.conf says otherwise. */
#ifndef PLUGIN_KEYS_H
#define PLUGIN_KEYS_H

#include <mpv/client.h>

/* Binds them. Each sends its name back as a key-binding message. */
void keys_bind(mpv_handle *mpv);

#endif
