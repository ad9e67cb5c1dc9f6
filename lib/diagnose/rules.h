/* SPDX-License-Identifier: GPL-3.0-or-later
 * Inside diagnose/: what conditions see, and what they say.
 *
 * A condition is called once for each edge, and once for what belongs to no edge (name "", no checks). It adds a claim for each thing that it
 * believes to be wrong; its rule (rules.c) has everything else.
 */
#ifndef EM_DIAGNOSE_RULES_H
#define EM_DIAGNOSE_RULES_H

#include <stdbool.h>

#include "base/err.h"
#include "diagnose/diagnose.h"
#include "model/snapshot.h"

/* Thresholds of the conditions that nobody sets; the others are in struct em_diagnosis_limits. */
enum {
    EM_CALLS_MORE = 2, /* so many more than a few, without a counter-example, make a claim about "all" */
    EM_MOST_PERCENT = 80,
    EM_DOWN_LONG_S = 600,
    EM_MEDIA_PORT_FIRST = 50000, /* of an A/V Edge; [MS-TURN] servers hand out relay ports of it */
    EM_MEDIA_PORT_LAST = 59999,
};

/* Failed calls of the window that belong to one edge: one of their relays is an address of its checks. */
struct em_view_calls {
    const struct em_failure_row *call[EM_RECENT_MAX]; /* newest first; one row for each call */
    size_t n;
};

struct em_view_edge {
    const char *name;
    const struct em_check_row *check;
    size_t n;
    const struct em_range_row *range;
    size_t ranges_n;
    unsigned up, down; /* of the checks that were tested; down leaves out what failed on this machine */
    uint32_t signs;    /* EM_SIGN() of what its checks show */
    const struct em_view_calls *calls; /* never NULL */
};

struct em_view {
    const struct em_snapshot *s;
    const struct em_diagnosis_limits *limits;
    int64_t now_us;
    struct em_view_edge *edge; /* the last one is "" */
    size_t n;
    struct em_view_calls *calls; /* as many as there are groups with calls, behind an empty one */
    size_t calls_n;
};

int em_view_init(struct em_view *v, const struct em_snapshot *s, const struct em_diagnosis_limits *limits,
                 struct em_why *why) EM_MUST_CHECK;
void em_view_fini(struct em_view *v);

struct em_claim {
    enum em_finding_kind kind;
    char edge[EM_NAME_MAX], path[EM_TEXT_MAX];
    char what[EM_REASON_MAX]; /* stands for {what} in the rule's words */
    unsigned calls;           /* failed calls that support it */
    bool probes;              /* so do checks; each new probe of them counts */
    bool at_once;             /* certain without waiting for a second observation */
    struct em_evidence_row evidence[EM_EVIDENCE_MAX];
    size_t evidence_n;
};

struct em_claims {
    struct em_claim *claim;
    size_t n, room, left_out;
    bool no_memory;
};

/* The claim to be filled in, or NULL: a claim of a kind that the rule gives way to is there for this edge, or there is no room. */
struct em_rule;
struct em_claim *em_claim_add(struct em_claims *c, const struct em_rule *rule, const struct em_view_edge *e,
                              const char *path);
void em_claim_check(struct em_claim *c, const struct em_check_row *row); /* evidence: what this check saw */
void em_claim_range(struct em_claim *c,
                    const struct em_range_row *row); /* evidence: what its last sweep saw */
void em_claim_calls(
    struct em_claim *c, const struct em_view_calls *calls,
    bool (*fits)(const struct em_failure_row *row)); /* evidence: these calls; NULL fits all */
void em_claim_evidence(struct em_claim *c, int64_t time_us, const char *source, const char *value);
bool em_claims_have(const struct em_claims *c, const char *edge, enum em_finding_kind kind);

/* What makes a condition worth asking: most edges are well, and cost no more than a look at their signs. */
#define EM_SIGN(verdict) (UINT32_C(1) << (EM_VERDICT_##verdict))
enum { EM_SIGN_RELAYED = 1 << 29, EM_SIGN_CERTIFICATE = 1 << 30 };
_Static_assert(EM_VERDICT_COUNT < 29, "signs have a bit for each verdict");
#define EM_SIGNS_BLOCKED (EM_SIGN(FILTERED) | EM_SIGN(PROHIBITED) | EM_SIGN(UNREACHABLE))
#define EM_SIGNS_INTERFERED                                                                                  \
    (EM_SIGN(BLACKHOLED) | EM_SIGN(SILENT) | EM_SIGN(RESET) | EM_SIGN(INTERCEPTED) | EM_SIGN(MANGLED))
#define EM_SIGNS_DOWN                                                                                        \
    (EM_SIGNS_BLOCKED | EM_SIGNS_INTERFERED | EM_SIGN(REFUSED) | EM_SIGN(AUTH_FAILED) |                      \
     EM_SIGN(DNS_FAILED) | EM_SIGN(TLS_FAILED) | EM_SIGN(PROTOCOL_ERROR))

/* Words may hold {edge}, {path} and {what}. */
struct em_rule {
    enum em_finding_kind kind;
    enum em_severity severity;
    void (*look)(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                 struct em_claims *c);
    uint32_t signs; /* asked only where a check shows one of them; */
    bool calls; /* or where calls failed; neither signs nor calls: asked once, for what belongs to no edge */
    uint32_t
        unless; /* EM_UNLESS(kind) | ...: claims of these kinds on the same edge leave no room for this one */
    const char *text, *advice, *refute;
};
#define EM_UNLESS(kind) (UINT32_C(1) << (EM_FINDING_##kind))

/* In the order in which they are asked. */
extern const struct em_rule em_rules[];
extern const size_t em_rules_n;

/* rule_checks.c: what the checks alone show */
typedef void em_look(const struct em_view *v, const struct em_view_edge *e, const struct em_rule *rule,
                     struct em_claims *c);
em_look em_look_name, em_look_certificate, em_look_credentials, em_look_udp, em_look_unreachable, em_look_tls,
    em_look_rewritten, em_look_address, em_look_relay, em_look_range, em_look_nat;
/* rule_calls.c: what needs the calls */
em_look em_look_inspection, em_look_exhausted, em_look_partner, em_look_media, em_look_calls_only,
    em_look_probes_only;
/* rule_sources.c */
em_look em_look_silent, em_look_skew;

/* Verdicts by what they say about a path. */
bool em_path_blocked(uint32_t verdict);    /* nothing comes through: filtered, prohibited, unreachable */
bool em_path_interfered(uint32_t verdict); /* blackholed, silent, reset, intercepted, mangled */

/* Tested ports of a range by the same. */
uint64_t em_ports_blocked(const struct em_range_row *row);
uint64_t em_ports_interfered(const struct em_range_row *row);

/* Where a differential test saw packets vanish: " behind hop 2 (198.51.100.1)", "" when it did not. */
enum { EM_HOP_TEXT_MAX = EM_ADDRESS_MAX + 32 };
const char *em_hop_text(const struct em_check_row *row, char to[EM_HOP_TEXT_MAX]);

bool em_scheme_is(const struct em_check_row *row, const char *const *schemes); /* NULL ends the list */

#endif
