# SPDX-License-Identifier: GPL-3.0-or-later
"""Databases for tests, with the views of LcsCDR and QoEMetrics that the presets ask, in a private PostgreSQL and in SQLite: the same statements for both."""
import datetime
import glob
import os
import pwd
import shutil
import signal
import sqlite3
import subprocess
import tempfile

from edgemediad import free_port, wait_for

PASSWORD = "pa;ss}w{ord"
SCHEMA = """
CREATE TABLE ErrorReport (ErrorTime TIMESTAMP, ErrorReportSeq INTEGER, DialogId VARCHAR(775), MsDiagId INTEGER, MsDiagHeader VARCHAR(4000),
    FromUri VARCHAR(450), ToUri VARCHAR(450), ResponseCode INTEGER, FrontEnd VARCHAR(256));
CREATE VIEW ErrorReportView AS SELECT * FROM ErrorReport;
CREATE TABLE Dialog (ConferenceDateTime TIMESTAMP, SessionSeq INTEGER, DialogID VARCHAR(256));
CREATE TABLE MediaLine (ConferenceDateTime TIMESTAMP, SessionSeq INTEGER, MediaLineLabel SMALLINT, CallerIceWarningFlags INTEGER,
    CalleeIceWarningFlags INTEGER, CallerConnectivityICE SMALLINT);
"""
HEADER = ('{code}; reason="A \\"reason\\"";CallerMediaDebug="application-sharing:ICEWarn={ice},LocalSite=10.0.0.1:1,LocalMR=198.51.100.10:2,'
          'RemoteSite=10.0.0.2:3,RemoteMR=203.0.113.7:4"')


def header(code=23, ice="0x8000100"):
    return HEADER.format(code=code, ice=ice)


def literal(value):
    if value is None:
        return "NULL"
    if isinstance(value, float):  # a time
        return "'" + datetime.datetime.fromtimestamp(value, datetime.timezone.utc).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3] + "'"
    return str(value) if isinstance(value, int) else "'" + value.replace("'", "''") + "'"


class Tables:
    """What both can do; execute() is theirs."""

    def put(self, table, *rows):
        self.execute("".join(f"INSERT INTO {table} VALUES ({', '.join(map(literal, row))});\n" for row in rows))

    def error(self, when, call, seq=1, code=23, text=None, tags=True):
        text = header(code) if text is None else text or None
        return when, seq, f"{call};from;to" if call and tags else call, code, text, "sip:a@example.com", "sip:b@fabrikam.example", 480, "fe01"


class Sqlite(Tables):
    name = "sqlite"
    long = "hex(zeroblob(100000))"
    sleeps = ("WITH RECURSIVE n(i) AS (VALUES(1) UNION ALL SELECT i + 1 FROM n WHERE i < 1000000000) "
              "SELECT ErrorTime, DialogId, MsDiagId FROM ErrorReportView WHERE ErrorTime >= ? AND (SELECT count(*) FROM n) > 0")

    def __init__(self):
        self.directory = tempfile.TemporaryDirectory(prefix="em-sqlite-")
        self.path = f"{self.directory.name}/cdr.db"
        self.execute(SCHEMA)
        self.execute("PRAGMA journal_mode = WAL")

    def execute(self, text):
        base = sqlite3.connect(self.path, timeout=20)
        base.executescript(text)
        base.close()

    def connection(self):
        return f"Driver=SQLite3;Database={self.path};Timeout=10000"

    def login(self, _directory):
        return ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.directory.cleanup()


class Postgres(Tables):
    name = "postgres"
    long = "repeat('x', 200000)"
    sleeps = "SELECT ErrorTime, DialogId, MsDiagId FROM ErrorReportView, pg_sleep(60) WHERE ErrorTime >= ?"

    def __init__(self):
        self.programs = max(glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
        self.directory = tempfile.TemporaryDirectory(prefix="em-postgres-")
        self.at, self.port, self.server = self.directory.name, free_port(), None
        self.before = []
        if os.getuid() == 0:  # which it refuses to run as
            user = pwd.getpwnam("postgres")
            os.chown(self.at, user.pw_uid, user.pw_gid)
            self.before = ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
        self.run("initdb", "-D", f"{self.at}/data", "-U", "owner", "-A", "trust", "-E", "UTF8", "--no-locale", "--no-sync")
        with open(f"{self.at}/pg_hba.conf", "w", encoding="utf-8") as f:
            f.write("local all owner trust\nhost all reader 127.0.0.1/32 scram-sha-256\n")
        os.chmod(f"{self.at}/pg_hba.conf", 0o644)
        os.chmod(self.at, 0o755)
        self.start()
        self.execute("CREATE DATABASE lcscdr", base="postgres")
        self.execute(SCHEMA)
        self.execute(f"CREATE ROLE reader LOGIN PASSWORD '{PASSWORD}'; GRANT SELECT ON ALL TABLES IN SCHEMA public TO reader")

    def run(self, program, *words, **how):
        done = subprocess.run([*self.before, f"{self.programs}/{program}", *words], capture_output=True, text=True, check=False, cwd="/", **how)
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    def start(self):
        self.server = subprocess.Popen(
            [*self.before, f"{self.programs}/postgres", "-D", f"{self.at}/data", "-c", f"hba_file={self.at}/pg_hba.conf", "-c",
             f"unix_socket_directories={self.at}", "-c", "listen_addresses=127.0.0.1", "-p", str(self.port), "-c", "fsync=off", "-c",
             "shared_buffers=16MB", "-c", "timezone=Asia/Tokyo", "-c", "max_connections=20"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/")
        wait_for("PostgreSQL", self.is_up, 30)

    def is_up(self):
        assert self.server.poll() is None, f"PostgreSQL ended with {self.server.returncode}"
        return subprocess.run([f"{self.programs}/pg_isready", "-h", self.at, "-p", str(self.port)], capture_output=True, check=False).returncode == 0

    def stop(self):
        self.server.send_signal(signal.SIGINT)  # its clients are sent away
        self.server.wait(20)

    def execute(self, text, base="lcscdr"):
        self.run("psql", "-h", self.at, "-p", str(self.port), "-U", "owner", "-d", base, "-q", "-v", "ON_ERROR_STOP=1", "-X", input=text)

    def connection(self):
        return f"Driver=PostgreSQL Unicode;Server=127.0.0.1;Port={self.port};Database=lcscdr"

    def login(self, directory):
        path = f"{directory}/password"
        with open(path, "w", encoding="utf-8") as f:
            f.write(PASSWORD + "\n")
        os.chmod(path, 0o600)
        return f'user = reader password_file = "{path}"'

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
        shutil.rmtree(self.at, ignore_errors=True)
