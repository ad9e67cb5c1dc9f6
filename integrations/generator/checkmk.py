# SPDX-License-Identifier: GPL-3.0-or-later
"""A local check for the agent of Checkmk, on the machine that runs edgemediad."""
from icinga import MODES
from words import PLUGIN


def files(_words):
    return {"checkmk/edge_media": f"""#!/bin/sh
# SPDX-License-Identifier: GPL-3.0-or-later
# Local check for Checkmk: copy to /usr/lib/check_mk_agent/local/ and make it executable. Each line is a service:
# state, its name, perfdata of the plugin (Checkmk wants | between values), what the plugin says.
plugin=${{EDGE_MEDIA_PLUGIN:-/usr/lib/nagios/plugins/{PLUGIN}}}
socket=${{EDGE_MEDIA_SOCKET:-/run/edgemedia/control}}
for mode in {' '.join(MODES)}; do
    line=$("$plugin" --socket="$socket" --mode="$mode" 2>&1)
    state=$?
    line=$(printf '%s\\n' "$line" | head -n 1)
    perfdata=-
    case $line in
    *'|'*)
        perfdata=$(printf '%s' "${{line#*|}}" | sed -e 's/^ *//' -e 's/ *$//' -e "s/'//g" -e 's/  */|/g')
        line=${{line%%|*}}
        ;;
    esac
    printf '%s "Edge media %s" %s %s\\n' "$state" "$mode" "${{perfdata:--}}" "$line"
done
"""}
