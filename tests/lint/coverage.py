#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists for each source file how many of its lines the tests ran: coverage.py BUILD, a tree of configure --enable-coverage."""
import collections
import gzip
import json
import os
import subprocess
import sys
import tempfile


def main():
    build = os.path.abspath(sys.argv[1])
    source = os.getcwd()
    notes = [os.path.join(at, name) for at, _, names in os.walk(build) for name in names if name.endswith(".gcda")]
    ran = collections.defaultdict(dict)
    for note in notes:
        with tempfile.TemporaryDirectory() as into:
            subprocess.run(["gcov", "--json-format", note], cwd=into, capture_output=True, check=False)
            for name in os.listdir(into):
                with gzip.open(os.path.join(into, name), "rt", encoding="utf-8") as f:
                    collect(json.load(f), source, build, ran)
    print_table(ran)
    return 0 if ran else 1


def collect(data, source, build, ran):
    for file in data["files"]:
        path = os.path.relpath(os.path.join(data.get("current_working_directory", build), file["file"]), source)
        if path.startswith(("lib/", "agent/", "plugins/", "cli/")):
            for line in file["lines"]:
                ran[path][line["line_number"]] = ran[path].get(line["line_number"], 0) + line["count"]


def print_table(ran):
    lines = hit = 0
    for path in sorted(ran):
        n, h = len(ran[path]), sum(1 for count in ran[path].values() if count)
        lines, hit = lines + n, hit + h
        print(f"{100 * h / n:6.1f} %  {h:5d} of {n:5d}  {path}")
    if lines:
        print(f"{100 * hit / lines:6.1f} %  {hit:5d} of {lines:5d}  all")


if __name__ == "__main__":
    sys.exit(main())
