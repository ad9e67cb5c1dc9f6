/* SPDX-License-Identifier: GPL-3.0-or-later
 * JSON answers from strangers: the first byte chooses what is looked for and how the rest is cut; records lie within the maxima, and texts can
 * be read to their ends. (What is no JSON may be so in one way of cutting only: json-c takes "6" and "-" apart, but not together.) */
#include <stdlib.h>

#include "evidence/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct {
    const char *records;
    struct em_answer_shape shape;
} kinds[] = {
    { "/data/result/*/values/*", { "/1", "/0" } },
    { "/hits/hits/*", { NULL, "/sort/0" } },
    { "/data/messages/*", { "/raw", "/create_date" } },
    { "/*", { NULL, "/*" } },
    { "", { "", "" } },
};

static volatile char sink;

static struct em_answer *read_in(const uint8_t *data, size_t size, size_t piece, int *err)
{
    struct em_answer *a = em_answer_new();

    *err = a ? 0 : EM_ERR_MEMORY;
    for (size_t i = 0; i < size && *err == 0; i += piece)
        *err = em_answer_push(a, data + i, size - i < piece ? size - i : piece, NULL);
    if (*err == 0)
        *err = em_answer_finish(a, NULL);
    return a;
}

static void touch(struct em_answer *a, size_t kind)
{
    bool whole;
    size_t n = em_answer_find(a, kinds[kind].records, &whole);

    if (n > EM_ANSWER_RECORDS_MAX || (n > 0 && !whole))
        abort();
    for (size_t i = 0; i < n; i++) {
        struct buf b = buf_heap(4096);
        struct em_answer_record r;

        em_answer_record(a, i, &kinds[kind].shape, &r);
        for (size_t k = 0; k < r.text.n; k++)
            sink = r.text.p[k];
        if (r.time_ns < 0)
            abort();
        (void)(em_answer_record_value(a, i, "/sort", &b) || em_answer_value(a, "/next", &b));
        buf_fini(&b);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int whole, cut;
    struct em_answer *a, *b;

    if (size < 1)
        return 0;
    a = read_in(data + 1, size - 1, size, &whole);
    b = read_in(data + 1, size - 1, 1 + data[0] / 8, &cut);
    if (whole == 0)
        touch(a, data[0] % (sizeof kinds / sizeof kinds[0]));
    if (cut == 0)
        touch(b, data[0] % (sizeof kinds / sizeof kinds[0]));
    em_answer_free(a);
    em_answer_free(b);
    return 0;
}
