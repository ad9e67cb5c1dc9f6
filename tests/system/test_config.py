#!/usr/bin/python3
# SPDX-License-Identifier: GPL-3.0-or-later
"""edgemedia config: check says what the daemon says; init tests, asks, explains, passes, and never overwrites unasked."""
import os
import pty
import re
import subprocess
import sys
import tempfile

SRC, BUILD = os.environ.get("EM_SRCDIR", "."), os.environ.get("EM_BUILDDIR", ".")
sys.path[:0] = [f"{SRC}/tests", f"{SRC}/tests/system"]
import tap  # noqa: E402
from edgemediad import PROGRAM, StunServer, free_port  # noqa: E402

CLI = f"{BUILD}/edgemedia"


def run(*command, cwd=None, want=None):
    got = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30, cwd=cwd, stdin=subprocess.DEVNULL)
    assert want is None or got.returncode == want, f"{command}: {got}"
    return got


def init(*words, want=0, cwd=None):
    return run(CLI, "config", "init", "--timeout", "0.5", *words, want=want, cwd=cwd)


def slurp(path):
    with open(path, encoding="utf-8") as f:
        return f.read()


def passes(path):
    return run(CLI, "config", "check", path, want=0).stdout


def directory():
    return tempfile.TemporaryDirectory(prefix="em-config-")


def test_check_says_what_the_daemon_says():
    texts = ["", "edge e { address = a }\n", "no_such_word = 1\nedge x { check c { } }\n", "edge \"", "web_listen = \"0.0.0.0:1\"\nretention = 1\n",
             "database = \"\033[31m\"\n"]
    with directory() as where:
        for text in texts:
            with open(f"{where}/c", "w", encoding="utf-8") as f:
                f.write(text)
            ours, daemons = run(CLI, "config", "check", f"{where}/c"), run(PROGRAM, "--test-config", "-c", f"{where}/c")
            assert (ours.returncode, ours.stdout, ours.stderr) == (daemons.returncode, daemons.stdout, daemons.stderr), f"{ours} {daemons}"
            assert ours.returncode in (0, 2) and "\033" not in ours.stdout + ours.stderr, ours
        assert "cannot read" in run(CLI, "config", "check", f"{where}/none", want=2).stderr


def test_credentials_of_systemd_are_read_as_the_manual_says():
    line, = re.findall(r"^\.Dl (password_file .*)$", slurp(f"{SRC}/doc/edgemediad.8"), re.M)
    line = line.replace(r"\(dq", '"')
    with directory() as where:
        with open(f"{where}/c", "w", encoding="utf-8") as conf:
            conf.write(f'edge "e" {{ check "c" {{ uri = "turn:192.0.2.1" user = "u" {line} }} }}\n')
        os.mkdir(f"{where}/credentials", 0o700)
        for directory_of, want in ((f"{where}/credentials", 2), (None, 2), (f"{where}/credentials", 0)):
            if want == 0:
                with open(os.open(f"{where}/credentials/turn.pw", os.O_WRONLY | os.O_CREAT, 0o400), "w", encoding="ascii") as password:
                    password.write("secret\n")
            env = {**{k: v for k, v in os.environ.items() if k != "CREDENTIALS_DIRECTORY"}, **({"CREDENTIALS_DIRECTORY": directory_of} if directory_of else {})}
            got = subprocess.run([PROGRAM, "--test-config", "-c", f"{where}/c"], capture_output=True, text=True, check=False, timeout=30, env=env)
            assert got.returncode == want and (want == 0 or f"{directory_of or ''}/turn.pw" in got.stderr), got
            assert "secret" not in got.stdout + got.stderr


def test_init_keeps_what_answers():
    server = StunServer()
    with directory() as where:
        got = init("--address", f"127.0.0.1:{server.port}", "--edge", "lab one", "--logs", "/var/log/a b/*.log", "--logs", "/${HOME}/\"x\"", f"{where}/c")
        assert "written and passes" in got.stderr and not got.stdout, got
        text = slurp(f"{where}/c")
        assert "1 edges, 1 checks, 2 sources" in passes(f"{where}/c"), text
    assert f'uri = "stun:127.0.0.1:{server.port}"' in text and "msturn-udp" not in text.split("\nedge ", 1)[1], text
    assert re.search(rf"^#   msturn:127.0.0.1:{server.port}\S* .* filtered", text, re.M), text
    assert 'edge "lab one" {' in text and 'path = { "/var/log/a b/*.log" }' in text and r"\${HOME}" in text, text


def test_every_option_is_explained():
    with directory() as where:
        init("-N", "-a", "edge.example.com", f"{where}/c")
        text = slurp(f"{where}/c")
        assert "1 edges, 2 checks, 0 sources" in passes(f"{where}/c"), text
    page = slurp(f"{SRC}/doc/edgemedia.conf.5")
    words = set(re.findall(r"^\.It Ic (\w+) Ns = Ns", page, re.M))
    assert len(words) > 30, words
    written = set(re.findall(r"^[ #]*(\w+) = ", text, re.M))
    assert written - words == set() and {"database", "uri", "ports", "path", "address"} <= written, written ^ words
    for option in re.finditer(r"(.*)\n[ #]*(\w+) = ", text):
        assert re.match(r"[ #]*# [^ ].*\.$", option.group(1)) or option.group(2) in ("uri", "interval"), option.group()


def test_nothing_is_overwritten_unasked():
    with directory() as where:
        path = f"{where}/c"
        with open(path, "w", encoding="ascii") as f:
            f.write("mine\n")
        got = init("-N", "-a", "a", path, want=2)
        assert "--force" in got.stderr and slurp(path) == "mine\n", got
        init("-N", "-f", "-a", "a", path)
        assert 'edge "a" {' in slurp(path) and os.listdir(where) == ["c"], os.listdir(where)
        assert os.stat(path).st_mode & 0o777 == 0o644
        assert "cannot write" in init("-N", "-a", "a", f"{where}/none/c", want=2).stderr
        init("-N", "-a", "a", "in.conf", cwd=where)
        assert slurp(f"{where}/in.conf") == slurp(path)
        assert init("-N", "-a", "a", "-").stdout == slurp(path)


def test_a_silent_edge_is_told_and_written():
    with directory() as where:
        got = init("-a", f"127.0.0.1:{free_port()}", f"{where}/c", want=1)
        assert "Nothing answered" in got.stderr and "2 checks" in passes(f"{where}/c"), got


def test_hostile_words_are_refused():
    for words in (["-a", "a\nb"], ["-a", "\033[31m"], ["-a", ""], ["-a", "a?b"], ["-a", "x" * 300], ["-a", "a", "-e", 'x"'], ["-a", "a", "-e", "x\n"],
                  ["-a", "a", "-e", ""], ["-a", "a", "-l", "relative"], ["-a", "a", "-l", ""], ["-a", "a", "-l", "/a\nedge x {}"],
                  ["-a", "a", "-n", "x y"], []):
        got = init("-N", *words, "-", want=2)
        assert got.stderr and not got.stdout and "\033" not in got.stderr, f"{words}: {got}"
    for words in ([], ["such"], ["check", "a", "b"]):
        assert "Usage:" in run(CLI, "config", *words, want=2).stderr


def test_on_a_terminal_it_asks():
    with directory() as where:
        outer, inner = pty.openpty()
        child = subprocess.Popen([CLI, "config", "init", "-N", f"{where}/c"], stdin=inner, stdout=subprocess.DEVNULL, stderr=inner)
        os.close(inner)
        said = b""
        for question, answer in ((b"edge.example.com: ", b"edge7.example.org\n"), (b"[edge7]: ", b"\n"), (b"(Enter: none): ", b"rel\n"),
                                 (b"(Enter: no): ", b"/var/log/x/*.log\n"), (b"(Enter: no): ", b"\n"), (b"passes", b"")):
            while question not in said:
                said += os.read(outer, 4096)
            said = b""
            os.write(outer, answer)
        assert child.wait(10) == 0
        os.close(outer)
        text = slurp(f"{where}/c")
    assert 'edge "edge7" {' in text and '"/var/log/x/*.log"' in text and text.count('\nsource "') == 1, text


if __name__ == "__main__":
    tap.run(globals())
