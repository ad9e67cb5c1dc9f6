/* SPDX-License-Identifier: GPL-3.0-or-later
 * The text of made-up records; see gen_text.h. Everything of a message that must repeat at its next copy comes from the call. */
#include "tests/bench/gen_text.h"

#include <inttypes.h>
#include <stdlib.h>

static const struct {
    const char *method, *start; /* start: of a response; NULL = a request */
    uint32_t sdp_parts;
} kinds[GEN_KINDS] = {
    [GEN_INVITE] = { "INVITE", NULL, 2 },
    [GEN_TRYING] = { "INVITE", "SIP/2.0 100 Trying", 0 },
    [GEN_PROGRESS] = { "INVITE", "SIP/2.0 183 Session Progress", 1 },
    [GEN_OK] = { "INVITE", "SIP/2.0 200 OK", 1 },
    [GEN_ACK] = { "ACK", NULL, 0 },
    [GEN_BYE] = { "BYE", NULL, 0 },
    [GEN_BYE_OK] = { "BYE", "SIP/2.0 200 OK", 0 },
    [GEN_CANCEL] = { "CANCEL", NULL, 0 },
    [GEN_REFUSED] = { "INVITE", "SIP/2.0 504 Server time-out", 0 },
};

const char *const gen_format_names[GEN_FORMATS] = {
    "ocslogger", "uccapi", "sip",   "avaya",      "bare",   "ngrep",        "sofia", "sofia-log",
    "chan_sip",  "pjsip",  "pjsua", "expressway", "syslog", "syslog-lines", "caret",
};

static bool one_in(struct gen_text *t, uint32_t n)
{
    return gen_below(t->random, n) == 0;
}

static const char *eol_of(enum gen_format f)
{
    return f == GEN_OCSLOGGER || f == GEN_UCCAPI || f == GEN_AVAYA ? "\r\n" : "\n";
}

/* --- diagnostics headers ------------------------------------------------------------------------------------------ */

/* A way in which a header reaches a log. %-free pieces that stand between the parts of the value. */
struct style {
    const char *name, *sub_code, *assign, *comma, *semicolon, *open, *close, *tail;
    bool parameters, wrapped;
};

static const struct style styles[] = {
    { "ms-client-diagnostics", "", "=", ",", ";", "\"", "\"", "", false, false },
    { "ms-client-diagnostics", "", "=", ",", "; ", "\"", "\"", "", false, false },
    { "ms-client-diagnostics", "", "=", ", ", "; ", "\"", "\"", ";", false, false },
    { "Ms-Client-Diagnostics", "", " = ", ",", " ; ", "\"", "\"", "", false, false },
    { "ms-diagnostics", "", "=", ",", ";", "\xE2\x80\x9C", "\xE2\x80\x9D", "", false, false },
    { "MS-DIAGNOSTICS-PUBLIC", ".7", "=", ",", ";", "\"", "\"", "", false, false },
    { "ms-client-diagnostics", "", "=", ",", ";\n\t", "\"", "\"", "", false, false },
    { "ms-client-diagnostics", "", "=", ",,", ";", "\"", "\"", "", false, true },
    { "ms-client-diagnostics", "", "=", ",", ";", "\"", "\"", ";", true, false },
    { "ms-client-diagnostics", ".12", "=", ",", ";\n  ", "\"", "\"", "", true, false },
};

/* Appends s with each LF as the line end of the format. */
static void put(struct buf *to, enum gen_format f, const char *s)
{
    for (; *s; s++)
        if (*s == '\n')
            buf_text(to, eol_of(f));
        else
            buf_u8(to, (uint8_t)*s);
}

static void addresses(const struct gen_blob *b, uint32_t number, const struct style *y, enum gen_format f,
                      struct buf *to)
{
    const char *const rows[] = { "LocalSite", "LocalMR", "RemoteSite", "RemoteMR" };
    const char *open = y->parameters ? y->open : "", *close = y->parameters ? y->close : "";

    for (uint32_t i = 0; i < 4; i++) {
        put(to, f, y->parameters ? y->semicolon : y->comma);
        buf_print(to, "%s%s%s%s.%" PRIu32 ":%" PRIu32 "%s", rows[i], y->assign, open,
                  i & 1 ? "198.51.100" : "10.20.30", number % 250,
                  50000 + (number * 7 + i + b->media) % 10000, close);
    }
}

static void blob_form(const struct gen_blob *b, uint32_t number, const struct style *y, enum gen_format f,
                      struct buf *to)
{
    put(to, f, y->semicolon);
    buf_print(to, "%sMediaDebug%s%s%s:", b->side == GEN_CALLER ? "Caller" : "Callee", y->assign, y->open,
              gen_media_names[b->media]);
    if (b->ice_known)
        buf_print(to, "ICEWarn%s0x%" PRIx32, y->assign, b->ice);
    else
        buf_print(to, "PortRange%s50000:59999", y->assign);
    addresses(b, number, y, f, to);
    buf_print(to, "%sLocalLocation%s2%sRemoteLocation%s1%sFederationType%s1%s", y->comma, y->assign, y->comma,
              y->assign, y->comma, y->assign, y->close);
}

static void parameter_form(const struct gen_blob *b, uint32_t number, const struct style *y,
                           enum gen_format f, struct buf *to)
{
    put(to, f, y->semicolon);
    buf_print(to, "UserType=\"%s\"", b->side == GEN_CALLER ? "Caller" : "Callee");
    put(to, f, y->semicolon);
    buf_print(to, "MediaType=\"%s\"", gen_media_names[b->media]);
    put(to, f, y->semicolon);
    if (b->ice_known)
        buf_print(to, "ICEWarn=\"0x%" PRIx32 "\"", b->ice);
    else
        buf_text(to, "MediaChanBlob=\"NetworkErr=no error,ErrTime=0, RTPSeq=0\"");
    addresses(b, number, y, f, to);
}

static void value(const struct gen_report *r, uint32_t number, const struct style *y, enum gen_format f,
                  struct buf *to)
{
    buf_print(to, "%" PRIu32 "%s", r->code, y->sub_code);
    put(to, f, y->semicolon);
    buf_print(to, "reason%s%sCall failed to establish due to a media connectivity failure", y->assign,
              y->open);
    put(to, f, y->wrapped ? "\n" : " ");
    buf_print(to, "when one endpoint is internal and the other is remote%s", y->close);
    for (uint32_t i = 0; i < r->blobs_n; i++)
        (y->parameters ? parameter_form : blob_form)(&r->blobs[i], number, y, f, to);
    put(to, f, y->tail);
}

static const struct style *any_style(struct gen_text *t, const struct gen_report *r)
{
    const struct style *y =
        &styles[t->plain || one_in(t, 2) ? 0 : gen_below(t->random, sizeof styles / sizeof *styles)];

    return y->parameters && r->blobs_n != 1 ? &styles[0] : y; /* the parameter form holds one medium */
}

static void reports(struct gen_text *t, enum gen_format f, const struct gen_call *c, const struct gen_step *s,
                    struct buf *to)
{
    bool joined = !t->plain && s->reports_n > 1 && one_in(t, 3);

    for (uint32_t i = 0; i < s->reports_n; i++) {
        const struct style *y = joined ? &styles[0] : any_style(t, &s->reports[i]);

        if (joined && i > 0)
            buf_text(to, ", ");
        else
            buf_print(to, "%s: ", y->name);
        value(&s->reports[i], c->number, y, f, to);
        if (!joined || i + 1 == s->reports_n)
            buf_text(to, eol_of(f));
    }
}

/* --- a SIP message ------------------------------------------------------------------------------------------------ */

static void start_line(const struct gen_call *c, enum gen_kind kind, struct buf *to)
{
    if (kinds[kind].start)
        buf_text(to, kinds[kind].start);
    else
        buf_print(to, "%s sip:ola%" PRIu32 "@example.com;opaque=user:epid:Zq%" PRIx32 "AA;gruu SIP/2.0",
                  kinds[kind].method, c->number % 997, c->number);
}

static void call_id(struct gen_text *t, enum gen_format f, const struct gen_call *c, struct buf *to)
{
    static const char *const names[] = { "Call-ID", "CALL-ID", "Call-Id", "i", "Call-ID " };

    if (c->keyed)
        buf_print(to, "%s: %s%s", names[t->plain || !one_in(t, 8) ? 0 : gen_below(t->random, 5)], c->id,
                  eol_of(f));
}

static void headers(struct gen_text *t, enum gen_format f, const struct gen_call *c, const struct gen_step *s,
                    struct buf *to)
{
    const char *eol = eol_of(f);
    bool first = !t->plain && one_in(t, 10);

    buf_print(to, "Via: SIP/2.0/TLS 192.0.2.%" PRIu32 ":5061;branch=z9hG4bK%08" PRIX32 ".0C5E%s",
              gen_below(t->random, 250), c->number, eol);
    buf_print(to, "Max-Forwards: %" PRIu32 "%s", 60 + gen_below(t->random, 10), eol);
    if (first)
        reports(t, f, c, s, to);
    buf_print(to,
              "From: \"K\xC3\xA5re\"<sip:kari%" PRIu32 "@example.com>;tag=c%08" PRIx32 ";epid=1f0a2b3c4d%s",
              c->number % 89, c->number, eol);
    buf_print(to, "To: <sip:ola%" PRIu32 "@example.com>;tag=d%08" PRIx32 "%s", c->number % 997,
              c->number ^ 0x5a5a, eol);
    call_id(t, f, c, to);
    buf_print(to, "CSeq: %" PRIu32 " %s%s", c->cseq, kinds[s->kind].method, eol);
    buf_print(to, "Contact: <sip:kari%" PRIu32 "@example.com;opaque=user:epid:1f0a2b3c4dAA;gruu>%s",
              c->number % 89, eol);
    buf_print(to, "User-Agent: UCCAPI/16.0.4266.1001 OC/16.0.4266.1001 (Skype for Business)%s", eol);
    buf_print(to, "Supported: ms-dialog-route-set-update%sSupported: timer%sSupported: histinfo%s", eol, eol,
              eol);
    buf_print(
        to,
        "Proxy-Authorization: TLS-DSK qop=\"auth\", realm=\"SIP Communications Service\", opaque=\"%08" PRIX32
        "\", targetname=\"fe1.example.com\", crand=\"%08" PRIx32 "\", cnum=\"%" PRIu32
        "\", response=\"0100000033396264a0b5b8d7e1c20f11964c8a5d1ae2f03bd7\"%s",
        c->number, c->number * 31, c->cseq, eol);
    if (one_in(t, 40))
        buf_print(to,
                  "x-ms-diagnostics: 23;reason=\"of another kind\";category=\"late\"%sX-Remote-Reason: 23%s",
                  eol, eol);
    if (!first)
        reports(t, f, c, s, to);
}

/* Session descriptions differ between calls in their first lines only; the rest is made once. */
static void sdp(const struct gen_call *c, enum gen_format f, uint32_t parts, struct buf *to)
{
    static struct {
        char text[8 * 1024];
        size_t n;
    } ready[GEN_FORMATS];
    const char *eol = eol_of(f);

    if (ready[f].n == 0) {
        struct buf b = buf_over(ready[f].text, sizeof ready[f].text);

        buf_print(&b,
                  "s=session%sc=IN IP4 198.51.100.10%sb=CT:99980%st=0 "
                  "0%sa=x-devicecaps:audio:send,recv;video:send,recv%s"
                  "m=audio 52732 RTP/SAVP 117 104 114 9 112 111 0 103 8 116 115 97 13 118 101%s",
                  eol, eol, eol, eol, eol, eol);
        for (uint32_t i = 1; i < 16; i++)
            buf_print(&b,
                      "a=candidate:%" PRIu32 " %" PRIu32 " %s %" PRIu32 " 198.51.100.%" PRIu32 " %" PRIu32
                      " typ relay raddr 10.20.30.61 rport %" PRIu32 "%s",
                      i, 1 + (i & 1), i % 3 ? "UDP" : "TCP-ACT", 2130706431 - i * 512, i, 50000 + i * 17,
                      40000 + i, eol);
        for (uint32_t i = 0; i < 12; i++)
            buf_print(&b,
                      "a=crypto:%" PRIu32
                      " AES_CM_128_HMAC_SHA1_80 inline:ZFN0YWxsZXRldCBpIEvDpXJlIG9nIE9sYXMgaHVz|2^31|1:1%s"
                      "a=rtpmap:%" PRIu32 " SIREN/16000%sa=fmtp:%" PRIu32 " bitrate=16000%s",
                      i, eol, 100 + i, eol, 100 + i, eol);
        ready[f].n = b.n;
    }
    for (uint32_t i = 0; i < parts; i++) {
        buf_print(to, "v=0%so=- %" PRIu32 " 0 IN IP4 10.20.30.61%s", eol, c->number, eol);
        buf_bytes(to, ready[f].text, ready[f].n);
    }
}

static void whole_message(struct gen_text *t, enum gen_format f, const struct gen_call *c,
                          const struct gen_step *s, struct buf *to)
{
    uint32_t parts = kinds[s->kind].sdp_parts;

    start_line(c, s->kind, to);
    buf_text(to, eol_of(f));
    headers(t, f, c, s, to);
    if (parts > 0)
        buf_print(to, "Content-Type: application/sdp%s", eol_of(f));
    buf_print(to, "Content-Length: %" PRIu32 "%s%s", parts * 3000, eol_of(f), eol_of(f));
    sdp(c, f, parts, to);
}

/* --- records ------------------------------------------------------------------------------------------------------ */

struct clock_text {
    uint32_t day, hour, minute, second, ms;
};

static struct clock_text tick(struct gen_text *t)
{
    uint64_t s = (t->time_ms += gen_below(t->random, 40)) / 1000;

    t->instance++;
    return (struct clock_text) { 1 + (uint32_t)(s / 86400 % 28), (uint32_t)(s / 3600 % 24),
                                 (uint32_t)(s / 60 % 60), (uint32_t)(s % 60), (uint32_t)(t->time_ms % 1000) };
}

static void ocs_head(struct gen_text *t, enum gen_format f, const char *flag, const char *where,
                     struct buf *to)
{
    struct clock_text w = tick(t);
    bool day_first = f == GEN_AVAYA;

    buf_print(to,
              "TL_INFO(%s) [%" PRIu32 "]0B5C.1A2C::%02" PRIu32 "/%02" PRIu32 "/2026-%02" PRIu32 ":%02" PRIu32
              ":%02" PRIu32 ".%03" PRIu32 ".%08" PRIx32 " (%s)[%" PRIu32 "] ",
              flag, gen_below(t->random, 8), day_first ? w.day : 11, day_first ? 11 : w.day, w.hour, w.minute,
              w.second, w.ms, t->instance, where, t->instance * 3);
}

static void ucc_head(struct gen_text *t, struct buf *to)
{
    struct clock_text w = tick(t);

    buf_print(to,
              "11/%02" PRIu32 "/2026|%02" PRIu32 ":%02" PRIu32 ":%02" PRIu32 ".%03" PRIu32
              " 1A2C:0B5C INFO  :: ",
              w.day, w.hour, w.minute, w.second, w.ms);
}

static const char protocol_record[] = "SIPStack,SIPAdminLog::ProtocolRecord::Flush:ProtocolRecord.cpp(265)";

static void ocs_begin(struct gen_text *t, enum gen_format f, bool response, struct buf *to)
{
    ocs_head(t, f, "TF_PROTOCOL", protocol_record, to);
    buf_print(to,
              "$$begin_record\r\nTrace-Correlation-Id: %" PRIu32 "\r\nInstance-Id: %08" PRIX32
              "\r\nDirection: %s;source=\"%s edge\";"
              "destination=\"external edge\"\r\nPeer: 192.0.2.31:%" PRIu32 "\r\nMessage-Type: %s\r\n",
              t->instance, t->instance, one_in(t, 2) ? "incoming" : "outgoing", "internal",
              50000 + gen_below(t->random, 9999), response ? "response" : "request");
}

static void ocs_message(struct gen_text *t, enum gen_format f, const struct gen_call *c,
                        const struct gen_step *s, struct buf *to)
{
    uint32_t parts = kinds[s->kind].sdp_parts;

    ocs_begin(t, f, kinds[s->kind].start != NULL, to);
    buf_text(to, "Start-Line: ");
    start_line(c, s->kind, to);
    buf_text(to, "\r\n");
    headers(t, GEN_OCSLOGGER, c, s, to);
    buf_text(to, parts > 0 ? "Content-Type: application/sdp\r\nMessage-Body: " : "Message-Body: -\r\n");
    sdp(c, GEN_OCSLOGGER, parts, to);
    buf_text(to, "$$end_record\r\n\r\n");
}

static void ucc_packet(struct gen_text *t, bool sent, const struct gen_call *c, const struct gen_step *s,
                       struct buf *to)
{
    const char *what = sent ? "Sending Packet" : "Data Received";
    size_t bytes = 1000 + gen_below(t->random, 4000);

    ucc_head(t, to);
    buf_print(to, "%s - 192.0.2.10:443 (%s Local Address: 10.20.30.61:50217) %zu bytes:\r\n", what,
              sent ? "From" : "To", bytes);
    if (c)
        whole_message(t, GEN_UCCAPI, c, s, to);
    else
        buf_text(to, "\x01\x02 what a proxy left of it\r\nCall-ID: none\r\n\r\n");
    ucc_head(t, to);
    buf_print(to, "End of %s - 192.0.2.10:443 (%s Local Address: 10.20.30.61:50217) %zu bytes\r\n", what,
              sent ? "From" : "To", bytes);
}

/* --- what other tools write around a message ---------------------------------------------------------------------- */

/* %d: 2026/11/23, %D: 2026-11-23, %t: 10:20:30.123456, %b: Nov 23, %n: a number. */
static const struct wrapping {
    const char *before, *first, *each, *behind, *after;
} wrappings[GEN_FORMATS] = {
    [GEN_SIP] = { "%d %t 10.20.30.61:50217 -> 192.0.2.10:5061\n", "", "", "\n", "\n" },
    [GEN_BARE] = { "", "", "", "\n", "\n" },
    [GEN_NGREP] = { "U %d %t 10.20.30.61:50217 -> 192.0.2.10:5060 #%n\n", "", "", ".\n", "\n" },
    [GEN_SOFIA] = { "\x1b[36mrecv %n bytes from tcp/[10.20.30.61]:50217 at %t:\x1b[0m\n"
                    "   ------------------------------------------------------------------------\n",
                    "   ", "   ", "\n",
                    "   ------------------------------------------------------------------------\n" },
    [GEN_SOFIA_LOG] = { "d3f0c1ab-77aa send %n bytes to udp/[10.20.30.61]:50217 at %t:\n", "d3f0c1ab-77aa ",
                        "d3f0c1ab-77aa ", "\n", "d3f0c1ab-77aa --------\n" },
    [GEN_CHAN_SIP] = { "[%b %t] <--- SIP read from UDP:10.20.30.61:50217 --->\n", "[%b %t] ", "[%b %t] ",
                       "\n", "[%b %t] <------------->\n[%b %t] --- (12 headers 40 lines) ---\n" },
    [GEN_PJSIP] = { "<--- Received SIP request (%n bytes) from UDP:10.20.30.61:50217 --->\n", "", "", "\n",
                    "\n" },
    [GEN_PJSUA] = { "%t           pjsua_core.c  .RX %n bytes Request msg (rdata0x7f) from UDP "
                    "10.20.30.61:5060:\n",
                    "", "", "\n", "--end msg--\n" },
    [GEN_EXPRESSWAY] = { "%DT%t+00:00 vcse tvcs: UTCTime=\"%D %t\" Module=\"network.sip\" Level=\"DEBUG\":  "
                         "Action=\"Received\"  Local-ip=\"192.0.2.10\"\n SIPMSG:\n",
                         " |", " ", "\n", " |\n" },
    [GEN_SYSLOG] = { "", "%b %t gw kamailio[%n]: INFO: <script>: ", "", "#015#012", "\n" },
    [GEN_SYSLOG_LINES] = { "", "%b %t gw sbc[4711]: ", "%b %t gw sbc[4711]: ", "#015\n", "" },
    [GEN_CARET] = { "", "", "", "^M\n", "^M\n" },
};

static void put_pattern(struct gen_text *t, const char *pattern, const struct clock_text *w, struct buf *to)
{
    for (; *pattern; pattern++) {
        if (*pattern != '%') {
            buf_u8(to, (uint8_t)*pattern);
            continue;
        }
        pattern++;
        if (*pattern == 'd' || *pattern == 'D')
            buf_print(to, *pattern == 'd' ? "2026/11/%02" PRIu32 : "2026-11-%02" PRIu32, w->day);
        else if (*pattern == 't')
            buf_print(to, "%02" PRIu32 ":%02" PRIu32 ":%02" PRIu32 ".%03" PRIu32 "000", w->hour, w->minute,
                      w->second, w->ms);
        else if (*pattern == 'b')
            buf_print(to, "Nov %02" PRIu32, w->day);
        else
            buf_print(to, "%" PRIu32, 1000 + t->instance % 1000);
    }
}

static void wrapped_message(struct gen_text *t, enum gen_format f, const struct gen_call *c,
                            const struct gen_step *s, struct buf *to)
{
    static uint8_t room[64 * 1024];
    const struct wrapping *y = &wrappings[f];
    struct buf b = buf_over(room, sizeof room);
    struct clock_text w = tick(t);
    const char *p, *end;

    whole_message(t, f, c, s, &b);
    put_pattern(t, y->before, &w, to);
    p = (const char *)b.p;
    end = p + b.n;
    for (const char *front = y->first; p < end; front = y->each) {
        const char *eol = memchr(p, '\n', (size_t)(end - p));

        put_pattern(t, front, &w, to);
        buf_bytes(to, p, (size_t)(eol - p));
        buf_text(to, y->behind);
        p = eol + 1;
    }
    put_pattern(t, y->after, &w, to);
}

void gen_text_message(struct gen_text *t, enum gen_format f, const struct gen_call *c,
                      const struct gen_step *s, struct buf *to)
{
    if (f == GEN_OCSLOGGER || f == GEN_AVAYA)
        ocs_message(t, f, c, s, to);
    else if (f == GEN_UCCAPI)
        ucc_packet(t, one_in(t, 2), c, s, to);
    else
        wrapped_message(t, f, c, s, to);
}

void gen_text_noise(struct gen_text *t, enum gen_format f, struct buf *to)
{
    struct clock_text w;

    bool ocs = f == GEN_OCSLOGGER || f == GEN_AVAYA;

    if (ocs && one_in(t, 2)) {
        ocs_head(t, f, "TF_DIAG", "SIPStack,SIPAdminLog::WriteDiagnosticEvent:SIPAdminLog.cpp(802)", to);
        buf_print(to,
                  "$$begin_record\r\nLogType: diagnostic\r\nSeverity: information\r\nText: Response "
                  "successfully routed\r\n"
                  "SIP-Start-Line: SIP/2.0 200 OK\r\nSIP-Call-ID: %08" PRIx32
                  "\r\nSIP-CSeq: 1 INVITE\r\nPeer: fe1.example.com:5061\r\n"
                  "$$end_record\r\n\r\n",
                  t->instance);
    } else if (ocs) {
        ocs_head(t, f, "TF_CONNECTION", "SIPStack,CRecvContext::ProcessCompletion:RecvContext.cpp(91)", to);
        buf_text(
            to,
            "( 0000004E7A11C0DE ) Completed a read, ms-client-diagnostics: 23 is only spoken of here\r\n");
    } else if (f == GEN_UCCAPI) {
        ucc_head(t, to);
        buf_text(to, "CUccPlatform::Timer fired, ms-client-diagnostics: 23 is only spoken of here\r\n");
    } else if (f != GEN_SIP && one_in(t, 2)) {
        w = tick(t);
        put_pattern(t, wrappings[f].first, &w, to);
        buf_text(to, "Received INVITE sip:ola@example.com SIP/2.0\n");
        put_pattern(t, wrappings[f].first, &w, to);
        buf_text(to, "and an ms-client-diagnostics: 23 is only spoken of here\n\n");
    } else {
        w = tick(t);
        buf_print(to,
                  "2026/11/%02" PRIu32 " %02" PRIu32 ":%02" PRIu32 ":%02" PRIu32
                  ".000000 keep-alive of 10.20.30.61:50217\n\n",
                  w.day, w.hour, w.minute, w.second);
    }
}

bool gen_text_malformed(struct gen_text *t, enum gen_format f, struct buf *to)
{
    if (f == GEN_UCCAPI) {
        ucc_packet(t, false, NULL, NULL, to);
        return true;
    }
    if (f != GEN_OCSLOGGER && f != GEN_AVAYA)
        return false;
    ocs_begin(t, f, true, to);
    buf_text(to, one_in(t, 2) ? "Start-Line: \r\n" : "");
    buf_text(
        to,
        "From: <sip:kari@example.com>;tag=1\r\nCSeq: 1 INVITE\r\nMessage-Body: -\r\n$$end_record\r\n\r\n");
    return true;
}
