/* SPDX-License-Identifier: GPL-3.0-or-later
 * XML from strangers, through expat: elements as they begin and end, the text of the innermost one, and bounds on everything. Elements are told by
 * their local names: versions of a schema differ in their namespaces.
 */
#ifndef EM_EVIDENCE_XML_H
#define EM_EVIDENCE_XML_H

#include "base/slice.h"

enum {
    XML_DOCUMENT_MAX = 256 * 1024, /* bytes; the rest is not read */
    XML_DEPTH_MAX = 64,            /* elements within elements */
    XML_TEXT_MAX = 16 * 1024,      /* of an element; the rest is left out */
};

struct xml_reader {
    /* attributes: names and values in turn, then NULL; good for the call, as everything here. */
    void (*begin)(void *arg, struct slice name, const char **attributes);
    void (*end)(void *arg, struct slice name, struct slice text); /* text: trimmed */
    void *arg;
    size_t text_max; /* of an element, XML_TEXT_MAX at most */
};

/* How reading ended. What was told until then was there. */
enum xml_ending {
    XML_WHOLE,
    XML_CUT,    /* it ends early */
    XML_BROKEN, /* no XML, or not any more */
    XML_REFUSED, /* a document type, which nobody who reports a call needs, and which could declare entities; or too deep */
    XML_LONG,      /* beyond XML_DOCUMENT_MAX */
    XML_NO_READER, /* no memory, or expat is not there */
};
enum xml_ending xml_read(struct slice document, const struct xml_reader *reader);

/* "it is cut off", "it is no XML" ... */
const char *xml_ending_text(enum xml_ending ending);

/* The value of an attribute, trimmed; empty when it is not there. */
struct slice xml_attribute(const char **attributes, struct slice name);

#endif
