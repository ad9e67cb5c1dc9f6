/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a configured HTTP source must have, and what it cannot. */
#include "source/http_poll.h"

static const struct {
    const char *name;
    enum em_http_preset preset;
} names[] = {
    { "homer7", EM_HTTP_HOMER7 },
    { "loki", EM_HTTP_LOKI },
    { "elasticsearch", EM_HTTP_ELASTICSEARCH },
    { "opensearch", EM_HTTP_ELASTICSEARCH },
    { "generic", EM_HTTP_GENERIC },
};

static int complain(const char **option, const char *name, struct em_why *why, const char *text)
{
    *option = name;
    return em_fail(why, EM_ERR_INPUT, "%s: %s", name, text);
}

static int check_preset(struct em_source_conf *conf, const char **option, struct em_why *why)
{
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (strcmp(conf->preset, names[i].name) == 0)
            conf->http.preset = names[i].preset;
    return conf->http.preset
               ? 0
               : complain(option, "preset", why, "write homer7, loki, elasticsearch, opensearch or generic");
}

/* A template is looked at as it will be asked for. */
static int check_url(const struct em_source_conf *conf, const char **option, struct em_why *why)
{
    const struct http_page page = { .limit = 1, .after = "" };
    struct em_http_url read;
    struct em_why what = { "" };
    struct buf url = buf_heap(EM_HTTP_URL_MAX), body = buf_heap(HTTP_BODY_MAX);
    bool good;

    if (conf->http.preset == EM_HTTP_GENERIC && !http_template_ok(conf->http.url, &what))
        return complain(option, "url", why, what.text);
    http_preset_of(conf)->ask(conf, &page, &url, &body);
    good = !url.full && !body.full && em_http_url_read(buf_str(&url), &read);
    buf_fini(&url);
    buf_fini(&body);
    if (good && (conf->http.preset == EM_HTTP_GENERIC || !strpbrk(conf->http.url, "?#")))
        return 0;
    return complain(option, "url", why,
                    "write http:// or https:// and a host, and no user, as in https://loki.example.com:3100");
}

static int check_pointers(const struct em_source_conf *conf, const char **option, struct em_why *why)
{
    static const char form[] = "write a JSON Pointer such as /items/*/message";
    const struct em_source_http *h = &conf->http;
    bool generic = h->preset == EM_HTTP_GENERIC;

    if (!generic && (h->text[0] || h->cursor[0]))
        return complain(option, h->text[0] ? "text" : "cursor", why, "is for preset generic");
    if (!generic)
        return 0;
    if (!h->text[0] || !em_answer_pointer_ok(h->text))
        return complain(option, "text", why, form);
    if (!em_answer_pointer_ok(h->time_field))
        return complain(option, "time_field", why, form);
    if (!em_answer_pointer_ok(h->cursor))
        return complain(option, "cursor", why, form);
    if (http_template_has_time(h->url) && !h->time_field[0])
        return complain(option, "time_field", why, "is missing: without it {start} never moves");
    if (strstr(h->url, "{cursor}") ? !h->cursor[0] : h->cursor[0] != 0)
        return complain(option, "cursor", why, "{cursor} in url and this pointer go together");
    return 0;
}

/* Loki has no question that means everything; the others do. */
static int check_words(const struct em_source_conf *conf, const char **option, struct em_why *why)
{
    enum em_http_preset p = conf->http.preset;

    if (p == EM_HTTP_LOKI && !conf->query[0])
        return complain(option, "query", why, "is missing; write a log query such as {job=\"sip\"}");
    if (p == EM_HTTP_ELASTICSEARCH && !conf->http.index[0])
        return complain(option, "index", why,
                        "is missing; write the index or data stream that holds the messages");
    if ((p == EM_HTTP_LOKI || p == EM_HTTP_GENERIC) && conf->http.index[0])
        return complain(option, "index", why, "is for presets elasticsearch, opensearch and homer7");
    if (conf->http.tenant[0] && p != EM_HTTP_LOKI)
        return complain(option, "tenant", why, "is for preset loki");
    if (conf->user[0] && conf->http.token[0])
        return complain(option, "token_file", why,
                        "write either a user and a password_file, or a token_file");
    if (conf->user[0] && !conf->password[0])
        return complain(option, "password_file", why, "is missing; user needs it");
    if (strpbrk(conf->http.token, "\r\n") || strpbrk(conf->http.tenant, "\r\n"))
        return complain(option, "tenant", why, "must be one line");
    return 0;
}

static int check_proxy(const struct em_source_conf *conf, const char **option, struct em_why *why)
{
    struct em_http_url read;

    if (conf->http.proxy[0] && !em_http_url_read(conf->http.proxy, &read))
        return complain(option, "proxy", why,
                        "write http:// or https:// and a host, as in http://proxy.example.com:3128");
    return 0;
}

int em_http_source_check(struct em_source_conf *conf, const char **option, struct em_why *why)
{
    int err = check_preset(conf, option, why);

    if (err == 0)
        err = check_url(conf, option, why);
    if (err == 0)
        err = check_pointers(conf, option, why);
    if (err == 0)
        err = check_words(conf, option, why);
    return err != 0 ? err : check_proxy(conf, option, why);
}
