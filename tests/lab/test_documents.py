#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands shown in documents do what is shown: each ```console block of doc/*.md is run in the firewall lab (demo/lab), a document in one shell and
one empty directory. `$ ` begins a command, `> ` goes on with it, other lines are its output: <word> is any text within a line, a line `...` any
lines, a run of blanks is one blank, and blanks at a line's end do not count."""
import concurrent.futures
import glob
import os
import re
import subprocess
import sys

SRC, BUILD = os.path.abspath(os.environ.get("EM_SRCDIR", ".")), os.path.abspath(os.environ.get("EM_BUILDDIR", "."))
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import namespaces  # noqa: E402
import tap  # noqa: E402

MARK, LAST_S = "=-=-= end of command", 60
EXPECTED = ("tutorial.md", "port-checker-green.md")


def steps(path):
    """(command, lines of output wanted) of all blocks of a document."""
    with open(path, encoding="utf-8") as f:
        text = f.read()
    found = []
    for block in re.findall(r"^```console\n(.*?)^```$", text, re.M | re.S):
        for line in block.splitlines():
            if line.startswith("$ "):
                found.append((line[2:], []))
            elif line.startswith("> ") and found and not found[-1][1]:
                found[-1] = (f"{found[-1][0]}\n{line[2:]}", [])
            else:
                assert found, f"{path}: output before a command: {line}"
                found[-1][1].append(line)
    return found


def squeezed(line):
    return re.sub(r"[ \t]+", " ", line).rstrip()


def pattern(lines):
    """A regular expression for all of an output."""
    parts = []
    for line in lines:
        if line == "...":
            parts.append(r"(?:.*\n)*?")
        else:
            parts.append(re.sub(r"<[a-z]+>", ".*?", re.sub(r"\\([ <>-])", r"\1", re.escape(squeezed(line)))) + r"\n")
    return "".join(parts)


def run(path):
    """What is wrong with a document; "": nothing."""
    all_steps = steps(path)
    script = "".join(f"{command}\necho; echo '{MARK}'\n" for command, _ in all_steps)
    done = subprocess.run([sys.executable, f"{SRC}/demo/lab", BUILD, "bash", "-c", script], capture_output=True, text=True, timeout=LAST_S, check=False,
                          stdin=subprocess.DEVNULL)
    outputs = done.stdout.split(f"\n{MARK}\n")
    if len(outputs) != len(all_steps) + 1:
        return f"{path}: {len(outputs) - 1} of {len(all_steps)} commands came to an end: {done.stdout[-500:]} {done.stderr[-500:]}"
    if done.stderr.strip():
        return f"{path}: on standard error: {done.stderr}"
    for (command, wanted), got in zip(all_steps, outputs):
        got = "".join(f"{squeezed(line)}\n" for line in got.splitlines())
        if not re.fullmatch(pattern(wanted), got):
            return f"{path}: $ {command}\nwanted:\n" + "\n".join(wanted) + f"\ngot:\n{got}"
    return ""


def test_blocks_are_found():
    for name in EXPECTED:
        assert len(steps(f"{SRC}/doc/{name}")) >= 6, name


def test_a_difference_is_found():
    assert re.fullmatch(pattern(["a  <ms> b", "...", "z"]), "a 1.5 b\nx\ny\nz\n") and re.fullmatch(pattern([]), "")
    for wanted, got in ((["a"], "b\n"), (["a"], "a\nb\n"), (["a", "b"], "a\n"), (["a.b"], "axb\n"), ([], "x\n")):
        assert not re.fullmatch(pattern(wanted), got), (wanted, got)


def test_commands_do_what_is_shown():
    why = namespaces.missing()
    if why:
        return f"no network namespaces with nftables here: {why}"
    paths = [p for p in sorted(glob.glob(f"{SRC}/doc/*.md")) if steps(p)]
    with concurrent.futures.ThreadPoolExecutor(len(paths)) as pool:
        wrong = [w for w in pool.map(run, paths) if w]
    assert not wrong, "\n".join(wrong)
    return None


if __name__ == "__main__":
    namespaces.with_sudo_if_needed()
    tap.run(globals())
