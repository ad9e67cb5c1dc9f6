# SPDX-License-Identifier: GPL-3.0-or-later
"""What the integrations are made of: the catalogue (as tests/agree/dump_catalogue prints it), the options of the programs (as their --help
prints them) and the MIB's root. No name of a number, table, object or option is written anywhere else in this directory: a generator asks for it
here, and a name that is gone ends the generation."""
import json
import os
import re
import subprocess
import uuid

PREFIX = "edgemedia_"
GOOD, POOR = ("ok",), ("degraded",)  # verdicts; "untested" is neither good nor bad
WAITING = "untested"
PLUGIN = "check_edge_media"
WINDOW = "1h"  # of the daemon's window gauges, where an NMS looks at one


class Missing(Exception):
    """A generator asked for something that the catalogue or a program does not have."""


class Field:
    def __init__(self, table, raw):
        self.table = table
        self.__dict__.update({k: raw[k] for k in ("json", "snmp", "metric", "label", "unit", "help", "kind", "names", "title", "foreign", "no_json", "subid")})

    @property
    def object(self):
        """Its name in the MIB."""
        return self.snmp if self.foreign else self.table.snmp + self.snmp

    @property
    def oid(self):
        """Numeric, of the column, or of the scalar's instance."""
        return self.table.oid + (f".1.{self.subid}" if self.table.index_n else f".{self.subid}.0")

    @property
    def family(self):
        """Name of its samples in the metrics."""
        return f"{PREFIX}{self.metric}" + ("_total" if self.kind == "counter" else "")

    @property
    def fixed_label(self):
        return self.label if self.metric and self.label and "=" in self.label else None

    @property
    def sentence(self):
        return re.split(r"(?<=\.) ", self.help)[0]

    @property
    def code(self):
        """Numbers of its names, in the order of the enumeration (from 1)."""
        return {name: number for number, name in enumerate(self.names, 1)}

    @property
    def snmp_code(self):
        """The same under the MIB's names, which have no hyphens: {number: name}."""
        return {number: re.sub(r"[-_ ]+(\w)", lambda m: m.group(1).upper(), name) for name, number in self.code.items()}


class Table:
    def __init__(self, raw, root):
        self.json, self.snmp, self.help, self.index_n = raw["json"], raw["snmp"], raw["help"], raw["index_n"]
        self.oid = f"{root}.1.{raw['arc']}"
        self.fields = [Field(self, f) for f in raw["fields"]]

    def field(self, name):
        for f in self.fields:
            if f.json == name:
                return f
        raise Missing(f"the catalogue's table {self.json} has no field {name}")

    @property
    def labels(self):
        """Labels that each of its metrics carries."""
        return [f.label for f in self.fields if f.label and not f.metric]

    @property
    def indexes(self):
        return [f for f in self.fields if f.kind == "index"]

    @property
    def columns(self):
        return [f for f in self.fields if f.subid and f.kind != "index" and not f.foreign]


class Option:
    """One line of --help."""

    def __init__(self, letter, name, meta, text):
        self.letter, self.name, self.meta = letter, name, meta
        found = re.search(r" \(default (.*?)\)$", text)
        self.default = found.group(1) if found else None
        self.help = text[:found.start()] if found else text

    @property
    def repeatable(self):
        return "repeatable" in self.help

    @property
    def secret(self):
        return "better in a file" in self.help


class Words:
    def __init__(self, build, root):
        self.build = build
        dump = json.loads(self.output("tests/agree/dump_catalogue"))
        self.root = root
        self.tables = {t["json"]: Table(t, root) for t in dump["tables"]}
        self.lists = dump["lists"]  # {title: [{name, help}]}
        self.ice, self.codes, self.components = dump["ice"], dump["codes"], dump["components"]
        self.rules, self.events, self.verdict_advice = dump["rules"], dump["events"], dump["verdict_advice"]

    def output(self, program, *words):
        done = subprocess.run([os.path.join(self.build, program), *words], capture_output=True, text=True, check=False,
                              stdin=subprocess.DEVNULL)
        if not done.stdout:
            raise Missing(f"{program} {' '.join(words)}: exit {done.returncode}, no output: {done.stderr}")
        return done.stdout

    def table(self, name):
        if name not in self.tables:
            raise Missing(f"the catalogue has no table {name}")
        return self.tables[name]

    def field(self, path):
        """Of "checks.verdict"."""
        table, name = path.split(".")
        return self.table(table).field(name)

    def metric(self, path):
        f = self.field(path)
        if not f.metric:
            raise Missing(f"{path} is not a metric")
        return f.family

    def metrics(self):
        """All families once: {family: [fields]}."""
        families = {}
        for table in self.tables.values():
            for f in table.fields:
                if f.metric:
                    families.setdefault(f.family, []).append(f)
        return families

    def options(self, program, *words):
        """The options of a program, or of a command of it."""
        text = self.output(program, *words, "--help")
        options, line = [], None
        for raw in text.splitlines():
            started = re.match(r"  (?:-(\w), |    )--([\w-]+)(?:=(\S+))?(?:\s+(.*))?$", raw)
            if started:
                line = [started.group(1), started.group(2), started.group(3), started.group(4) or ""]
                options.append(line)
            elif line and raw.startswith(" " * 12) and raw.strip():
                line[3] = f"{line[3].strip()} {raw.strip()}".strip()
            else:
                line = None
        if not options:
            raise Missing(f"{program} {' '.join(words)} --help lists no option")
        return [Option(letter, name, meta, help.strip()) for letter, name, meta, help in options]

    def commands(self, program="edgemedia"):
        found = re.findall(r"^  ([a-z][a-z-]*) +(\S.*)$", self.output(program, "--help"), re.M)
        if not found:
            raise Missing(f"{program} --help lists no command")
        return found


def stable_uuid(*words):
    """The same UUID each time for the same words, in the form of version 4 that some programs insist on."""
    raw = bytearray(uuid.uuid5(uuid.NAMESPACE_URL, "edge-media-monitor/" + "/".join(words)).bytes)
    raw[6] = raw[6] & 0x0F | 0x40
    raw[8] = raw[8] & 0x3F | 0x80
    return uuid.UUID(bytes=bytes(raw))
