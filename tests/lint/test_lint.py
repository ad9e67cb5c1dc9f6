#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a reviewer should not have to say: format, include directions, headers that compile alone, banned functions, long functions, shell
and manual pages. Each rule is one TAP case; `make lint` runs it."""
import fnmatch
import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

SRC = os.environ["EM_SRCDIR"]
BUILD = os.environ["EM_BUILDDIR"]
LONGEST_FUNCTION = 80  # lines; this number only goes down
CODE_FOLDERS = ("lib", "agent", "plugins", "cli", "tests")
TEXT_FOLDERS = CODE_FOLDERS + ("mibs", "doc", "demo", ".ci", "packaging", "integrations", "web")

BANNED = {  # function: why, or what to use
    "sscanf": "slices", "fscanf": "slices", "scanf": "slices", "atoi": "em_read_uint", "atol": "em_read_uint",
    "atoll": "em_read_uint", "atof": "a reader that checks its end", "strtok": "slices", "strtok_r": "slices",
    "sprintf": "snprintf or buf", "vsprintf": "vsnprintf or buf", "strcpy": "slice_copy", "strcat": "buf", "strncpy": "slice_copy",
    "strncat": "buf", "gets": "anything", "system": "posix_spawn", "popen": "posix_spawn", "tmpnam": "mkstemp", "mktemp": "mkstemp",
    "rand": "em_random", "srand": "em_random", "random": "em_random", "alloca": "a bounded array", "gmtime": "em_time_text",
    "localtime": "localtime_r", "gethostbyname": "em_net_resolve", "getaddrinfo": "em_net_resolve",
    "sleep": "a timer", "usleep": "a timer", "setjmp": "a return value", "longjmp": "a return value",
}
# Where a banned function is at home all the same: (function, file pattern).
ALLOWED = {("random", "lib/base/clock.*")}
# What test programs may not use either.
BANNED_IN_TESTS = {"gets", "sprintf", "vsprintf", "strcpy", "mktemp", "tmpnam"}
ONLY_IN = {"clock_gettime": "lib/base/clock.c", "getrandom": "lib/base/clock.c", "time": "nowhere"}
WORDS = re.compile(r"\b(TODO|FIXME|XXX|HACK)\b|(?<![\w.])/(?:work|tmp/w)/|\bissue \d+\b")


def files(*patterns, folders=CODE_FOLDERS):
    """Files of the tree by pattern, relative to its top, generated and built ones left out."""
    found = []
    for folder in folders:
        for at, below, names in os.walk(os.path.join(SRC, folder)):
            below[:] = [d for d in below if d not in (".deps", ".libs", "node_modules", "__pycache__") and not d.startswith("build")]
            for name in names:
                path = os.path.relpath(os.path.join(at, name), SRC)
                if any(fnmatch.fnmatch(name, p) for p in patterns):
                    found.append(path)
    return sorted(found)


def read(path):
    with open(os.path.join(SRC, path), encoding="utf-8") as f:
        return f.read()


def run(*command, **more):
    return subprocess.run(command, cwd=SRC, capture_output=True, text=True, stdin=subprocess.DEVNULL, **more)


def code_only(text):
    """C text with comments, strings and character constants blanked, so that line numbers stay."""
    pattern = r'/\*.*?\*/|//[^\n]*|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\''
    return re.sub(pattern, lambda m: re.sub(r"[^\n]", " ", m.group()), text, flags=re.S)


def tool(name):
    if not shutil.which(name):
        return [f"{name} is not installed; ./quickstart install brings it"]
    return None


def lint_format():
    missing = tool("clang-format-14")
    if missing:
        return missing
    done = run("clang-format-14", "--dry-run", "--Werror", *files("*.c", "*.h"))
    return done.stderr.splitlines()[:40] if done.returncode else []


def lint_spdx():
    wrong = []
    for path in files("*.c", "*.h", "*.py", "*.sh", folders=TEXT_FOLDERS):
        head = read(path).splitlines()[:3]
        if not any("SPDX-License-Identifier: GPL-3.0-or-later" in line for line in head):
            wrong.append(f"{path}: no SPDX line at the top")
    return wrong


def layer_of(path):
    parts = path.split("/")
    return "/".join(parts[:2]) if parts[0] == "lib" else parts[0]


def layer_rules():
    may, homes = {}, []
    for line in read("tests/lint/layers.txt").splitlines():
        if line.startswith("layer "):
            name, rest = line[6:].split(":", 1)
            may[name] = set(rest.split())
        elif line.startswith("home "):
            name, rest = line[5:].split(":", 1)
            homes.append((name, rest.split()))
    return may, homes


def lint_includes():
    may, homes = layer_rules()
    wrong = []
    for path in files("*.c", "*.h"):
        layer = layer_of(path)
        if layer == "tests":
            continue
        if layer not in may:
            wrong.append(f"{path}: layer {layer} is not in tests/lint/layers.txt")
            continue
        own = layer.split("/")[-1]
        for kind, header in re.findall(r'^\s*#\s*include\s*([<"])([^>"]+)[>"]', read(path), re.M):
            if kind == '"' and header != "config.h":
                target = header.split("/")[0]
                if target != own and target not in may[layer]:
                    wrong.append(f"{path}: {layer} must not include {header}")
            elif kind == "<":
                for prefix, patterns in homes:
                    if header.startswith(prefix) and not any(fnmatch.fnmatch(path, p) for p in patterns):
                        wrong.append(f"{path}: <{header}> has another home (tests/lint/layers.txt)")
    return wrong


def lint_headers():
    flags = run("make", "-s", "--no-print-directory", "-C", BUILD, "print-flags").stdout.split()

    def compiles(path):
        done = subprocess.run([*flags, "-x", "c", "-fsyntax-only", "-w", os.path.join(SRC, path)], cwd=BUILD, capture_output=True,
                              text=True, stdin=subprocess.DEVNULL)
        return [] if done.returncode == 0 else [f"{path} does not compile alone:", *done.stderr.splitlines()[:4]]

    with ThreadPoolExecutor(2) as pool:
        return [line for lines in pool.map(compiles, files("*.h")) for line in lines]


def lint_banned():
    wrong = []
    for path in files("*.c", "*.h"):
        banned = BANNED_IN_TESTS if path.startswith("tests/") else BANNED
        for number, line in enumerate(code_only(read(path)).splitlines(), 1):
            for name in re.findall(r"(?<![\w.>])(\w+)\s*\(", line):
                if name in banned and not any(name == f and fnmatch.fnmatch(path, p) for f, p in ALLOWED):
                    wrong.append(f"{path}:{number}: {name} is banned; use {BANNED[name]}")
                if name in ONLY_IN and path != ONLY_IN[name] and not path.startswith("tests/"):
                    wrong.append(f"{path}:{number}: {name} only in {ONLY_IN[name]}; use struct em_clock")
    return wrong


def lint_functions():
    wrong = []
    for path in files("*.c", "*.h"):
        begin = None
        for number, line in enumerate(code_only(read(path)).splitlines(), 1):
            if line.startswith("{") and not line.startswith("{}"):
                begin = number
            elif line.startswith("}") and begin:
                if number - begin + 1 > LONGEST_FUNCTION:
                    wrong.append(f"{path}:{begin}: {number - begin + 1} lines; at most {LONGEST_FUNCTION}")
                begin = None
    return wrong


def lint_words():
    wrong = []
    for path in files("*", folders=TEXT_FOLDERS) + ["configure.ac", "Makefile.am", "quickstart", "README.md", "NEWS.md"]:
        if path.startswith(("tests/vectors/", "tests/lint/", "web/uplot.")) or not os.path.exists(os.path.join(SRC, path)):
            continue
        try:
            text = read(path)
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), 1):
            if WORDS.search(line):
                wrong.append(f"{path}:{number}: {WORDS.search(line).group()}")
    return wrong


def lint_shell():
    missing = tool("shellcheck")
    if missing:
        return missing
    scripts = [p for p in files("*", folders=TEXT_FOLDERS) + ["quickstart"] if is_shell(p)]
    return run("shellcheck", "-x", *scripts).stdout.splitlines()[:60]


def is_shell(path):
    with open(os.path.join(SRC, path), "rb") as f:
        first = f.readline(80)
    return first.startswith(b"#!") and (b"/sh" in first or b"bash" in first)


def lint_manuals():
    missing = tool("mandoc")
    pages = files("*.[1-8]", folders=("doc",))
    if missing or not pages:
        return missing or []
    said = run("mandoc", "-Tlint", "-Wstyle", *pages).stdout.splitlines()
    return [line for line in said if "referenced manual not found" not in line]  # it looks in the system's pages


def lint_cppcheck():
    missing = tool("cppcheck")
    if missing:
        return missing
    done = run("cppcheck", "-q", "-j2", "--std=c11", "--enable=warning,portability", "--inline-suppr", "--error-exitcode=1",
               "--suppress=missingInclude", "--suppress=syntaxError", "-D_GNU_SOURCE", "-DPACKAGE_VERSION=\"0\"", "-Ilib", "-I.",
               "lib", "agent", "plugins", "cli")
    return done.stderr.splitlines()[:40] if done.returncode else []


def main():
    rules = [(name[5:], rule) for name, rule in sorted(globals().items()) if name.startswith("lint_")]
    print(f"1..{len(rules)}")
    bad = 0
    for number, (name, rule) in enumerate(rules, 1):
        wrong = rule()
        print(f"{'not ok' if wrong else 'ok'} {number} - lint: {name}", flush=True)
        for line in wrong:
            print(f"# {line}", flush=True)
        bad += bool(wrong)
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
