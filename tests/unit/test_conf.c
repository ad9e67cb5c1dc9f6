/* SPDX-License-Identifier: GPL-3.0-or-later
 * The configuration file: what is understood, and that every error is told once, at its line, all in one run. */
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "agent/conf.h"
#include "agent/conf_rows.h"
#include "agent/conf_write.h"
#include "harness.h"

static char dir[] = "/tmp/em-conf-XXXXXX";
static char said[65536];

static void report(void *arg, const char *text)
{
    (void)arg;
    ck_assert(strlen(said) + strlen(text) + 2 < sizeof said);
    strcat(said, text);
    strcat(said, "\n");
}

static void put(const char *name, const char *text, size_t n, mode_t mode)
{
    char path[128];
    FILE *f;

    snprintf(path, sizeof path, "%s/%s", dir, name);
    unlink(path);
    f = fopen(path, "wb");
    ck_assert_ptr_nonnull(f);
    ck_assert_uint_eq(fwrite(text, 1, n, f), n);
    fclose(f);
    chmod(path, mode);
}

/* Reads text as a configuration; "DIR" in it is the test's directory. What was reported is in said, with the file's name cut off. */
static int reads(const char *text, struct em_conf **conf)
{
    static char full[65536];
    size_t n = 0;
    int err;

    for (const char *p = text; *p; p++) {
        if (strncmp(p, "DIR", 3) == 0) {
            n += (size_t)snprintf(full + n, sizeof full - n, "%s", dir);
            p += 2;
        } else {
            full[n++] = *p;
        }
        ck_assert_uint_lt(n, sizeof full - 64);
    }
    put("c.conf", full, n, 0600);
    said[0] = '\0';
    err = em_conf_read("c.conf", report, NULL, conf);
    return err;
}

START_TEST(everything_is_understood)
{
    struct em_conf *c = NULL;
    const struct em_conf_check *k;

    put("pw", "s3cret\n", 7, 0600);
    ck_assert_int_eq(
        reads("# a comment\n"
              "database = \"/d/b.db\"  web_listen = \"[::1]:99\"\n"
              "control_socket = '/run/x' agentx_address = \"\" concurrent_probes = 7\n"
              "edge \"oslo\" { /* two\nlines */ address = { \"a.example.com\", b.example.com }\n"
              "  check \"one\" { uri = \"stun:a.example.com:3478\" interval = 500s timeout = 2.5\n"
              "    user = probe password_file = \"DIR/pw\" source_ports = \"50000-59999\" }\n"
              "  check two { uri = stun:b.example.com interval = 5 degraded_rtt = 200ms }\n"
              "}\n"
              "edge \"empty\" { }\n"
              "source \"fe01\" { type = trace path = \"/var/log/sfb/*.log\" } // end\n"
              "source \"fe02\" { type = \"trace\" path = { \"/a/*\", \"/b\" } from_start = no }\n",
              &c),
        0);
    ck_assert_str_eq(said, "");
    ck_assert_str_eq(c->file, "c.conf");
    ck_assert_str_eq(c->database, "/d/b.db");
    ck_assert_str_eq(c->web_listen, "[::1]:99");
    ck_assert_str_eq(c->agentx_address, "");
    ck_assert_uint_eq(c->concurrent_probes, 7);
    ck_assert_uint_eq(c->edges_n, 2);
    ck_assert_uint_eq(c->edges[0].checks_n, 2);
    ck_assert_uint_eq(c->edges[1].checks_n, 0);
    k = c->edges[0].checks;
    ck_assert_str_eq(k[0].name, "one");
    ck_assert_str_eq(k[0].uri.text, "stun:a.example.com:3478");
    ck_assert_int_eq(k[0].interval_us, 500000000);
    ck_assert_int_eq(k[0].options.timeout_us, 2500000);
    ck_assert_str_eq(k[0].options.user, "probe");
    ck_assert_str_eq(k[0].options.password, "s3cret");
    ck_assert_uint_eq(k[0].options.source_ports.first, 50000);
    ck_assert_str_eq(k[1].name, "two");
    ck_assert_int_eq(k[1].options.timeout_us, 5000000); /* never longer than the interval */
    ck_assert_int_eq(k[1].options.degraded_rtt_us, 200000);
    ck_assert_uint_eq(c->sources_n, 2);
    ck_assert_str_eq(c->sources[0].path[0], "/var/log/sfb/*.log");
    ck_assert(c->sources[0].from_start && !c->sources[1].from_start);
    ck_assert_uint_eq(c->sources[1].path_n, 2);
    ck_assert_str_eq(c->sources[1].path[1], "/b");
    em_conf_free(c);
}
END_TEST

START_TEST(a_path_is_spread_over_its_interval)
{
    struct em_conf *c = NULL;
    const struct em_conf_check *k;

    ck_assert_int_eq(reads("edge e { address = a check p { uri = \"path::50000?transport=udp\" interval = "
                           "900 good_port = 3478 } }",
                           &c),
                     0);
    k = &c->edges[0].checks[0];
    ck_assert_str_eq(k->uri.text, "path:a:50000?transport=udp");
    ck_assert(em_probe_is_path(&k->uri) && k->uri.transport == EM_TRANSPORT_UDP);
    ck_assert_uint_eq(k->options.rounds, 20);
    ck_assert_uint_eq(k->options.good_port, 3478);
    ck_assert_int_eq(k->options.spread_us, 540 * EM_US_PER_S);
    ck_assert_int_eq(k->options.timeout_us, 900 * EM_US_PER_S);
    em_conf_free(c);
}
END_TEST

START_TEST(an_empty_file_is_all_defaults)
{
    struct em_conf *c = NULL;

    ck_assert_int_eq(reads("", &c), 0);
    ck_assert_str_eq(c->web_listen, "127.0.0.1:9823");
    ck_assert_str_eq(c->agentx_address, "/var/agentx/master");
    ck_assert_str_eq(c->control_socket, "/run/edgemedia/control");
    ck_assert_uint_eq(c->concurrent_probes, 64);
    ck_assert_uint_eq(c->edges_n + c->sources_n, 0);
    em_conf_free(c);
}
END_TEST

/* What an edge's addresses add to its checks: "name uri" of each, in their order. */
static const struct {
    const char *edge, *checks;
} addressed[] = {
    { "address = edge.example.com", "edge.example.com stun:edge.example.com\n" },
    { "address = { a, 192.0.2.1, \"2001:db8::1\", \"[::1]\" }",
      "a stun:a\n192.0.2.1 stun:192.0.2.1\n2001:db8::1 stun:[2001:db8::1]\n[::1] stun:[::1]\n" },
    { "address = a check \"c\" { uri = \"turn:A?transport=tcp\" }", "c turn:A?transport=tcp\n" },
    { "address = { a, b } check \"c\" { uri = \"turn:a\" }", "c turn:a\nb stun:b\n" },
    { "address = a check \"c\" { uri = \"turn:ab\" }", "c turn:ab\na stun:a\n" },
    { "address = a check \"c\" { uri = \"turn:?transport=tcp\" } check \"d\" { uri = \"tcp::443\" }",
      "c turn:a?transport=tcp\nd tcp:a:443\n" },
    { "address = { a, \"::1\" } check \"c\" { uri = \"stun:\" } check \"d\" { uri = \"stun:x\" }",
      "c a stun:a\nc ::1 stun:[::1]\nd stun:x\n" },
    { "check \"c\" { uri = \"stun:a\" }", "c stun:a\n" },
};

START_TEST(every_address_is_tested)
{
    for (size_t i = 0; i < sizeof addressed / sizeof *addressed; i++) {
        struct em_conf *c = NULL;
        struct buf got = buf_heap(4096), text = buf_heap(4096);

        buf_print(&text, "edge \"e\" { %s }\n", addressed[i].edge);
        ck_assert_msg(reads(buf_str(&text), &c) == 0, "%s: %s", addressed[i].edge, said);
        for (size_t k = 0; k < c->edges[0].checks_n; k++) {
            const struct em_conf_check *one = &c->edges[0].checks[k];

            buf_print(&got, "%s %s\n", one->name, one->uri.text);
            ck_assert_int_eq(one->interval_us, 30 * EM_US_PER_S);
            ck_assert_int_eq(one->options.timeout_us, 10 * EM_US_PER_S);
        }
        ck_assert_str_eq(buf_str(&got), addressed[i].checks);
        buf_fini(&got);
        buf_fini(&text);
        em_conf_free(c);
    }
}
END_TEST

static const struct {
    const char *text, *want;
} wrong[] = {
    { "edge e { check p { uri = \"path:h:50000\" } }",
      "c.conf:1: interval: a path is tested with many connections; give it at least 60 seconds, such as "
      "interval = 900\n" },
    { "databse = \"/x\"\n", "c.conf:1: \"databse\" is not known here; is \"database\" meant?\n" },
    { "\nfrobnicate { a = 1 }\n", "c.conf:2: \"frobnicate\" is not known here\n" },
    { "database = x", "c.conf:1: database: \"x\" is not an absolute path\n" },
    { "database = \"\"", "c.conf:1: database: \"\" is not an absolute path\n" },
    { "control_socket = x", "c.conf:1: control_socket: \"x\" is not an absolute path\n" },
    { "web_listen = \"localhost:1\"", "c.conf:1: web_listen: \"localhost:1\" is not an address and port such "
                                      "as 127.0.0.1:9823 or [::1]:9823\n" },
    { "concurrent_probes = 0", "c.conf:1: concurrent_probes: \"0\" is not a whole number from 1 to 1000\n" },
    { "concurrent_probes = many",
      "c.conf:1: concurrent_probes: \"many\" is not a whole number from 1 to 1000\n" },
    { "concurrent_probes = 1\nconcurrent_probes = 2\n",
      "c.conf:2: concurrent_probes is there already, in line 1\n" },
    { "database = { \"/a\", \"/b\" }", "c.conf:1: unexpected token '{'\n" },
    { "database { }", "c.conf:1: database is an option: write database = ...\n" },
    { "edge = 5", "c.conf:1: edge is a block: write edge \"name\" { ... }\n" },
    { "edge { }", "c.conf:1: edge needs a name of 1 to 63 characters in quotes\n" },
    { "edge \"\" { }", "c.conf:1: edge needs a name of 1 to 63 characters in quotes\n" },
    { "edge \"a\" { }\n\nedge \"a\" { }", "c.conf:3: edge \"a\" is there already, in line 1\n" },
    { "edge \"a\" {\n check \"c\" { uri = \"stun:h\" }\n check \"c\" { uri = \"stun:h\" }\n}",
      "c.conf:3: check \"c\" is there already, in line 2\n" },
    { "edge \"a\" {\n check \"c\" {\n }\n}", "c.conf:2: uri is missing\n" },
    { "edge \"a\" {\n check \"c\" { uri = \"stun:h\"\n interval = 0.5 }\n}",
      "c.conf:3: interval: \"0.5\" is not a time from 1 to 86400 seconds\n" },
    { "edge \"a\" {\n range \"r\" { ports = \"50000-59999\" }\n}",
      "c.conf:2: a range needs a host, or the edge an address to take its place\n" },
    { "edge \"a\" { range \"r\" { host = h\ntransport = sctp } }", "*ports is missing\n*:2: transport: *" },
    { "edge \"a\" { range \"r\" { host = h ports = \"2-1\"\npayload = x } }",
      "c.conf:1: ports: *c.conf:2: payload: \"x\" is neither stun nor sharing\n" },
    { "edge \"a\" { range \"r\" { host = h ports = \"1-2\"\nsample = 0 } }", "c.conf:2: sample: *" },
    { "edge \"a\" { range \"r\" { host = \"not a host\" ports = \"1-2\" } }", "c.conf:1: host: *" },
    { "edge \"a\" { check \"c\" { uri = \"stuns:h\"\nca_file = \"/x\"\ninsecure = yes } }",
      "c.conf:3: give either ca_file or insecure, not both\n" },
    { "edge \"a\" { check \"c\" { uri = \"nonsense:h\" } }", "c.conf:1: uri: *" },
    { "edge \"a\" { check \"c\" { uri = \"stun:h\" user = x } }",
      "c.conf:1: user needs a password_file or a secret_file\n" },
    { "edge \"a\" { check \"c\" { uri = \"stun:h\" user = x\npassword_file = \"DIR/none\" } }",
      "c.conf:2: cannot read *" },
    { "edge \"a\" { check \"c\" { uri = \"stun:h\" user = x\npassword_file = \"DIR\" } }",
      "c.conf:2: *is a directory\n" },
    { "edge \"a\" { check \"c\" { uri = \"stun:h\" user = x\npassword_file = \"DIR/two\" } }",
      "c.conf:2: *must hold one line of 1 to 511 bytes\n" },
    { "edge \"a\" {\n check \"c\" { uri = \"turn:?transport=tcp\" }\n}",
      "c.conf:2: uri: \"turn:?transport=tcp\" has no host, and the edge has no address to take its place\n" },
    { "edge \"a\" { address = { h }\n check \"c\" { uri = \"tcp:\" }\n}",
      "c.conf:2: uri: tcp:h: give the port, tcp:h:PORT\n" },
    { "edge \"a\" {\n address = { h, \"h:443\", \"stun:h\", \"a b\" } check \"c\" { uri = \"stun:h\" } }",
      "c.conf:2: address: \"h:443\" is neither a name nor an address\n"
      "c.conf:2: address: \"stun:h\" is neither a name nor an address\n"
      "c.conf:2: address: \"a b\" is neither a name nor an address\n" },
    { "edge \"a\" { address = { h, g }\n check \"c h\" { uri = \"stun:x\" }\n check \"c\" { uri = \"stun:\" "
      "} }",
      "c.conf:3: check \"c h\" would be there twice\n" },
    { "edge \"a\" { address = { h, h } }", "c.conf:1: check \"h\" would be there twice\n" },
    { "edge \"a\" { address = aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa.bbb }",
      "c.conf:1: the name \"a*.bbb\" is longer than 63 bytes: give a check with its host another one\n" },
    { "source \"s\" { type = trace }", "c.conf:1: path is missing\n" },
    { "source \"s\" { path = \"/x\" }", "c.conf:1: type is missing\n" },
    { "source \"s\" { type = trace\npath = \"x/*\" }", "c.conf:2: path: \"x/*\" is not an absolute path\n" },
    { "source \"s\" { type = trace\npath = \"/x\" from_start = maybe }",
      "c.conf:2: from_start: \"maybe\" is neither yes nor no\n" },
    { "source \"s\" { type = tracee path = \"/x\" }",
      "c.conf:1: type: \"tracee\" is not a type of source; write trace, hep, http, sdn, qoe or sql\n" },
    { "source \"s\" { type = hep }", "c.conf:1: listen is missing\n" },
    { "source \"s\" { type = hep\n listen = \"localhost:9060\" }",
      "c.conf:2: listen: \"localhost:9060\" is not an address and port such as 127.0.0.1:9060 or "
      "[::1]:9060\n" },
    { "source \"s\" { type = hep\n listen = \"192.0.2.1:9060\" }",
      "c.conf:2: listen: 192.0.2.1:9060 can be reached from other machines, and whoever sends there is "
      "believed; "
      "let the firewall keep others away and write remote = yes, or use 127.0.0.1\n" },
    { "source \"s\" { type = trace path = \"/x\"\n listen = \"127.0.0.1:9060\" }",
      "c.conf:2: listen is not for sources of type trace\n" },
    { "database = \"/x\nedge", "c.conf:1: a quote is never closed\n" },
    { "database = \n}", "c.conf:1: a value is missing or not in quotes\n" },
    { "database = /x/*.log\n", "c.conf:1: a value that holds /* must be in quotes\n" },
    { "edge \"a\" {\n", "c.conf:2: the block that begins in line 1 is never closed\n" },
    { "}", "c.conf:1: expected a name here, not a sign\n" },
    { "database /x", "c.conf:1: expected \"=\" or \"{\" behind \"database\"\n" },
    { "a { a { a { a { a { a { a { a { } } } } } } } }", "c.conf:1: blocks are nested too deeply\n*" },
    /* All in one run, in the order of the lines. */
    { "concurrent_probes = 0\ncolour = red\nedge \"a\" {\n  check \"c\" { uri = \"stun:h\" intervall = 5\n"
      "    timeout = 0 }\n}\nsource \"s\" { type = trace path = x }\nsource \"s\" { type = sql }\n",
      "c.conf:1: concurrent_probes: \"0\" is not a whole number from 1 to 1000\n"
      "c.conf:2: \"colour\" is not known here\n"
      "c.conf:4: \"intervall\" is not known in the block check; is \"interval\" meant?\n"
      "c.conf:5: timeout: \"0\" is not a time from 0.1 to 60 seconds\n"
      "c.conf:7: *"
      "c.conf:8: source \"s\" is there already, in line 7\n"
      "*" },
};

/* '*' in want stands for anything up to what follows it. */
static bool fits(const char *got, const char *want)
{
    for (; *want && *want != '*'; want++, got++)
        if (*got != *want)
            return false;
    if (!*want)
        return !*got;
    for (want++;; got++)
        if (fits(got, want))
            return true;
        else if (!*got)
            return false;
}

START_TEST(errors_name_their_line)
{
    struct em_conf *c = NULL;

    put("two", "a\nb\n", 4, 0600);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        int err = reads(wrong[i].text, &c);

        ck_assert_msg(err == EM_ERR_INPUT, "%s: %d", wrong[i].text, err);
        ck_assert_msg(fits(said, wrong[i].want), "%s:\nwant %sgot %s", wrong[i].text, wrong[i].want, said);
        ck_assert_ptr_null(c);
    }
}
END_TEST

START_TEST(unreadable_files_are_told)
{
    struct em_conf *c = NULL;

    said[0] = '\0';
    ck_assert_int_eq(em_conf_read("/nonexistent/x.conf", report, NULL, &c), EM_ERR_INPUT);
    ck_assert(fits(said, "/nonexistent/x.conf: cannot read /nonexistent/x.conf: No such file*"));
    put("c.conf", "a\0b", 3, 0600);
    said[0] = '\0';
    ck_assert_int_eq(em_conf_read("c.conf", report, NULL, &c), EM_ERR_INPUT);
    ck_assert(fits(said, "c.conf:1: the file holds NUL bytes*"));
}
END_TEST

/* Cut anywhere and with every byte changed, a good file never crashes the reader, and the next good one is read as ever. */
START_TEST(damage_is_survived)
{
    static const char good[] =
        "database = \"/d\" edge \"a\" { address = { x, 'y' } check \"c\" { uri = \"stun:h\" "
        "interval = 30 } } /* c */ source \"s\" { type = trace path = \"/x\" } # e\n";
    char text[sizeof good];
    struct em_conf *c = NULL;

    for (size_t i = 0; i < 2 * sizeof good - 2; i++) {
        memcpy(text, good, sizeof good);
        text[i / 2] = i % 2 ? (char)(text[i / 2] ^ 0x15) : '\0';
        c = NULL;
        if (reads(text, &c) == 0)
            em_conf_free(c);
        ck_assert_int_eq(reads(good, &c), 0);
        em_conf_free(c);
    }
}
END_TEST

START_TEST(rows_are_consistent)
{
    static const struct em_conf_block *blocks[8] = { &em_conf_root };
    size_t n = 1;

    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < blocks[i]->blocks_n; k++)
            blocks[n++] = &blocks[i]->blocks[k];
        for (size_t k = 0; k < blocks[i]->rows_n; k++) {
            const struct em_conf_row *r = &blocks[i]->rows[k];

            ck_assert_msg(r->help && r->help[strlen(r->help) - 1] == '.', "%s", r->name);
            ck_assert_msg(r->kind == EM_CONF_LATER || r->size > 0, "%s", r->name);
        }
    }
}
END_TEST

/* What is written is read back byte by byte, whatever it holds. */
START_TEST(written_texts_are_read_back)
{
    static const char *const texts[] = { "/var/log/*.log", "/a \"b\" c", "/${HOME}/x",
                                         "/\\x41\\101\\n", "/'q' # no",  "/a/* no comment */",
                                         "/{ a, b } = c",  "/\xc3\xa9" };
    char text[4096];

    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        const struct em_conf_word words[] = { { "type", "trace" }, { "path", texts[i] }, { NULL, NULL } };
        struct em_conf *c = NULL;
        struct buf b = buf_over(text, sizeof text);

        buf_text(&b, "source s {\n");
        em_conf_write_rows(&em_conf_root.blocks[1], words, "", i % 2 == 0, &b);
        buf_text(&b, "}\n");
        ck_assert_msg(reads(buf_str(&b), &c) == 0, "%s: %s", buf_str(&b), said);
        ck_assert_str_eq(c->sources[0].path[0], texts[i]);
        em_conf_free(c);
    }
}
END_TEST

/* Every option of every block, taken out of its comment as it stands there, is accepted; none is left out. */
START_TEST(comments_hold_what_may_be_written)
{
    static const struct em_conf_word nothing[] = { { NULL, NULL } };
    static const char *const unfit[] = { "user",         "password_file", "secret_file",     "ca_file",
                                         "issuer",       "key_file",      "web_certificate", "web_key",
                                         "web_client_ca" };
    char text[16384];
    struct em_conf *c = NULL;
    struct buf b = buf_over(text, sizeof text);

    em_conf_write_rows(&em_conf_root, nothing, "", true, &b);
    buf_text(&b, "edge e {\n address = a\n range r {\n");
    em_conf_write_rows(&em_conf_root.blocks[0].blocks[1], nothing, "", true, &b);
    buf_text(&b, "}\n check c { uri = stun:a\n");
    em_conf_write_rows(&em_conf_root.blocks[0].blocks[0], nothing, "", true, &b);
    buf_text(&b, "}\n}\n");
    for (char *p = text; (p = strstr(p, "\n#")); p++) {
        bool taken = p[2] != ' '; /* a sentence has a blank */

        for (size_t i = 0; i < sizeof unfit / sizeof *unfit; i++)
            taken &= strncmp(p + 2, unfit[i], strlen(unfit[i])) != 0;
        if (taken)
            p[1] = ' ';
    }
    for (char *p = strstr(text, "\nuri = "); p && *++p && *p != '\n';)
        *p = ' '; /* it is there already */
    ck_assert_msg(reads(text, &c) == 0, "%s\n%s", said, text);
    em_conf_free(c);
}
END_TEST

static int remove_one(const char *path, const struct stat *at, int kind, struct FTW *where)
{
    (void)at;
    (void)kind;
    (void)where;
    return remove(path);
}

int main(void)
{
    TCase *t = em_case("conf");
    int status;

    if (!mkdtemp(dir) || chdir(dir) != 0)
        return EXIT_FAILURE;
    tcase_add_test(t, everything_is_understood);
    tcase_add_test(t, an_empty_file_is_all_defaults);
    tcase_add_test(t, a_path_is_spread_over_its_interval);
    tcase_add_test(t, every_address_is_tested);
    tcase_add_test(t, errors_name_their_line);
    tcase_add_test(t, unreadable_files_are_told);
    tcase_add_test(t, damage_is_survived);
    tcase_add_test(t, rows_are_consistent);
    tcase_add_test(t, written_texts_are_read_back);
    tcase_add_test(t, comments_hold_what_may_be_written);
    status = em_run();
    nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    return status;
}
