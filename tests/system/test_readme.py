#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""README.md tells the truth: its commands run, its configuration is accepted, its options, metrics and links exist."""
import os
import re
import shlex
import subprocess
import sys
import tempfile

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.path.abspath(os.environ.get("EM_BUILDDIR", "."))
sys.path[:0] = [f"{SRC}/tests"]
import tap  # noqa: E402

with open(f"{SRC}/README.md", encoding="utf-8") as readme:
    TEXT = readme.read()
CODE = [line.strip() for line in TEXT.splitlines() if line.startswith("    ")]


PROGRAMS = {"edgemedia": f"{BUILD}/edgemedia", "edgemediad": f"{BUILD}/edgemediad", "check_edge_media": f"{BUILD}/plugins/check_edge_media"}


def run(*command):
    return subprocess.run(command, cwd=SRC, capture_output=True, text=True, check=False, timeout=30)


def test_first_lines_are_the_two_commands():
    assert [line.split("#")[0].strip() for line in CODE[:2]] == ["./quickstart", "./quickstart test"]


def test_commands_run():
    commands = [line for line in CODE if line.startswith("build/demo/")]
    assert len(commands) >= 3, commands
    for line in commands:
        got = run(*shlex.split(line.replace("build/demo", BUILD)))
        assert got.returncode in (0, 1) and got.stdout and not got.stderr, f"{line}: {got}"


def test_configuration_is_accepted():
    text = "\n".join(TEXT.split("each word explained in edgemedia.conf(5):")[1].split("Traces are recognised")[0].splitlines())
    with tempfile.TemporaryDirectory(prefix="edgemedia-readme-") as directory:
        path = f"{directory}/edgemedia.conf"
        with open(path, "w", encoding="ascii") as f:
            f.write(text)
        got = run(PROGRAMS["edgemediad"], "--test-config", "-c", path)
        assert got.returncode == 0, got
        with open(path, "a", encoding="ascii") as f:
            f.write("\nno_such_word = 1\n")
        got = run(PROGRAMS["edgemediad"], "--test-config", "-c", path)
        assert got.returncode == 2 and re.search(r"edgemedia\.conf:\d+: ", got.stderr), got


def test_options_exist():
    for program, path in PROGRAMS.items():
        for words in re.findall(rf"`{program} ([^`]+)`", TEXT):
            command = [path]
            if program == "edgemedia":
                command.append(words.split()[0])
            known = run(*command, "--help").stdout
            for option in re.findall(r"(?<!\S)--?[A-Za-z][\w-]*", words):
                assert re.search(rf"(?<![\w-]){re.escape(option)}\b", known), f"{program} {words}: {option} is not in its --help"


def test_modes_exist():
    known = run(PROGRAMS["check_edge_media"], "--help").stdout
    for mode in ("code23", "tcp-nat", "failures", "ports", "all"):
        assert f"`{mode}`" in TEXT or f"--mode {mode}" in TEXT, mode
        assert re.search(rf"\b{mode}\b", known), f"{mode} is not in check_edge_media --help"


def test_metrics_and_objects_exist():
    with open(f"{SRC}/lib/model/catalogue.c", encoding="utf-8") as f:
        catalogue = f.read()
    for name in set(re.findall(r"edgemedia_(\w+)", TEXT)):
        assert f'"{re.sub("_total$", "", name)}"' in catalogue, name
    with open(f"{SRC}/mibs/EDGE-MEDIA-MIB.txt", encoding="ascii") as f:
        mib = f.read()
    for name in set(re.findall(r"EDGE-MEDIA-MIB::(\w+)", TEXT)):
        assert f"{name} OBJECT-TYPE" in mib, name


def test_files_exist():
    for path in set(re.findall(r"(?<![\w/.])(?:demo|doc|mibs|tests)/[\w./-]+", TEXT)):
        assert os.path.exists(f"{SRC}/{path.rstrip('.')}"), path


if __name__ == "__main__":
    tap.run(globals())
