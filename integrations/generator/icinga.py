# SPDX-License-Identifier: GPL-3.0-or-later
"""Icinga 2 (CheckCommand, services), Icinga Director (basket), Nagios (commands, services): all from the options of the plugin."""
import json

from words import PLUGIN, stable_uuid

COMMAND = "edge_media"
MODES = {  # services that the examples make: mode, description, what it tells
    "findings": "Edge media findings",
    "code23": "Edge media code 23",
    "ports": "Edge media ports",
    "sources": "Edge media sources",
}
LEFT_OUT = ("help", "version")


def options(words):
    """Those that a monitoring system sets; secrets only by file."""
    return [o for o in words.options(f"plugins/{PLUGIN}") if o.name not in LEFT_OUT and not o.secret]


def variable(option):
    return f"{COMMAND}_{option.name.replace('-', '_')}"


def quoted(text):
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("$", "$$") + '"'


def argument(option):
    lines = [f'\t\t"--{option.name}" = {{']
    if option.meta:
        lines.append(f'\t\t\tvalue = "${variable(option)}$"')
        if option.repeatable:
            lines.append("\t\t\trepeat_key = true")
        if option.name == "hostname":  # the host's own address by default, unless another option says what to look at
            others = " || ".join(f'macro("${COMMAND}_{name}$")' for name in ("socket", "probe", "scan"))
            lines.append(f"\t\t\tset_if = {{{{ !({others}) }}}}")
    else:
        lines.append(f'\t\t\tset_if = "${variable(option)}$"')
    lines.append(f"\t\t\tdescription = {quoted(option.help)}")
    return "\n".join(lines + ["\t\t}"])


def icinga2(words):
    arguments = "\n".join(argument(o) for o in options(words))
    command = f"""/* SPDX-License-Identifier: GPL-3.0-or-later
 * {PLUGIN} for Icinga 2: copy to /etc/icinga2/conf.d/ or to a global zone. Passwords are read from files. */
object CheckCommand "{COMMAND}" {{
	command = [ PluginDir + "/{PLUGIN}" ]
	timeout = 30s
	arguments = {{
{arguments}
	}}
	vars.{COMMAND}_hostname = "$address$"
}}
"""
    services = "".join(f"""
apply Service "{description}" {{
	import "generic-service"
	check_command = "{COMMAND}"
	vars.{COMMAND}_mode = "{mode}"
	assign where host.vars.edge_media
}}
""" for mode, description in MODES.items())
    services = f"""/* SPDX-License-Identifier: GPL-3.0-or-later
 * Services of each host with `vars.edge_media = true`: a host that runs edgemediad behind its snmpd. */
{services}
/* A media port tested from here, without a daemon: vars.edge_media_uris["oslo turn"] = "turn:edge.example.org:3478" */
apply Service "Edge media " for (name => uri in host.vars.edge_media_uris) {{
	import "generic-service"
	check_command = "{COMMAND}"
	vars.{COMMAND}_probe = [ uri ]
}}
"""
    return {"icinga2/edge-media-command.conf": command, "icinga2/edge-media-services.conf": services}


def director(words):
    fields, arguments, known = {}, {}, []
    for number, option in enumerate(options(words), 1):
        known.append(option)
        name = variable(option)
        kind = "Boolean" if not option.meta else "Array" if option.repeatable else "String"
        fields[str(number)] = {
            "uuid": str(stable_uuid("director", "field", name)), "varname": name, "caption": f"Edge media: {option.name.replace('-', ' ')}",
            "description": option.help, "datatype": f"Icinga\\Module\\Director\\DataType\\DataType{kind}", "format": None,
            "settings": {} if kind != "String" else {"visibility": "visible"}, "category": "Edge media"}
        entry = {"description": option.help}
        if option.meta:
            entry["value"] = f"${name}$"
            if option.repeatable:
                entry["repeat_key"] = "1"
        else:
            entry["set_if"] = f"${name}$"
        arguments[f"--{option.name}"] = entry
    basket = {
        "Command": {f"cmd-{COMMAND}": {
            "arguments": arguments, "command": f"/usr/lib/nagios/plugins/{PLUGIN}", "disabled": False,
            "fields": [{"datafield_id": number, "is_required": "n", "var_filter": None} for number in range(1, len(known) + 1)],
            "imports": [], "is_string": None, "methods_execute": "PluginCheck", "object_name": f"cmd-{COMMAND}", "object_type": "object",
            "timeout": "30", "vars": {}, "zone": None, "uuid": str(stable_uuid("director", "command"))}},
        "ServiceTemplate": {f"tpl-service-edge-media-{mode}": {
            "check_command": f"cmd-{COMMAND}", "object_name": f"tpl-service-edge-media-{mode}", "object_type": "template",
            "display_name": description, "vars": {f"{COMMAND}_mode": mode, f"{COMMAND}_hostname": "$address$"}, "fields": [], "imports": [],
            "uuid": str(stable_uuid("director", "service", mode))} for mode, description in MODES.items()},
        "Datafield": fields,
    }
    return {"icinga-director/edge-media-basket.json": json.dumps(basket, indent=4) + "\n"}


def nagios(words):
    for name in ("mode", "hostname", "community-file", "probe", "socket"):
        if name not in [o.name for o in options(words)]:
            raise LookupError(f"{PLUGIN} has no --{name}")
    text = f"""# SPDX-License-Identifier: GPL-3.0-or-later
# {PLUGIN} for Nagios 4: on Debian copy to /etc/nagios4/conf.d/. $ARG1$ may hold further options, as '-w 0 -c 5'.
define command {{
    command_name {PLUGIN}
    command_line /usr/lib/nagios/plugins/{PLUGIN} --hostname='$HOSTADDRESS$' $ARG1$
}}
define command {{
    command_name {PLUGIN}_probe
    command_line /usr/lib/nagios/plugins/{PLUGIN} --probe='$ARG1$' $ARG2$
}}
define command {{
    command_name {PLUGIN}_socket
    command_line /usr/lib/nagios/plugins/{PLUGIN} --socket=/run/edgemedia/control $ARG1$
}}

# Services of the hosts in this group: those that run edgemediad behind their snmpd.
define hostgroup {{
    hostgroup_name edge-media
    alias          Edge Media Monitor
}}
"""
    text += "".join(f"""define service {{
    use                 generic-service
    hostgroup_name      edge-media
    service_description {description}
    check_command       {PLUGIN}!--mode={mode}
}}
""" for mode, description in MODES.items())
    return {"nagios/edge-media.cfg": text}


def files(words):
    return {**icinga2(words), **director(words), **nagios(words)}
