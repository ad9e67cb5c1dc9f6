/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a report adds to the counters, and the table of diagnostic codes. */
#include "evidence/count.h"

#include <assert.h>

#include "evidence/ice.h"

/* Ascending. Meanings of 26 to 34 follow the pattern of the published ones; their exact wording is not confirmed. */
const struct em_code_range em_code_ranges[] = {
    { 21, 21, EM_CODE_MEDIA_FAILURE, "Media connectivity failed; where one endpoint is could not be told." },
    { 22, 22, EM_CODE_MEDIA_FAILURE, "Media connectivity failed while both endpoints were inside." },
    { 23, 23, EM_CODE_MEDIA_FAILURE,
      "Media connectivity failed while one endpoint was inside and the other remote." },
    { 24, 24, EM_CODE_MEDIA_FAILURE, "Media connectivity failed while both endpoints were remote." },
    { 25, 25, EM_CODE_MEDIA_FAILURE,
      "Media connectivity of a federated call failed while both endpoints were inside." },
    { 26, 26, EM_CODE_MEDIA_FAILURE,
      "Media connectivity of a federated call failed while one endpoint was inside and the other remote." },
    { 27, 27, EM_CODE_MEDIA_FAILURE,
      "Media connectivity of a federated call failed while both endpoints were remote." },
    { 28, 30, EM_CODE_MEDIA_FAILURE, "Media connectivity of a federated call failed." },
    { 31, 31, EM_CODE_MEDIA_FAILURE, "Media failed during the call while both endpoints were inside." },
    { 32, 32, EM_CODE_MEDIA_FAILURE,
      "Media failed during the call while one endpoint was inside and the other remote." },
    { 33, 33, EM_CODE_MEDIA_FAILURE, "Media failed during the call while both endpoints were remote." },
    { 34, 39, EM_CODE_MEDIA_FAILURE, "Media of a federated call failed during the call." },
    { 1009, 1009, EM_CODE_OTHER_FAILURE, "A server could not resolve a name." },
    { 1010, 1010, EM_CODE_OTHER_FAILURE, "A server could not set up TLS." },
    { 1034, 1034, EM_CODE_OTHER_FAILURE, "A remote server answered with an error without saying why." },
    { 7008, 7008, EM_CODE_OTHER_FAILURE, "The session description could not be parsed." },
    { 10003, 10003, EM_CODE_OTHER_FAILURE, "The mediation server or the gateway behind it failed." },
    { 51004, 51004, EM_CODE_INFORMATION, "The user ended the call." },
    { 51007, 51007, EM_CODE_INFORMATION, "The callee reported how its media connectivity came about." },
    { 52017, 52017, EM_CODE_OTHER_FAILURE, "The two sides do not agree on encryption." },
    { 52063, 52063, EM_CODE_OTHER_FAILURE, "The session description is not supported." },
};
const size_t em_code_ranges_n = sizeof em_code_ranges / sizeof *em_code_ranges;

/* [MS-OCER] groups the codes by the component that gives them. */
const struct em_code_range em_code_components[] = {
    { 0, 999, EM_CODE_OTHER_FAILURE, "A common error; the reason text tells." },
    { 1000, 1999, EM_CODE_OTHER_FAILURE, "An error of a server's SIP stack; the reason text tells." },
    { 2000, 2999, EM_CODE_OTHER_FAILURE, "An error of presence; the reason text tells." },
    { 3000, 3999, EM_CODE_OTHER_FAILURE, "An error of a conference's focus; the reason text tells." },
    { 7000, 7999, EM_CODE_OTHER_FAILURE,
      "An error of the audio/video conferencing server; the reason text tells." },
    { 9000, 9999, EM_CODE_OTHER_FAILURE,
      "An error of the media relay authentication service; the reason text tells." },
    { 10000, 10999, EM_CODE_OTHER_FAILURE, "An error of the mediation server; the reason text tells." },
    { 51000, 52999, EM_CODE_OTHER_FAILURE, "An error of a client; the reason text tells." },
};
const size_t em_code_components_n = sizeof em_code_components / sizeof *em_code_components;

const uint32_t em_codes_known[] = { 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34, 51004, 51007 };
const size_t em_codes_known_n = sizeof em_codes_known / sizeof *em_codes_known;

static const struct em_code_range *range_of(uint32_t code, const struct em_code_range *of, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (code >= of[i].first && code <= of[i].last)
            return &of[i];
    return NULL;
}

enum em_code_class em_code_class(uint32_t code)
{
    const struct em_code_range *r = range_of(code, em_code_ranges, em_code_ranges_n);

    return r ? r->class : EM_CODE_OTHER_FAILURE;
}

const char *em_code_meaning(uint32_t code)
{
    const struct em_code_range *r = range_of(code, em_code_ranges, em_code_ranges_n);

    if (!r)
        r = range_of(code, em_code_components, em_code_components_n);
    return r ? r->meaning : "A code without a known meaning; the reason text tells.";
}

/* Media named by the report; a header that names none counts for none. */
static uint32_t media_set(const struct em_report *r)
{
    uint32_t set = 0;

    for (uint32_t i = 0; i < r->media_n; i++)
        if (r->media[i].media != EM_MEDIA_UNKNOWN)
            set |= UINT32_C(1) << (r->media[i].media - 1);
    return set;
}

struct em_count_delta em_count_join(struct em_call_state *call, const struct em_call_state *more)
{
    bool was_both = call->code_23 && call->ice & EM_ICE_TCP_NAT;
    struct em_count_delta d = {
        .call = !call->known,
        .ice = more->ice & ~call->ice,
        .media = more->media & ~call->media,
        .media_failure = more->media_failed && !call->media_failed,
        .code_23 = more->code_23 && !call->code_23,
    };

    d.tcp_nat_check = (d.ice & EM_ICE_TCP_NAT) != 0;
    call->known = true;
    call->ice |= more->ice;
    call->media |= more->media;
    call->media_failed |= more->media_failed;
    call->code_23 |= more->code_23;
    d.code_23_tcp_nat = !was_both && call->code_23 && call->ice & EM_ICE_TCP_NAT;
    return d;
}

struct em_count_delta em_count_report(const struct em_report *r, struct em_call_state *call, bool new_code,
                                      bool duplicate)
{
    bool known, failed = !r->no_code && em_code_class(r->code) == EM_CODE_MEDIA_FAILURE;
    struct em_call_state here = { .ice = em_report_ice(r, &known),
                                  .media = failed ? media_set(r) : 0,
                                  .media_failed = failed,
                                  .code_23 = r->code == 23 };
    struct em_count_delta d = { 0 };

    if (r->call_id.n > 0) { /* what belongs to no call repeats no call's report */
        assert(call);
        d = em_count_join(call, &here);
        d.code = new_code && !r->no_code;
        d.duplicate = duplicate && !r->again;
    }
    d.report = !r->again;
    d.unkeyed = r->call_id.n == 0 && !r->again;
    return d;
}

void em_count_add(struct em_totals *t, const struct em_count_delta *d)
{
    t->reports += d->report;
    t->duplicates += d->duplicate;
    t->unkeyed += d->unkeyed;
    t->calls += d->call;
    t->media_failures += d->media_failure;
    t->code_23 += d->code_23;
    t->tcp_nat_check += d->tcp_nat_check;
    t->code_23_tcp_nat += d->code_23_tcp_nat;
}
