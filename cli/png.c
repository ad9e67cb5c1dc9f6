/* SPDX-License-Identifier: GPL-3.0-or-later
 * SVG to PNG through librsvg and cairo (both are in the file that librsvg loads). */
#include "cli/png.h"

#include <librsvg/rsvg.h>

#include "base/late.h"

enum { SIDE_MAX = 8192 }; /* pixels of the PNG */

/* clang-format off */
#define SYMBOLS(S) \
    S(rsvg_handle_new_from_data) S(rsvg_handle_get_intrinsic_dimensions) S(rsvg_handle_render_document) \
    S(g_object_unref) S(g_clear_error) S(cairo_image_surface_create) S(cairo_surface_status) S(cairo_surface_destroy) \
    S(cairo_surface_write_to_png_stream) S(cairo_create) S(cairo_destroy) S(cairo_status_to_string)
/* clang-format on */
LATE_SET(lib, LATE_RSVG, SYMBOLS);

static cairo_status_t append(void *to, const unsigned char *p, unsigned n)
{
    struct buf *b = to;

    buf_bytes(b, p, n);
    return b->full ? CAIRO_STATUS_NO_MEMORY : CAIRO_STATUS_SUCCESS;
}

static int no_svg(GError **error, struct em_why *why)
{
    int err = em_fail(why, EM_ERR_INPUT, "the SVG cannot be drawn: %s",
                      *error ? (*error)->message : "it has no viewBox, or a huge one");

    lib.g_clear_error(error);
    return err;
}

static int render(RsvgHandle *svg, int width, int height, struct buf *to, struct em_why *why)
{
    const RsvgRectangle whole = { 0, 0, width, height };
    cairo_surface_t *surface = lib.cairo_image_surface_create(CAIRO_FORMAT_RGB24, width, height);
    cairo_t *paper = lib.cairo_create(surface);
    cairo_status_t status;
    GError *error = NULL;
    int err = 0;

    if (!lib.rsvg_handle_render_document(svg, paper, &whole, &error))
        err = no_svg(&error, why);
    else if ((status = lib.cairo_surface_status(surface)) != CAIRO_STATUS_SUCCESS ||
             (status = lib.cairo_surface_write_to_png_stream(surface, append, to)) != CAIRO_STATUS_SUCCESS)
        err = em_fail(why, EM_ERR_MEMORY, "the PNG cannot be made: %s", lib.cairo_status_to_string(status));
    lib.cairo_destroy(paper);
    lib.cairo_surface_destroy(surface);
    return err;
}

int cli_png(const struct buf *svg, struct buf *to, struct em_why *why)
{
    gboolean has_width, has_height, has_box = FALSE;
    RsvgLength width, height;
    RsvgRectangle box = { 0 };
    GError *error = NULL;
    RsvgHandle *handle;
    int err = late_load(&lib.late, why);

    if (err < 0)
        return err;
    handle = lib.rsvg_handle_new_from_data(svg->p, svg->n, &error);
    if (!handle)
        return no_svg(&error, why);
    lib.rsvg_handle_get_intrinsic_dimensions(handle, &has_width, &width, &has_height, &height, &has_box,
                                             &box);
    if (!has_box || box.width < 1 || box.height < 1 || box.width * CLI_PNG_SCALE > SIDE_MAX ||
        box.height * CLI_PNG_SCALE > SIDE_MAX)
        err = no_svg(&error, why);
    else
        err = render(handle, (int)box.width * CLI_PNG_SCALE, (int)box.height * CLI_PNG_SCALE, to, why);
    lib.g_object_unref(handle);
    return err;
}
