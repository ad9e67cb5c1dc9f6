# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes dictionaries, lists and scalars as YAML, in their order. Every text is quoted, so that no text can be taken for something else."""
import json
import re


def scalar(value):
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if re.fullmatch(r"[A-Za-z_][A-Za-z_ ]*[A-Za-z_]", value) and value.lower() not in ("yes", "no", "true", "false", "null", "on", "off"):
        return value
    return json.dumps(value, ensure_ascii=False)


def dump(value, indent=0):
    pad = "  " * indent
    lines = []
    if isinstance(value, dict):
        for key, inner in value.items():
            name = key if isinstance(key, int) or re.fullmatch(r"[A-Za-z_][\w.-]*", key) else json.dumps(key)
            if isinstance(inner, (dict, list)) and inner:
                lines += [f"{pad}{name}:", dump(inner, indent + (isinstance(inner, dict) or 1))]
            else:
                lines.append(f"{pad}{name}: {'[]' if inner == [] else '{}' if inner == {} else scalar(inner)}")
    else:
        for inner in value:
            if isinstance(inner, (dict, list)):
                body = dump(inner, indent + 1)
                lines.append(f"{pad}- {body[len(pad) + 2:]}")
            else:
                lines.append(f"{pad}- {scalar(inner)}")
    return "\n".join(lines)


def document(comment, value):
    return "".join(f"# {line}\n" for line in ["SPDX-License-Identifier: GPL-3.0-or-later", *comment]) + dump(value) + "\n"
