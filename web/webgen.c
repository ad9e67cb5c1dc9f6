/* SPDX-License-Identifier: GPL-3.0-or-later
 * Prints the files of the web page as C arrays, plain and gzip, each with its ETag: webgen FILE... >files.c */
#include "config.h"

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#ifdef WITH_ZLIB
#include <zlib.h>
#endif

#include "base/hash.h"

enum { FILE_MAX = 512 * 1024, A_LINE = 24 };

static const struct {
    const char *ending, *type;
} types[] = { { ".html", "text/html; charset=utf-8" },
              { ".js", "text/javascript; charset=utf-8" },
              { ".css", "text/css; charset=utf-8" } };
enum { TYPES = sizeof types / sizeof *types };

static unsigned char plain[FILE_MAX], packed[FILE_MAX];

static const char *base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

static const char *type_of(const char *name)
{
    const char *dot = strrchr(name, '.');

    for (size_t i = 0; dot && i < TYPES; i++)
        if (strcmp(dot, types[i].ending) == 0)
            return types[i].type;
    return NULL;
}

static bool read_whole(const char *path, size_t *n)
{
    FILE *f = fopen(path, "rb");
    bool whole;

    if (!f)
        return false;
    *n = fread(plain, 1, sizeof plain, f);
    whole = !ferror(f) && *n > 0 && *n < sizeof plain;
    fclose(f);
    return whole;
}

/* 0: there is no smaller form. zlib writes no time into the header, so that the same file gives the same bytes. */
static size_t pack(size_t n)
{
#ifdef WITH_ZLIB
    enum { GZIP = 15 + 16, MEMORY = 9 };
    z_stream z = { .next_in = plain, .avail_in = (uInt)n, .next_out = packed, .avail_out = sizeof packed };
    size_t size = 0;

    if (deflateInit2(&z, Z_BEST_COMPRESSION, Z_DEFLATED, GZIP, MEMORY, Z_DEFAULT_STRATEGY) != Z_OK)
        return 0;
    if (deflate(&z, Z_FINISH) == Z_STREAM_END && z.total_out < n)
        size = z.total_out;
    deflateEnd(&z);
    return size;
#else
    (void)n;
    return 0;
#endif
}

static void array(const char *prefix, int number, const unsigned char *bytes, size_t n)
{
    printf("static const unsigned char %s_%d[] = {", prefix, number);
    for (size_t i = 0; i < n; i++)
        printf("%s%u,", i % A_LINE == 0 ? "\n" : "", bytes[i]);
    printf("%s};\n", n == 0 ? "0" : "\n");
}

struct entry {
    const char *name;
    size_t plain_n, gzip_n;
    uint64_t hash;
};

int main(int argc, char **argv)
{
    enum { FILES = 16 };
    struct entry all[FILES];

    if (argc < 2 || argc > FILES)
        return 2;
    printf("/* Made by web/webgen. */\n#include \"agent/web_files.h\"\n\n");
    for (int i = 1; i < argc; i++) {
        struct entry *e = &all[i - 1];

        *e = (struct entry) { .name = base_name(argv[i]) };
        if (!read_whole(argv[i], &e->plain_n) || !type_of(e->name)) {
            fprintf(stderr, "webgen: cannot use %s: not readable, empty, too large or of no known type\n",
                    argv[i]);
            return 1;
        }
        e->gzip_n = pack(e->plain_n);
        e->hash = em_hash(&em_hash_key_fixed, plain, e->plain_n);
        array("plain", i, plain, e->plain_n);
        array("gzip", i, packed, e->gzip_n);
    }
    printf("\nconst struct em_web_file em_web_files[] = {\n");
    for (int i = 1; i < argc; i++) {
        const struct entry *e = &all[i - 1];

        printf("    { \"/%s\", \"%s\", \"\\\"%016" PRIx64 "\\\"\", plain_%d, %zu, gzip_%d, %zu },\n",
               strcmp(e->name, "index.html") == 0 ? "" : e->name, type_of(e->name), e->hash, i, e->plain_n, i,
               e->gzip_n);
    }
    printf("};\nconst size_t em_web_files_n = sizeof em_web_files / sizeof *em_web_files;\n");
    return 0;
}
