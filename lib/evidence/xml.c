/* SPDX-License-Identifier: GPL-3.0-or-later
 * The bounded way into expat. See xml.h. */
#include "evidence/xml.h"

#include <expat.h>
#include <stdlib.h>

#include "base/late.h"

/* clang-format off */
#define SYMBOLS(S) \
    S(XML_ParserCreate) S(XML_ParserFree) S(XML_SetUserData) S(XML_SetElementHandler) \
    S(XML_SetCharacterDataHandler) S(XML_SetStartDoctypeDeclHandler) S(XML_Parse) S(XML_StopParser) S(XML_GetErrorCode)
/* clang-format on */
LATE_SET(lib, LATE_EXPAT, SYMBOLS);

struct reading {
    const struct xml_reader *how;
    XML_Parser parser;
    unsigned depth;
    bool refused;
    size_t text_n;
    char text[XML_TEXT_MAX];
};

static struct slice local_name(const char *name)
{
    const char *colon = strrchr(name, ':');

    return slice_of(colon ? colon + 1 : name);
}

struct slice xml_attribute(const char **attributes, struct slice name)
{
    for (; attributes[0]; attributes += 2)
        if (slice_eq_nocase(local_name(attributes[0]), name))
            return slice_trim(slice_of(attributes[1]));
    return SLICE("");
}

static void refuse(struct reading *r)
{
    r->refused = true;
    (void)lib.XML_StopParser(r->parser, XML_FALSE);
}

static void XMLCALL on_begin(void *arg, const char *name, const char **attributes)
{
    struct reading *r = arg;

    r->text_n = 0;
    if (++r->depth > XML_DEPTH_MAX)
        refuse(r);
    else
        r->how->begin(r->how->arg, local_name(name), attributes);
}

static void XMLCALL on_end(void *arg, const char *name)
{
    struct reading *r = arg;

    if (r->refused)
        return;
    r->how->end(r->how->arg, local_name(name), slice_trim((struct slice) { r->text, r->text_n }));
    r->text_n = 0;
    r->depth--;
}

static void XMLCALL on_text(void *arg, const char *text, int n)
{
    struct reading *r = arg;
    size_t room = r->how->text_max - r->text_n, take = (size_t)n < room ? (size_t)n : room;

    memcpy(r->text + r->text_n, text, take);
    r->text_n += take;
}

static void XMLCALL on_doctype(void *arg, const char *name, const char *system, const char *public,
                               int internal)
{
    (void)name;
    (void)system;
    (void)public;
    (void)internal;
    refuse(arg);
}

/* Which errors there are at the end of what is whole up to there. */
static bool is_cut(enum XML_Error e)
{
    return e == XML_ERROR_NO_ELEMENTS || e == XML_ERROR_UNCLOSED_TOKEN || e == XML_ERROR_PARTIAL_CHAR ||
           e == XML_ERROR_UNCLOSED_CDATA_SECTION;
}

static enum xml_ending parse(struct reading *r, struct slice document)
{
    struct slice some = slice_upto(document, XML_DOCUMENT_MAX);
    enum XML_Error e;

    if (lib.XML_Parse(r->parser, some.p, (int)some.n, XML_FALSE) != XML_STATUS_OK) {
        e = lib.XML_GetErrorCode(r->parser);
        return r->refused ? XML_REFUSED : e == XML_ERROR_NO_MEMORY ? XML_NO_READER : XML_BROKEN;
    }
    if (some.n < document.n)
        return XML_LONG;
    if (lib.XML_Parse(r->parser, "", 0, XML_TRUE) == XML_STATUS_OK)
        return XML_WHOLE;
    return is_cut(lib.XML_GetErrorCode(r->parser)) ? XML_CUT : XML_BROKEN;
}

enum xml_ending xml_read(struct slice document, const struct xml_reader *reader)
{
    struct reading *r = late_load(&lib.late, NULL) == 0 ? malloc(sizeof *r) : NULL;
    enum xml_ending ending = XML_NO_READER;

    if (!r)
        return ending;
    r->how = reader;
    r->depth = 0;
    r->refused = false;
    r->text_n = 0;
    if ((r->parser = lib.XML_ParserCreate("UTF-8"))) {
        lib.XML_SetUserData(r->parser, r);
        lib.XML_SetElementHandler(r->parser, on_begin, on_end);
        lib.XML_SetCharacterDataHandler(r->parser, on_text);
        lib.XML_SetStartDoctypeDeclHandler(r->parser, on_doctype);
        ending = parse(r, document);
        lib.XML_ParserFree(r->parser);
    }
    free(r);
    return ending;
}

const char *xml_ending_text(enum xml_ending ending)
{
    static const char *const texts[] = {
        [XML_WHOLE] = "it is whole",   [XML_CUT] = "it is cut off",
        [XML_BROKEN] = "it is no XML", [XML_REFUSED] = "it has a document type, or is too deep",
        [XML_LONG] = "it is too long", [XML_NO_READER] = "there is no memory to read it",
    };

    return texts[ending];
}
