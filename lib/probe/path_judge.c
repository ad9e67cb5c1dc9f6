/* SPDX-License-Identifier: GPL-3.0-or-later
 * From counts to a judgement: handshakes first, then groups of payloads, then what nobody on the path decided, then loss. */
#include "probe/path_judge.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "probe/path_payload.h"
#include "probe/path_stat.h"

#define LIMIT_DOUBT 0.05 /* of limits of a share */
#define LOSS_LEAST 0.01  /* a path that loses less is a good one */
#define LOSSY 0.05       /* of handshakes: then a missing answer may be a lost one */
#define HELD_UP 4.0      /* times that handshakes are hit more often than payloads */
#define LOSS_NORMAL 0.002
#define PERCENT 100.0
#define NOBODY_SPOKE 0.5 /* the confidence where a far end that never answers explains everything as well */

#define BIT(payload) (1u << (payload))
#define ALL (BIT(EM_PATH_PAYLOADS) - 1)
#define STUN (BIT(EM_PATH_STUN_FRAMED) | BIT(EM_PATH_STUN) | BIT(EM_PATH_STUN_LARGE))
#define TLS (BIT(EM_PATH_PSEUDO_TLS) | BIT(EM_PATH_TLS))
#define UNKNOWN (BIT(EM_PATH_RANDOM) | BIT(EM_PATH_RANDOM_LARGE))
#define LARGE (BIT(EM_PATH_STUN_LARGE) | BIT(EM_PATH_RANDOM_LARGE))
#define MEDIA (STUN | BIT(EM_PATH_MS_ALLOCATE) | BIT(EM_PATH_PSEUDO_TLS) | BIT(EM_PATH_MEDIA))

/* What a filter may tell apart. A payload alone is a group, too. */
static const struct group {
    uint32_t payloads;
    const char *text;
} groups[] = {
    { BIT(EM_PATH_STUN_FRAMED), NULL },
    { BIT(EM_PATH_STUN), NULL },
    { BIT(EM_PATH_MS_ALLOCATE), NULL },
    { BIT(EM_PATH_PSEUDO_TLS), NULL },
    { BIT(EM_PATH_TLS), NULL },
    { BIT(EM_PATH_RANDOM), NULL },
    { BIT(EM_PATH_STUN_LARGE), NULL },
    { BIT(EM_PATH_RANDOM_LARGE), NULL },
    { BIT(EM_PATH_MEDIA), NULL },
    { LARGE, "1,400 bytes" },
    { STUN, "STUN" },
    { TLS, "TLS" },
    { UNKNOWN, "bytes of no known protocol" },
    { BIT(EM_PATH_MS_ALLOCATE) | BIT(EM_PATH_PSEUDO_TLS), "Microsoft's relay protocol" },
    { STUN | BIT(EM_PATH_MS_ALLOCATE), "STUN or Microsoft's Allocate" },
    { ALL & ~UNKNOWN & ~BIT(EM_PATH_HANDSHAKE), "a known protocol" },
    { ALL & ~BIT(EM_PATH_HANDSHAKE), "any payload" },
};
enum { GROUPS = sizeof groups / sizeof *groups, TESTS = 2 * GROUPS };

struct share {
    uint32_t k, n;
};

struct seen { /* what the counts come to */
    bool tcp;
    struct share hit[EM_PATH_PAYLOADS], dropped[EM_PATH_PAYLOADS]; /* of connections with a payload */
    struct share handshake;                                        /* hit, of all tries */
    double looks;                                                  /* judgements of the same evidence */
    bool icmp_only;              /* UDP: nothing answers, and ICMP says that nobody listens */
    uint32_t tries, unconnected; /* silence in place of a connection */
    uint32_t failed;             /* no connection, silence or not */
    uint32_t sends_least;
    uint32_t answered, answered_media, refused, prohibited, unreachable;
};

static double share_of(struct share s)
{
    return s.n ? (double)s.k / s.n : 0;
}

static struct share plus(struct share a, struct share b)
{
    return (struct share) { a.k + b.k, a.n + b.n };
}

static void say(struct em_path_judgement *j, enum em_path_filter filter, enum em_verdict verdict,
                const char *fmt, ...) EM_PRINTF(4, 5);
static void say(struct em_path_judgement *j, enum em_path_filter filter, enum em_verdict verdict,
                const char *fmt, ...)
{
    va_list ap;

    j->filter = filter;
    j->verdict = verdict;
    va_start(ap, fmt);
    vsnprintf(j->reason, sizeof j->reason, fmt, ap);
    va_end(ap);
}

/* --- counts ------------------------------------------------------------------------------------------------------------------- */

static uint32_t failed(const struct em_path_counts *c)
{
    return c->unconnected + c->refused + c->prohibited + c->unreachable;
}

/* What a far end that understands this payload never does. Where packets get lost, answers do, too. */
static uint32_t unanswered(const struct em_path_counts *c, bool lossy)
{
    return (lossy ? 0 : c->acknowledged) + c->reset + c->closed + c->intercepted;
}

static void see_handshakes(struct seen *s, const struct em_path_counts *c)
{
    s->handshake = plus(s->handshake, (struct share) { c->syn_hit, c->tries });
    s->unconnected += c->unconnected;
}

static void see_tcp(struct seen *s, size_t i, const struct em_path_counts *c)
{
    uint32_t n = c->tries - failed(c);
    bool lossy = share_of(s->handshake) > LOSSY;

    if (i == EM_PATH_HANDSHAKE || n == 0)
        return;
    s->dropped[i] = (struct share) { c->dropped, n };
    s->hit[i] =
        (struct share) { c->dropped + (c->answered ? c->again_answered + unanswered(c, lossy) : c->again),
                         n };
}

/* Silence tells something only where there could be an answer: a try with media is one only where the far end offered to echo it. */
static void see_udp(struct seen *s, size_t i, const struct em_path_counts *c, bool stun_spoken)
{
    if (s->icmp_only && c->tries > 0)
        s->dropped[i] = s->hit[i] = (struct share) { c->dropped, c->tries };
    if (c->tries == 0 || !(c->answered || (stun_spoken && (BIT(i) & (STUN | BIT(EM_PATH_MEDIA))))))
        return;
    s->dropped[i] = (struct share) { c->dropped, c->tries };
    s->hit[i] = (struct share) { c->dropped + c->again, c->tries };
    s->handshake = plus(s->handshake, s->hit[i]);
    s->unconnected += c->dropped;
}

static void look(struct seen *s, const struct em_path_table *t)
{
    bool stun_spoken = false;

    *s = (struct seen) { .tcp = t->transport != EM_TRANSPORT_UDP, .looks = t->looks ? t->looks : 1 };
    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++) {
        const struct em_path_counts *c = &t->payload[i];

        stun_spoken |= c->answered && (BIT(i) & STUN);
        s->tries += c->tries;
        s->failed += failed(c);
        s->refused += c->refused;
        s->prohibited += c->prohibited;
        s->unreachable += c->unreachable;
        if (i != EM_PATH_HANDSHAKE)
            s->answered += c->answered;
        if (BIT(i) & MEDIA)
            s->answered_media += c->answered;
        if (c->sends_least && (s->sends_least == 0 || c->sends_least < s->sends_least))
            s->sends_least = c->sends_least;
    }
    s->icmp_only = !s->tcp && s->answered == 0 && s->refused > 0;
    for (size_t i = 0; s->tcp && i < EM_PATH_PAYLOADS; i++)
        see_handshakes(s, &t->payload[i]);
    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++)
        if (s->tcp)
            see_tcp(s, i, &t->payload[i]);
        else
            see_udp(s, i, &t->payload[i], stun_spoken);
    if (!s->tcp && s->answered == 0) /* nothing is known to answer there */
        s->failed = s->tries;
}

/* --- port: connections that do not come about ----------------------------------------------------------------------------------- */

static enum em_verdict failure_verdict(const struct seen *s)
{
    const struct {
        uint32_t n;
        enum em_verdict verdict;
    } rows[] = { { s->failed - s->refused - s->prohibited - s->unreachable, EM_VERDICT_FILTERED },
                 { s->prohibited, EM_VERDICT_PROHIBITED },
                 { s->unreachable, EM_VERDICT_UNREACHABLE },
                 { s->refused, EM_VERDICT_REFUSED } };
    size_t most = 0;

    for (size_t i = 1; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].n > rows[most].n)
            most = i;
    return rows[most].verdict;
}

static const char *failure_text(enum em_verdict v, bool tcp)
{
    return v == EM_VERDICT_PROHIBITED    ? "were prohibited by an ICMP message"
           : v == EM_VERDICT_UNREACHABLE ? "were called unreachable by an ICMP message"
           : v == EM_VERDICT_REFUSED     ? "were refused"
           : tcp                         ? "got no answer to the handshake"
                                         : "got no answer";
}

static void say_port(struct em_path_judgement *j, const struct seen *s, double chance)
{
    enum em_verdict v = failure_verdict(s);

    j->share = (double)s->failed / s->tries;
    j->confidence = 1 - chance;
    say(j, EM_PATH_PORT, v, "%u of %u %s %s%s", s->failed, s->tries, s->tcp ? "connections" : "requests",
        failure_text(v, s->tcp),
        s->failed == s->tries ? "" : ", all or nothing, so it is no loss of single packets");
}

/* Whether connections that did not come about are so many that single lost packets do not explain them. */
static bool judge_port(struct em_path_judgement *j, const struct seen *s)
{
    uint32_t told = s->refused + s->prohibited + s->unreachable;
    uint32_t sends = s->sends_least > 2 ? s->sends_least : 2;
    double most, chance;

    if (s->failed == s->tries && failure_verdict(s) == EM_VERDICT_REFUSED) {
        j->confidence = 1 - LIMIT_DOUBT;
        say(j, EM_PATH_NONE, EM_VERDICT_REFUSED, "the path is open and nobody listens: %u of %u were refused",
            s->refused, s->tries);
        return true;
    }
    if (s->failed == s->tries && !s->tcp && told == 0) {
        j->share = 1;
        j->confidence = NOBODY_SPOKE;
        say(j, EM_PATH_PORT, EM_VERDICT_FILTERED,
            "%u requests, no answer, no ICMP message: the port is filtered, or what is answered there, or "
            "the far end "
            "answers nothing",
            s->tries);
        return true;
    }
    if (s->failed == s->tries) {
        say_port(j, s, em_stat_power(0.5, s->tries)); /* as if every other packet were lost */
        return true;
    }
    if (told >= 2) {
        say_port(j, s, 0);
        return true;
    }
    if (s->unconnected < 2) {
        j->undecided |= s->failed > 0;
        return false;
    }
    most = em_stat_upper(s->handshake.k, s->handshake.n, LIMIT_DOUBT);
    chance = s->looks * em_stat_at_least(s->unconnected, s->handshake.k, em_stat_power(most, sends - 1));
    if (chance >= EM_PATH_DOUBT)
        return false;
    if (!s->tcp && s->failed == 0)
        return false;
    say_port(j, s, chance);
    return true;
}

/* --- content and size: one group of payloads is hit more often than the rest ---------------------------------------------------- */

struct best {
    const struct group *group; /* NULL: none */
    struct share in, out;
    double fit, chance;
};

static struct share sum(const struct share of[EM_PATH_PAYLOADS], uint32_t payloads)
{
    struct share all = { 0, 0 };

    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++)
        if (payloads & BIT(i))
            all = plus(all, of[i]);
    return all;
}

/* The group that explains the shares best, and how likely chance makes the same. base: what is outside of every group. */
static struct best best_group(const struct share of[EM_PATH_PAYLOADS], struct share base)
{
    struct best best = { .chance = 1 };

    for (size_t g = 0; g < GROUPS; g++) {
        struct share in = sum(of, groups[g].payloads), out = plus(sum(of, ALL & ~groups[g].payloads), base);
        double fit = em_stat_fit(in.k, in.n) + em_stat_fit(out.k, out.n);

        if (in.n == 0 || out.n == 0 || share_of(in) <= share_of(out) || (best.group && fit <= best.fit))
            continue;
        best = (struct best) { &groups[g], in, out, fit, em_stat_fisher(in.k, in.n, out.k, out.n) };
    }
    best.chance *= TESTS;
    return best;
}

/* What most of the hits of a group were. */
static enum em_verdict hit_verdict(const struct em_path_table *t, uint32_t payloads)
{
    struct {
        uint32_t n;
        enum em_verdict verdict;
    } rows[] = { { 0, EM_VERDICT_BLACKHOLED },
                 { 0, EM_VERDICT_RESET },
                 { 0, EM_VERDICT_INTERCEPTED },
                 { 0, EM_VERDICT_SILENT } };
    size_t most = 0;

    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++) {
        const struct em_path_counts *c = &t->payload[i];

        if (!(payloads & BIT(i)))
            continue;
        rows[0].n += c->dropped + (c->answered ? c->again_answered : c->again);
        if (c->answered) {
            rows[1].n += c->reset + c->closed;
            rows[2].n += c->intercepted;
            rows[3].n += c->acknowledged; /* of which a lossy path has few */
        }
    }
    for (size_t i = 1; i < sizeof rows / sizeof *rows; i++)
        if (rows[i].n > rows[most].n)
            most = i;
    return rows[most].verdict;
}

static const char *hit_text(enum em_verdict v)
{
    return v == EM_VERDICT_RESET         ? "are reset"
           : v == EM_VERDICT_INTERCEPTED ? "are answered by somebody else"
           : v == EM_VERDICT_SILENT      ? "get no answer"
                                         : "are dropped";
}

static const char *group_text(uint32_t payloads)
{
    for (size_t g = 0; g < GROUPS; g++)
        if (groups[g].payloads == payloads && groups[g].text)
            return groups[g].text;
    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++)
        if (payloads == BIT(i))
            return em_path_kinds[i].text;
    return "some payloads";
}

static bool judge_groups(struct em_path_judgement *j, const struct em_path_table *t, const struct seen *s)
{
    struct best best = best_group(s->hit, s->tcp ? s->handshake : (struct share) { 0, 0 });
    struct best drop = best_group(s->dropped, (struct share) { 0, 0 });
    bool udp = !s->tcp;
    enum em_verdict v;

    if (drop.group && drop.chance < best.chance)
        best = drop;
    best.chance *= s->looks;
    if (!best.group || best.chance >= EM_PATH_DOUBT) {
        j->undecided |= best.group && best.chance < 20 * EM_PATH_DOUBT;
        return false;
    }
    v = hit_verdict(t, best.group->payloads);
    j->group = best.group->payloads;
    j->share = share_of(best.in);
    j->background = share_of(best.out);
    j->confidence = 1 - best.chance;
    say(j, best.group->payloads & ~LARGE ? EM_PATH_CONTENT : EM_PATH_SIZE,
        udp && v == EM_VERDICT_BLACKHOLED ? EM_VERDICT_FILTERED : v,
        "%u of %u %s with %s %s, of everything else %u of %u", best.in.k, best.in.n,
        udp ? "requests" : "connections", group_text(best.group->payloads), hit_text(v), best.out.k,
        best.out.n);
    return true;
}

/* --- somebody ends, or answers, whatever is sent --------------------------------------------------------------------------------- */

static bool judge_strangers(struct em_path_judgement *j, const struct em_path_table *t, const struct seen *s)
{
    const struct em_path_counts *held = &t->payload[EM_PATH_HANDSHAKE];
    uint32_t taken = 0, reset = 0;
    struct share by_stranger = { 0, 0 }, by_reset = { 0, 0 };

    for (size_t i = EM_PATH_HANDSHAKE + 1; i < EM_PATH_PAYLOADS; i++) {
        const struct em_path_counts *c = &t->payload[i];
        uint32_t n = s->hit[i].n;

        if (n > 0 && (BIT(i) & MEDIA) && 2 * c->intercepted >= n) {
            taken |= BIT(i);
            by_stranger = plus(by_stranger, (struct share) { c->intercepted, n });
        }
        if (n > 0 && 2 * c->reset_early >= n) {
            reset |= BIT(i);
            by_reset = plus(by_reset, (struct share) { c->reset_early, n });
        }
    }
    if (taken && s->answered_media == 0) {
        j->group = taken;
        j->share = share_of(by_stranger);
        j->confidence = 1 - em_stat_power(0.5, by_stranger.k);
        say(j, EM_PATH_CONTENT, EM_VERDICT_INTERCEPTED,
            "%u of %u connections are answered by something that is no relay", by_stranger.k, by_stranger.n);
        return true;
    }
    if (!reset || s->answered)
        return false;
    j->group = reset;
    j->share = share_of(by_reset);
    j->background = share_of((struct share) { held->reset + held->closed, held->tries - failed(held) });
    j->confidence = 1 - s->looks * em_stat_fisher(by_reset.k, by_reset.n, held->reset + held->closed,
                                                  held->tries - failed(held));
    if (j->confidence < 1 - EM_PATH_DOUBT)
        return false;
    say(j, EM_PATH_CONTENT, EM_VERDICT_RESET,
        "%u of %u connections are reset in place of an acknowledgement once something is sent", by_reset.k,
        by_reset.n);
    return true;
}

/* --- new connections are held up, and those that stand are not ------------------------------------------------------------------- */

/* A table of connections that is full, or a limit of new ones. Over lossy paths handshakes are hit a little more often than payloads, too. */
static bool judge_handshakes(struct em_path_judgement *j, const struct seen *s)
{
    struct share payloads = sum(s->hit, ALL);
    double chance = s->looks * em_stat_fisher(s->handshake.k, s->handshake.n, payloads.k, payloads.n);

    if (!s->tcp || chance * TESTS >= EM_PATH_DOUBT || share_of(payloads) * HELD_UP > share_of(s->handshake))
        return false;
    j->share = share_of(s->handshake);
    j->background = share_of(payloads);
    j->confidence = 1 - chance * TESTS;
    say(j, EM_PATH_PORT, EM_VERDICT_DEGRADED,
        "%u of %u handshakes lost packets, of payloads %u of %u: new connections are held up", s->handshake.k,
        s->handshake.n, payloads.k, payloads.n);
    return true;
}

/* --- loss, and nothing ------------------------------------------------------------------------------------------------------------ */

static bool judge_loss(struct em_path_judgement *j, const struct seen *s)
{
    struct share all = s->tcp ? plus(s->handshake, sum(s->hit, ALL)) : s->handshake;

    if (em_stat_lower(all.k, all.n, LIMIT_DOUBT) < LOSS_LEAST) {
        j->undecided |= all.k > 0;
        return false;
    }
    j->share = share_of(all);
    j->confidence = 1 - em_stat_at_least(all.k, all.n, LOSS_NORMAL);
    say(j, EM_PATH_LOSS, EM_VERDICT_DEGRADED,
        "%u of %u packets or their answers (%.0f %%) got lost, whatever they carry", all.k, all.n,
        PERCENT * j->share);
    return true;
}

static double unseen(const struct seen *s)
{
    double worst = 0;

    for (size_t i = 0; i < EM_PATH_PAYLOADS; i++) {
        double limit = s->hit[i].n ? em_stat_upper(s->hit[i].k, s->hit[i].n, LIMIT_DOUBT) : 0;

        worst = limit > worst ? limit : worst;
    }
    return worst;
}

/* Everything gets through: then it is the far end that decides what the port is good for. */
static void judge_far_end(struct em_path_judgement *j, const struct em_path_table *t, const struct seen *s)
{
    struct em_path_counts all = { 0 };

    for (size_t i = EM_PATH_HANDSHAKE + 1; i < EM_PATH_PAYLOADS; i++) {
        all.acknowledged += t->payload[i].acknowledged;
        all.closed += t->payload[i].closed;
        all.reset += t->payload[i].reset;
    }
    j->confidence = 1 - LIMIT_DOUBT;
    j->unseen = unseen(s);
    if (s->answered_media && !s->tcp)
        say(j, EM_PATH_NONE, EM_VERDICT_OK,
            "everything that is answered gets through, media protocols among it; over UDP nothing tells "
            "about the rest");
    else if (s->answered_media)
        say(j, EM_PATH_NONE, EM_VERDICT_OK, "everything gets through and media protocols are answered");
    else if (t->payload[EM_PATH_TLS].answered)
        say(j, EM_PATH_NONE, EM_VERDICT_PROTOCOL_ERROR,
            "everything gets through; the far end speaks TLS and no media protocol");
    else if (all.acknowledged >= all.closed && all.acknowledged >= all.reset)
        say(j, EM_PATH_NONE, EM_VERDICT_SILENT,
            "every payload is acknowledged and none is answered: another service, or a proxy that ends TCP");
    else if (all.reset > all.closed)
        say(j, EM_PATH_NONE, EM_VERDICT_RESET,
            "every payload is taken, then the connection is reset: another service, or a proxy that ends "
            "TCP");
    else
        say(j, EM_PATH_NONE, EM_VERDICT_PROTOCOL_ERROR,
            "every payload is taken, then the connection is closed: another service");
}

void em_path_judge(const struct em_path_table *t, struct em_path_judgement *j)
{
    struct seen s;

    look(&s, t);
    *j = (struct em_path_judgement) { 0 };
    if (s.tries == 0)
        say(j, EM_PATH_NONE, EM_VERDICT_ERROR, "this machine could not open a connection");
    else if ((s.icmp_only && judge_groups(j, t, &s)) || judge_port(j, &s) || judge_groups(j, t, &s) ||
             judge_strangers(j, t, &s))
        j->undecided = false;
    else if (!judge_handshakes(j, &s) && !judge_loss(j, &s))
        judge_far_end(j, t, &s);
}

void em_path_hits(const struct em_path_table *t, uint32_t payloads, uint32_t *hits, uint32_t *tries)
{
    struct share of;
    struct seen s;

    look(&s, t);
    of = payloads ? sum(s.hit, payloads) : (struct share) { s.failed + s.handshake.k, s.tries };
    *hits = of.k;
    *tries = of.n;
}
