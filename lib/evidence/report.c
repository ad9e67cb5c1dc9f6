/* SPDX-License-Identifier: GPL-3.0-or-later
 * What can be said of one report: its ICE value, its identity, its row. */
#include "evidence/report.h"

#include <string.h>

#include "base/buf.h"
#include "base/hash.h"
#include "evidence/count.h"

uint32_t em_report_ice(const struct em_report *r, bool *known)
{
    uint32_t ice = 0;

    *known = false;
    for (uint32_t i = 0; i < r->media_n; i++) {
        *known |= r->media[i].ice_known;
        ice |= r->media[i].ice_known ? r->media[i].ice : 0;
    }
    return ice;
}

uint64_t em_report_key(const struct em_report *r)
{
    struct {
        uint64_t call;
        uint32_t code, media_n;
        struct {
            uint32_t side, media, known, ice;
        } media[EM_REPORT_MEDIA_MAX];
    } k;

    memset(&k, 0, sizeof k);
    k.call = em_hash(&em_hash_key_fixed, r->call_id.p, r->call_id.n);
    k.code = r->no_code ? UINT32_MAX : r->code;
    k.media_n = r->media_n;
    for (uint32_t i = 0; i < r->media_n; i++) {
        k.media[i].side = r->media[i].side;
        k.media[i].media = r->media[i].media;
        k.media[i].known = r->media[i].ice_known;
        k.media[i].ice = r->media[i].ice_known ? r->media[i].ice : 0;
    }
    return em_hash(&em_hash_key_fixed, &k, sizeof k);
}

/* The blob that tells most: the first with a value, else the first. */
static const struct em_report_media *main_media(const struct em_report *r)
{
    for (uint32_t i = 0; i < r->media_n; i++)
        if (r->media[i].ice_known)
            return &r->media[i];
    return r->media_n ? &r->media[0] : NULL;
}

void em_report_row(const struct em_report *r, struct em_failure_row *row)
{
    const struct em_report_media *m = main_media(r);
    bool known;

    memset(row, 0, sizeof *row);
    row->time = r->time_us;
    slice_copy(r->call_id, row->call_id, sizeof row->call_id);
    slice_copy(r->cseq, row->cseq, sizeof row->cseq);
    row->code = r->code;
    row->code_class = em_code_class(r->code);
    slice_copy(r->reason, row->reason, sizeof row->reason);
    row->side = m ? m->side : EM_SIDE_UNKNOWN;
    row->media = m ? m->media : EM_MEDIA_UNKNOWN;
    row->ice_warnings = em_report_ice(r, &known);
    row->ice_known = known ? 1 : 2;
    if (m) {
        slice_copy(m->local_relay, row->local_relay, sizeof row->local_relay);
        slice_copy(m->remote_relay, row->remote_relay, sizeof row->remote_relay);
    }
    slice_copy(r->from, row->from, sizeof row->from);
    slice_copy(r->to, row->to, sizeof row->to);
    row->format = r->format;
    row->offset = r->offset;
}
