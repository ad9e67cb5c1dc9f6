/* SPDX-License-Identifier: GPL-3.0-or-later
 * SIP messages that are hard to read, in the shapes that RFC 4475 and RFC 5118 collect (the text is ours), through what every tool writes around
 * messages: whatever a message does, the good one behind it is counted once, and how the text was cut into pieces does not matter. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "evidence/reader.h"
#include "harness.h"

#define DIAG "ms-client-diagnostics: 23; reason=\"Call failed\"\n"
#define REST "Call-ID: torture\nCSeq: 8 INVITE\n" DIAG "\n"

/* How a tool's messages are known: a record frames them, they stand as they are, or something stands around their lines. */
enum how { FRAMED, PLAIN, WRAPPED, HOWS };

/* Lines end with LF here. reports: those with the Call-ID "torture". In a frame the start line need not be understood, and a second
 * message is none. */
static const struct shape {
    const char *name, *text;
    unsigned reports[HOWS];
} shapes[] = {
    { "folded everywhere, names in any case, blanks before colons",
      "INVITE sip:vivekk@example.com;unknownparam SIP/2.0\n"
      "tO :\n sip:anna@example.com ;   tag    = 1918181833n\n"
      "FROM   : \"Boris \\\\\\\"\"       <sip:boris@example.com>\n ;\n tag = 98asjd8\n"
      "MaX-fOrWaRdS: 0068\nCall-ID: torture\nContent-Length   : 150\ncseq: 0009\n  INVITE\n"
      "Via  : SIP  /   2.0\n /UDP\n    192.0.2.2;branch=390skdjuw\ns :\nNewFangledHeader:   newfangled "
      "value\n"
      " continued newfangled value\nUnknownHeaderWithUnusualValue: ;;,,;;,;\n" DIAG
      "v:  SIP  / 2.0  / TCP     spindle.example.com   ;\n  branch  =   z9hG4bK9ikj8  ,\n"
      " SIP  /    2.0   / UDP  192.168.255.111   ; branch=\n z9hG4bK30239\n"
      "m:\"Quoted string \\\"\\\"\" <sip:boris@example.com> ; newparam =\n      newvalue ;\n  secondparam ; "
      "q = 0.33\n\n"
      "v=0\no=mhandley 29739 7272939 IN IP4 192.0.2.3\ns=-\n",
      { 1, 1, 1 } },
    { "escaped bytes, a NUL among them",
      "REGISTER sip:null-%00-null@example.com SIP/2.0\nTo: sip:%00@x\n" REST,
      { 1, 1, 1 } },
    { "method of odd characters",
      "!odd-Method0123456789_*+`.%indeed'~ sip:1_~!*'()&=+$,;?/%3A@example.com SIP/2.0\n" REST,
      { 1, 0, 0 } },
    { "method that looks like another",
      "RE%47IST%45R sip:registrar.example.com SIP/2.0\n" REST,
      { 1, 0, 0 } },
    { "long values",
      "INVITE sip:x@example.com SIP/2.0\n"
      "F: "
      "sip:"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaa"
      "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
      "aaaaaaaaaaaa@x\n"
      "Unknown-LongLongLongLongLongLongLongLongLongLongLongLongLongLongLongLongLongLong-Name: unknown\n" REST,
      { 1, 1, 1 } },
    { "two messages in one packet",
      "REGISTER sip:example.com SIP/2.0\nTo: sip:j.user@example.com\nCall-ID: other\nCSeq: 8 REGISTER\n"
      "Content-Length: 0\n\nINVITE sip:joe@example.com SIP/2.0\nt: sip:joe@example.com\n" REST "v=0\n",
      { 0, 1, 1 } },
    { "user part with a semicolon",
      "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0\n" REST,
      { 1, 1, 1 } },
    { "transports that do not exist",
      "OPTIONS sip:user@example.com SIP/2.0\nVia: SIP/2.0/UNKNOWN t5.example.com;branch=z9\n" REST,
      { 1, 1, 1 } },
    { "parts, and bytes that are no text",
      "MESSAGE sip:kumiko@example.org SIP/2.0\nContent-Type: multipart/mixed;boundary=7a9cbec02ceef655\n" REST
      "--7a9cbec02ceef655\nContent-Type: text/plain\n\nHello\n--7a9cbec02ceef655\n"
      "Content-Type: "
      "application/octet-stream\n\n0\x82\x01R\x06\t*\x86H\x86\xf7\r\x01\x7f\xff\n--7a9cbec02ceef655--\n",
      { 1, 1, 1 } },
    { "phrase that is not ASCII",
      "SIP/2.0 200 = 2**3 * 5**2 \xd0\xbd\xd0\xbe \xd1\x81\xd1\x82\xd0\xbe\n" REST,
      { 1, 1, 1 } },
    { "no phrase", "SIP/2.0 100 \n" REST, { 1, 1, 1 } },
    { "header that ends in commas and semicolons",
      "INVITE sip:user@example.com SIP/2.0\nContact: <sip:j>;;,;,,\n" REST,
      { 1, 1, 1 } },
    { "body that ends too early",
      "INVITE sip:user@example.com SIP/2.0\nContent-Length: 9999\n" REST "v=0\n",
      { 1, 1, 1 } },
    { "negative length", "INVITE sip:user@example.com SIP/2.0\nContent-Length: -999\n" REST, { 1, 1, 1 } },
    { "numbers too large",
      "REGISTER sip:example.com SIP/2.0\nCSeq: 36893488147419103232 REGISTER\nMax-Forwards: 300\n"
      "Expires: 10000000000000000000000000000000\n" REST,
      { 1, 1, 1 } },
    { "status too large", "SIP/2.0 4294967301 better not break the receiver\n" REST, { 1, 0, 0 } },
    { "quotes that do not end",
      "INVITE sip:user@example.com SIP/2.0\nTo: \"Mr. J. User <sip:j.user@example.com>\n" REST,
      { 1, 1, 1 } },
    { "request line with an angle bracket", "INVITE <sip:user@example.com> SIP/2.0\n" REST, { 1, 1, 1 } },
    { "request line with blanks in it", "INVITE sip:user@example.com; lr SIP/2.0\n" REST, { 1, 1, 0 } },
    { "request line with several blanks", "INVITE  sip:user@example.com  SIP/2.0\n" REST, { 1, 1, 0 } },
    { "request line with blanks behind it",
      "OPTIONS sip:remote-target@example.com SIP/2.0  \n" REST,
      { 1, 1, 1 } },
    { "escaped headers in the request line",
      "INVITE sip:user@example.com?Route=%3Csip:example.com%3E%0d%0aCall-ID:%20x SIP/2.0\n" REST,
      { 1, 1, 1 } },
    { "another version", "OPTIONS sip:t.watson@example.org SIP/7.0\n" REST, { 1, 0, 0 } },
    { "methods that differ",
      "OPTIONS sip:user@example.com SIP/2.0\nCall-ID: torture\nCSeq: 8 NEWMETHOD\n" DIAG "\n",
      { 1, 1, 1 } },
    { "scheme that nobody knows",
      "OPTIONS nobodyKnowsThisScheme:totallyopaquecontent SIP/2.0\n" REST,
      { 1, 1, 1 } },
    { "names with parameters not in brackets",
      "REGISTER sip:example.com SIP/2.0\nContact: sip:u@x?Route=%3Cy%3E\n" REST,
      { 1, 1, 1 } },
    { "nothing of what is required",
      "INVITE sip:user@example.com SIP/2.0\nCSeq: 193942 INVITE\n\n",
      { 0, 0, 0 } },
    { "headers that may come once, twice",
      "INVITE sip:user@example.com SIP/2.0\nFrom: sip:a@b\nFrom: sip:c@d\nCall-ID: torture\nCall-ID: second\n"
      "CSeq: 5 INVITE\nCSeq: 59 INVITE\nMax-Forwards: 70\nMax-Forwards: 5\n" DIAG "\n",
      { 1, 1, 1 } },
    { "lengths that differ",
      "OPTIONS sip:user@example.com SIP/2.0\nContent-Length: 13\nContent-Length: 5\n" REST "There's no way\n",
      { 1, 1, 1 } },
    { "date that is none",
      "INVITE sip:user@example.com SIP/2.0\nDate: Fri, 01 Jan 2010 16:00:00 EST\n" REST,
      { 1, 1, 1 } },
    { "addresses of version 6",
      "REGISTER sip:[2001:db8::10] SIP/2.0\nTo: sip:user@[2001:db8::10:5070]\n"
      "Via: SIP/2.0/UDP [2001:db8::9:1];received=[2001:db8::9:255];branch=z9\n" REST,
      { 1, 1, 1 } },
    { "address of version 6 without brackets",
      "REGISTER sip:2001:db8::10 SIP/2.0\nContact: <sip:b@[::ffff:192.0.2.10]>\n" REST,
      { 1, 1, 1 } },
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

/* What a tool writes: before a message, before and behind each of its lines, and behind it. */
static const struct tool {
    const char *name;
    enum how how;
    const char *head, *front, *behind, *tail;
} tools[] = {
    { "bare", PLAIN, "", "", "\r\n", "\r\n" },
    { "OCSLogger", FRAMED,
      "TL_INFO(TF_PROTOCOL) [0]0B5C.1A2C::09/28/2015-10:00:00.123.0000000a (S,x:R.cpp(265))[3] "
      "$$begin_record\r\n"
      "Direction: incoming\r\nMessage-Type: request\r\nStart-Line: ",
      "", "\r\n", "$$end_record\r\n\r\n" },
    { "UCCAPI", FRAMED, "09/28/2015|10:00:00.003 A:B INFO  :: Data Received - 192.0.2.10:443 1500 bytes:\r\n",
      "", "\r\n",
      "09/28/2015|10:00:00.004 A:B INFO  :: End of Data Received - 192.0.2.10:443 1500 bytes\r\n" },
    { "sngrep", PLAIN, "2015/09/28 10:00:00.123456 192.0.2.10:5060 -> 10.0.0.5:5060\n", "", "\n", "\n" },
    { "ngrep", WRAPPED, "U 2015/09/28 10:00:00.123456 192.0.2.10:5060 -> 10.0.0.5:5060 #7\n", "", ".\n",
      "\n" },
    { "sofia", WRAPPED,
      "recv 734 bytes from udp/[192.0.2.10]:5060 at 10:00:00.123456:\n"
      "   ------------------------------------------------------------------------\n",
      "   ", "\n", "   ------------------------------------------------------------------------\n" },
    { "chan_sip", PLAIN, "\n<--- SIP read from UDP:192.0.2.10:5060 --->\n", "", "\n",
      "<------------->\n--- (9 headers 0 lines) ---\n" },
    { "pjsip", PLAIN, "<--- Received SIP request (544 bytes) from UDP:192.0.2.10:5060 --->\n", "", "\n",
      "\n" },
    { "pjsua", PLAIN, "10:00:00.123  pjsua_core.c  .RX 543 bytes Request msg from UDP 192.0.2.10:5060:\n", "",
      "\n", "--end msg--\n" },
    { "Expressway", WRAPPED,
      "2015-09-28T10:00:00.123+00:00 vcse tvcs: UTCTime=\"2015-09-28 10:00:00,123\" Module=\"network.sip\" "
      "Level=\"DEBUG\":  Action=\"Received\"\n SIPMSG:\n",
      " |", "\n", "\n" },
    { "syslog, a line each", WRAPPED, "", "2015-09-28T10:00:00.123Z proxy sip[4711]: ", "\n", "" },
    { "syslog, one line", WRAPPED, "2015-09-28T10:00:00.123Z proxy sip[4711]: ", "", "#015#012", "\n" },
};
enum { TOOLS = sizeof tools / sizeof *tools };

static void write_message(const struct tool *t, const char *text, struct buf *to)
{
    buf_text(to, t->head);
    while (*text) {
        size_t n = strcspn(text, "\n");

        buf_text(to, t->front);
        buf_slice(to, (struct slice) { text, n });
        buf_text(to, t->behind);
        text += n + (text[n] == '\n');
    }
    buf_text(to, t->tail);
}

struct found {
    unsigned good, torture, other;
};

static void on_report(void *arg, const struct em_report *r)
{
    struct found *f = arg;

    if (slice_eq(r->call_id, SLICE("good")) && r->code == 23)
        f->good++;
    else if (slice_eq(r->call_id, SLICE("torture")) && r->code == 23)
        f->torture++;
    else
        f->other++;
}

static struct found read_all(const struct buf *text, size_t chunk, struct em_reader_stats *stats)
{
    struct found found = { 0 };
    struct em_reader *r = em_reader_new(on_report, &found, NULL);
    struct em_reader_mark mark;

    for (size_t at = 0; at < text->n; at += chunk) {
        size_t n = text->n - at < chunk ? text->n - at : chunk;
        uint8_t *exact = malloc(n);

        memcpy(exact, text->p + at, n);
        ck_assert_int_eq(em_reader_push(r, exact, n), 0);
        free(exact);
    }
    em_reader_finish(r);
    em_reader_mark(r, &mark, stats);
    em_reader_free(r);
    return found;
}

START_TEST(a_shape_in_every_wrapping)
{
    static const size_t chunks[] = { 1, 7, 64, 4096 };
    static const char good[] = "BYE sip:anna@example.com SIP/2.0\nFrom: <sip:boris@example.com>;tag=1\nTo: "
                               "<sip:anna@example.com>;tag=2\n"
                               "Call-ID: good\nCSeq: 2 BYE\n" DIAG "\n";
    const struct shape *s = &shapes[_i];

    for (size_t i = 0; i < TOOLS; i++) {
        struct buf text = buf_heap(1 << 16);
        struct em_reader_stats stats, again;
        struct found found;

        write_message(&tools[i], s->text, &text);
        write_message(&tools[i], good, &text);
        found = read_all(&text, text.n, &stats);
        ck_assert_msg(found.good == 1 && found.torture == s->reports[tools[i].how] && found.other == 0,
                      "%s, %s: %u good, %u of its own, %u other ones", tools[i].name, s->name, found.good,
                      found.torture, found.other);
        for (size_t c = 0; c < sizeof chunks / sizeof *chunks; c++) {
            struct found cut = read_all(&text, chunks[c], &again);

            ck_assert_msg(memcmp(&cut, &found, sizeof cut) == 0 && again.messages == stats.messages &&
                              again.malformed == stats.malformed,
                          "%s, %s, by %zu", tools[i].name, s->name, chunks[c]);
        }
        buf_fini(&text);
    }
}
END_TEST

int main(void)
{
    TCase *t = em_case("torture");

    tcase_add_loop_test(t, a_shape_in_every_wrapping, 0, SHAPES);
    return em_run();
}
