/* SPDX-License-Identifier: GPL-3.0-or-later
 * Prints EDGE-MEDIA-MIB from the catalogue: the MIB and the agent cannot disagree, since both are loops over the same tables.
 *
 *     mibgen [ROOT]      ROOT: another root than the configured one
 */
#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "base/err.h"
#include "base/slice.h"
#include "evidence/ice.h"
#include "model/catalogue.h"
#include "model/events.h"

/* The date of the last change of an object; mibs/EDGE-MEDIA-MIB.txt and this change together. */
#define REVISION "202611231430Z"

enum { NAME_MAX_LENGTH = 64, LINE_MAX_LENGTH = 78, TYPES_MAX = 32, WORDS_MAX = 64, ARCS_MAX = 20, BITS = 32 };
enum { NOTIFICATIONS_GROUP = 200 }; /* the groups of objects have the arcs of their tables */

struct name {
    char text[NAME_MAX_LENGTH + 1];
};

_Noreturn static void die(const char *fmt, ...) EM_PRINTF(1, 2);
static void die(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    fputs("mibgen: ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
    exit(2);
}

static struct name name_of(const char *prefix, const char *rest)
{
    struct name n;

    if (snprintf(n.text, sizeof n.text, "%s%s", prefix, rest) >= (int)sizeof n.text)
        die("the name %s%s is too long", prefix, rest);
    return n;
}

/* "auth-failed", "code class" -> "authFailed", "codeClass"; with_capital: "AuthFailed". */
static struct name camel(const char *words, bool with_capital)
{
    struct name n = { "" };
    size_t at = 0;
    bool capital = with_capital;

    for (; *words; words++) {
        if (strchr("-_ ", *words)) {
            capital = true;
            continue;
        }
        if (at == NAME_MAX_LENGTH)
            die("a name is too long");
        n.text[at++] = (char)(capital ? toupper((unsigned char)*words) : *words);
        capital = false;
    }
    return n;
}

static struct name capitalized(struct name n)
{
    n.text[0] = (char)toupper((unsigned char)n.text[0]);
    return n;
}

/* ---- text ---------------------------------------------------------------------------------------------------------- */

/* One word of a quoted string; at is the column behind what the line has. Returns the new one. */
static int put_word(const char *word, int n, int indent, int at, bool new_line)
{
    if (memchr(word, '"', (size_t)n))
        die("a double quote in: %s", word); /* SMI has no way to write it */
    if (new_line || at + 1 + n > LINE_MAX_LENGTH) {
        printf("\n%*s%.*s", indent, "", n, word);
        return indent + n;
    }
    printf(" %.*s", n, word);
    return at + 1 + n;
}

/* A quoted string of several parts, filled to the line; further lines begin behind the opening quote. A part that begins with a
 * newline begins a line. */
static void quoted(int indent, const char *const *parts, size_t parts_n)
{
    bool first = true;
    int at = indent + 1;

    printf("%*s\"", indent, "");
    for (size_t i = 0; i < parts_n; i++) {
        const char *word = parts[i] ? parts[i] : "";
        bool new_line = *word == '\n';

        for (word += new_line; *word; word += strspn(word, " "), new_line = false) {
            int n = (int)strcspn(word, " ");

            if (first)
                at += printf("%.*s", n, word);
            else
                at = put_word(word, n, indent + 1, at, new_line);
            first = false;
            word += n;
        }
    }
    puts("\"");
}

static void description(int indent, const char *text, const char *more)
{
    printf("%*sDESCRIPTION\n", indent, "");
    quoted(indent + 4, (const char *const[]) { text, more }, 2);
}

/* ---- types --------------------------------------------------------------------------------------------------------- */

/* "Value" keeps the type apart from a column of the same words: emSourceType, EmSourceTypeValue. */
static struct name enum_type(const struct em_names *names)
{
    if (names == &em_truth_names)
        return name_of("", "TruthValue");
    return name_of(name_of("Em", camel(names->title, true).text).text, "Value");
}

static struct name type_of(const struct em_field *f)
{
    static const char *const types[] = {
        [EM_KIND_INDEX] = "Unsigned32", [EM_KIND_TEXT] = "EmText",       [EM_KIND_NUMBER] = "Unsigned32",
        [EM_KIND_GAUGE] = "Gauge32",    [EM_KIND_COUNTER] = "Counter64", [EM_KIND_TIME] = "DateAndTime",
        [EM_KIND_STAMP] = "TimeStamp",  [EM_KIND_ICE] = "EmIceWarnings",
    };

    return f->kind == EM_KIND_ENUM ? enum_type(f->names) : name_of("", types[f->kind]);
}

static void text_convention(void)
{
    puts("EmText ::= TEXTUAL-CONVENTION\n"
         "    DISPLAY-HINT \"255t\"\n"
         "    STATUS       current");
    description(
        4,
        "Text in UTF-8, cut to 255 octets on the edge of a character. What came from a log or a peer and was "
        "no UTF-8 has a question mark in place of each such octet.",
        "Empty if nothing is known.");
    puts("    SYNTAX       OCTET STRING (SIZE (0..255))\n");
}

static void enum_convention(const struct em_names *names)
{
    const char *parts[2 * WORDS_MAX + 1];
    char labels[WORDS_MAX][NAME_MAX_LENGTH + 8], intro[128];
    size_t n = 0;

    if (names->n > WORDS_MAX)
        die("the list \"%s\" is longer than expected", names->title);
    snprintf(intro, sizeof intro, "What the %s is.", names->title);
    parts[n++] = intro;
    for (uint32_t i = 0; i < names->n; i++) {
        snprintf(labels[i], sizeof labels[i], "\n%s:", camel(names->names[i].name, false).text);
        parts[n++] = labels[i];
        parts[n++] = names->names[i].help;
    }
    printf("%s ::= TEXTUAL-CONVENTION\n    STATUS       current\n    DESCRIPTION\n", enum_type(names).text);
    quoted(8, parts, n);
    puts("    SYNTAX       INTEGER {");
    for (uint32_t i = 0; i < names->n; i++)
        printf("        %s(%u)%s\n", camel(names->names[i].name, false).text, (unsigned)(i + 1),
               i + 1 < names->n ? "," : "");
    puts("    }\n");
}

static struct name bit_name(unsigned bit)
{
    const struct em_ice_warning *w = em_ice_find(UINT32_C(1) << bit);
    struct name n = { "" };

    if (w)
        return camel(w->name, false);
    snprintf(n.text, sizeof n.text, "bit%u", bit);
    return n;
}

static void ice_convention(void)
{
    const char *parts[2 * BITS + 1] = {
        "The ICE warnings of a call as a set, always 4 octets. Warning 0x1 is bit 0, 0x2 is bit 1, and "
        "so on to 0x80000000, which is bit 31. What has no known meaning is named after its bit."
    };
    char labels[BITS][NAME_MAX_LENGTH + 8];
    size_t n = 1;

    for (unsigned i = 0; i < BITS; i++) {
        const struct em_ice_warning *w = em_ice_find(UINT32_C(1) << i);

        if (!w)
            continue;
        snprintf(labels[i], sizeof labels[i], "\n%s:", bit_name(i).text);
        parts[n++] = labels[i];
        parts[n++] = w->text;
    }
    puts("EmIceWarnings ::= TEXTUAL-CONVENTION\n    STATUS       current\n    DESCRIPTION");
    quoted(8, parts, n);
    puts("    SYNTAX       BITS {");
    for (unsigned i = 0; i < BITS; i++)
        printf("        %s(%u)%s\n", bit_name(i).text, i, i + 1 < BITS ? "," : "");
    puts("    }\n");
}

/* Our own textual conventions, each once, in the order of their first use. */
static void conventions(void)
{
    const struct em_names *seen[TYPES_MAX] = { &em_truth_names };
    size_t seen_n = 1;

    text_convention();
    for (size_t t = 0; t < EM_T_COUNT; t++) {
        for (size_t i = 0; i < em_catalogue[t].fields_n; i++) {
            const struct em_names *names = em_catalogue[t].fields[i].names;
            bool known = !names;

            for (size_t k = 0; k < seen_n; k++)
                known = known || seen[k] == names;
            if (known)
                continue;
            if (seen_n == TYPES_MAX)
                die("more than %d enumerations", TYPES_MAX);
            seen[seen_n++] = names;
            enum_convention(names);
        }
    }
    ice_convention();
}

/* ---- objects ------------------------------------------------------------------------------------------------------- */

static bool is_object(const struct em_field *f)
{
    return f->subid != 0 && !(f->flags & EM_FIELD_FOREIGN_INDEX);
}

static struct name object_name(const struct em_table *t, const struct em_field *f)
{
    return f->flags & EM_FIELD_FOREIGN_INDEX ? name_of("", f->snmp) : name_of(t->snmp, f->snmp);
}

/* The node of a group of scalars; its objects are named after the table's prefix, which groups share. */
static struct name group_node(const struct em_table *t)
{
    return name_of("em", camel(t->json, true).text);
}

static const char *kind_note(const struct em_field *f)
{
    if (f->kind == EM_KIND_COUNTER)
        return "Discontinuities are told by emDiscontinuityTime.";
    if (f->kind == EM_KIND_TIME)
        return "In UTC; all zeros if that never happened.";
    return NULL;
}

static void object(const struct em_table *t, const struct em_field *f, const char *parent)
{
    bool index = f->kind == EM_KIND_INDEX;

    printf("%s OBJECT-TYPE\n", object_name(t, f).text);
    printf("    SYNTAX      %s%s\n", type_of(f).text, index ? " (1..2147483647)" : "");
    if (f->unit)
        printf("    UNITS       \"%s\"\n", f->unit);
    printf("    MAX-ACCESS  %s\n    STATUS      current\n", index ? "not-accessible" : "read-only");
    description(4, f->help, kind_note(f));
    printf("    ::= { %s %u }\n\n", parent, f->subid);
}

static void objects(const struct em_table *t, const char *parent)
{
    for (size_t i = 0; i < t->fields_n; i++)
        if (is_object(&t->fields[i]))
            object(t, &t->fields[i], parent);
}

static void scalars(const struct em_table *t)
{
    printf("-- %s\n\n", t->help);
    printf("%s OBJECT IDENTIFIER ::= { emObjects %u }\n\n", group_node(t).text, t->arc);
    objects(t, group_node(t).text);
}

static void table(const struct em_table *t)
{
    struct name table_name = name_of(t->snmp, "Table"), entry = name_of(t->snmp, "Entry"),
                row = capitalized(entry);
    bool first = true;

    printf("%s OBJECT-TYPE\n    SYNTAX      SEQUENCE OF %s\n    MAX-ACCESS  not-accessible\n    STATUS      "
           "current\n",
           table_name.text, row.text);
    description(4, t->help, NULL);
    printf("    ::= { emObjects %u }\n\n", t->arc);
    printf("%s OBJECT-TYPE\n    SYNTAX      %s\n    MAX-ACCESS  not-accessible\n    STATUS      current\n",
           entry.text, row.text);
    description(4, "A row of this table:", t->help);
    printf("    INDEX       { ");
    for (size_t i = 0; i < t->index_n; i++)
        printf("%s%s", i ? ", " : "", object_name(t, &t->fields[i]).text);
    printf(" }\n    ::= { %s 1 }\n\n%s ::= SEQUENCE {", table_name.text, row.text);
    for (size_t i = 0; i < t->fields_n; i++) {
        if (!is_object(&t->fields[i]))
            continue;
        printf("%s\n    %-32s %s", first ? "" : ",", object_name(t, &t->fields[i]).text,
               type_of(&t->fields[i]).text);
        first = false;
    }
    puts("\n}\n");
    objects(t, entry.text);
}

/* ---- notifications ------------------------------------------------------------------------------------------------- */

static void notification(const struct em_event_kind *e, bool raise)
{
    char more[WORDS_MAX + 2 * NAME_MAX_LENGTH];
    bool first = true;

    if (raise)
        snprintf(more, sizeof more, "em%s is sent when that is over. What to do:", e->clear);
    else
        snprintf(more, sizeof more, "This clears em%s%s.", e->raise,
                 em_catalogue[e->table].index_n ? " with the same indexes" : "");
    printf("em%s NOTIFICATION-TYPE\n    OBJECTS {", raise ? e->raise : e->clear);
    for (const char *const *json = e->fields; *json; json++) {
        const struct em_field *f = em_field_find(&em_catalogue[e->table], *json);

        if (!f || !is_object(f) || f->kind == EM_KIND_INDEX)
            die("%s of em%s is no object to be read", *json, e->raise);
        printf("%s\n        %s", first ? "" : ",", object_name(&em_catalogue[e->table], f).text);
        first = false;
    }
    puts("\n    }\n    STATUS      current\n    DESCRIPTION");
    quoted(8, (const char *const[]) { raise ? e->raise_help : e->clear_help, more, raise ? e->advice : NULL },
           3);
    printf("    ::= { emNotifications %u }\n\n", e->arc + (raise ? 0U : 1U));
}

static void notifications(void)
{
    for (size_t i = 0; i < EM_EVENT_COUNT; i++) {
        notification(&em_events[i], true);
        notification(&em_events[i], false);
    }
}

/* ---- conformance --------------------------------------------------------------------------------------------------- */

static struct name group_name(const struct em_table *t)
{
    return t->index_n ? name_of(t->snmp, "Group") : name_of(group_node(t).text, "Group");
}

static void object_group(const struct em_table *t)
{
    bool first = true;

    printf("%s OBJECT-GROUP\n    OBJECTS {", group_name(t).text);
    for (size_t i = 0; i < t->fields_n; i++) {
        if (!is_object(&t->fields[i]) || t->fields[i].kind == EM_KIND_INDEX)
            continue;
        printf("%s\n        %s", first ? "" : ",", object_name(t, &t->fields[i]).text);
        first = false;
    }
    puts("\n    }\n    STATUS      current");
    description(4, t->help, NULL);
    printf("    ::= { emGroups %u }\n\n", t->arc);
}

static void notification_group(void)
{
    puts("emNotificationsGroup NOTIFICATION-GROUP\n    NOTIFICATIONS {");
    for (size_t i = 0; i < EM_EVENT_COUNT; i++)
        printf("        em%s,\n        em%s%s\n", em_events[i].raise, em_events[i].clear,
               i + 1 < EM_EVENT_COUNT ? "," : "");
    puts("    }\n    STATUS      current");
    description(4, "What is sent by itself, in pairs that raise and clear an alarm.", NULL);
    printf("    ::= { emGroups %u }\n\n", NOTIFICATIONS_GROUP);
}

static void conformance(void)
{
    puts("emCompliances OBJECT IDENTIFIER ::= { emConformance 1 }\n\n"
         "emGroups OBJECT IDENTIFIER ::= { emConformance 2 }\n\n"
         "emCompliance MODULE-COMPLIANCE\n"
         "    STATUS      current");
    description(4, "What every agent of this module has: all objects, to be read, and all notifications.",
                NULL);
    puts("    MODULE\n    MANDATORY-GROUPS {");
    for (size_t t = 0; t < EM_T_COUNT; t++)
        printf("        %s,\n", group_name(&em_catalogue[t]).text);
    puts("        emNotificationsGroup\n    }\n    ::= { emCompliances 1 }\n");
    for (size_t t = 0; t < EM_T_COUNT; t++)
        object_group(&em_catalogue[t]);
    notification_group();
}

/* ---- the module ---------------------------------------------------------------------------------------------------- */

/* The numbers of the root behind enterprises. Each but the last gets a node of its own: the SMI wants none to be implicit. */
struct arcs {
    unsigned long arc[ARCS_MAX];
    size_t n;
};

static struct arcs arcs_of(const char *root)
{
    struct slice rest = slice_of(root);
    struct arcs a = { .n = 0 };

    if (!slice_skip(&rest, SLICE("1.3.6.1.4.1")))
        die("the root %s is not below enterprises, 1.3.6.1.4.1", root);
    while (rest.n > 0) {
        uint32_t arc = 0;

        if (a.n == ARCS_MAX || !slice_skip(&rest, SLICE(".")) || !slice_u32(&rest, UINT32_MAX, &arc))
            die("%s is no usable root", root);
        a.arc[a.n++] = arc;
    }
    if (a.n == 0)
        die("the root %s is enterprises itself", root);
    return a;
}

static void arc(const struct arcs *a, size_t i)
{
    if (i == 0)
        printf("{ enterprises %lu }\n\n", a->arc[i]);
    else
        printf("{ emArc%zu %lu }\n\n", i, a->arc[i]);
}

static void nodes_above(const struct arcs *a)
{
    if (a->n > 1)
        puts("-- What lies between enterprises and this module.");
    for (size_t i = 0; i + 1 < a->n; i++) {
        printf("emArc%zu OBJECT IDENTIFIER ::= ", i + 1);
        arc(a, i);
    }
}

static void head(const char *root)
{
    struct arcs a = arcs_of(root);

    puts("EDGE-MEDIA-MIB DEFINITIONS ::= BEGIN\n\n"
         "-- Made by mibs/mibgen from the catalogue of the program; a change here is lost.\n\n"
         "IMPORTS\n"
         "    MODULE-IDENTITY, OBJECT-TYPE, NOTIFICATION-TYPE, Counter64, Gauge32, Unsigned32,\n"
         "    enterprises\n"
         "        FROM SNMPv2-SMI\n"
         "    TEXTUAL-CONVENTION, DateAndTime, TimeStamp, TruthValue\n"
         "        FROM SNMPv2-TC\n"
         "    MODULE-COMPLIANCE, OBJECT-GROUP, NOTIFICATION-GROUP\n"
         "        FROM SNMPv2-CONF;\n\n"
         "edgeMediaMIB MODULE-IDENTITY\n"
         "    LAST-UPDATED \"" REVISION "\"\n"
         "    ORGANIZATION \"Edge Media Monitor\"\n"
         "    CONTACT-INFO \"See the README of Edge Media Monitor.\"");
    description(4,
                "Media ports of a real-time-communications edge, tested from outside, and the failures of "
                "calls that used "
                "them, counted from SIP traces. All objects are read-only, and all values of one answer are "
                "of one moment.",
                NULL);
    puts("    REVISION     \"" REVISION "\"");
    description(4, "First version.", NULL);
    printf("    ::= ");
    arc(&a, a.n - 1);
    nodes_above(&a);
    puts("emNotifications OBJECT IDENTIFIER ::= { edgeMediaMIB 0 }\n\n"
         "emObjects OBJECT IDENTIFIER ::= { edgeMediaMIB 1 }\n\n"
         "emConformance OBJECT IDENTIFIER ::= { edgeMediaMIB 2 }\n");
}

int main(int argc, char **argv)
{
    head(argc > 1 ? argv[1] : EM_MIB_ROOT);
    conventions();
    for (size_t t = 0; t < EM_T_COUNT; t++)
        if (em_catalogue[t].index_n == 0)
            scalars(&em_catalogue[t]);
        else
            table(&em_catalogue[t]);
    notifications();
    conformance();
    puts("END");
    return ferror(stdout) || fclose(stdout) != 0 ? 2 : 0;
}
