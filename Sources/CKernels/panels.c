// Panels: the fields of blocks of 16 rows, each followed by that of the next row.

#include "CKernels.h"
#include <string.h>

// A field of a block: so many units of 1, 2 or 4 bytes.
struct field {
    uint8_t unit, count;
};

struct layout {
    struct ck_panel_form form;
    struct field fields[5];
};

static const struct layout layouts[CK_PANEL_TYPE_COUNT] = {
    //                   block bytes offset minima narrow wide
    [CK_PANEL_Q4_0]   = { { 32,   18,    8,     0,     0,   0 }, { { 2, 1 }, { 4, 4 } } },
    [CK_PANEL_Q4_1]   = { { 32,   20,    0,     1,     0,   0 }, { { 2, 1 }, { 2, 1 }, { 4, 4 } } },
    [CK_PANEL_Q5_0]   = { { 32,   22,   16,     0,     0,   0 }, { { 2, 1 }, { 4, 1 }, { 4, 4 } } },
    [CK_PANEL_Q5_1]   = { { 32,   24,    0,     1,     0,   0 }, { { 2, 1 }, { 2, 1 }, { 4, 1 }, { 4, 4 } } },
    [CK_PANEL_Q8_0]   = { { 32,   34,  128,     0,     0,   1 }, { { 2, 1 }, { 4, 8 } } },
    [CK_PANEL_IQ4_NL] = { { 32,   18,  127,     0,     0,   1 }, { { 2, 1 }, { 4, 4 } } },
    [CK_PANEL_MXFP4]  = { { 32,   17,   12,     0,     0,   0 }, { { 1, 1 }, { 4, 4 } } },
    [CK_PANEL_Q2_K]   = { { 256,  84,    0,     1,     1,   0 }, { { 1, 16 }, { 4, 16 }, { 2, 1 }, { 2, 1 } } },
    [CK_PANEL_Q3_K]   = { { 256, 110,    0,     1,     1,   0 }, { { 4, 8 }, { 4, 16 }, { 1, 12 }, { 2, 1 } } },
    [CK_PANEL_Q4_K]   = { { 256, 144,    0,     1,     0,   0 }, { { 2, 1 }, { 2, 1 }, { 1, 12 }, { 4, 32 } } },
    [CK_PANEL_Q5_K]   = { { 256, 176,    0,     1,     0,   0 }, { { 2, 1 }, { 2, 1 }, { 1, 12 }, { 4, 8 }, { 4, 32 } } },
    [CK_PANEL_Q6_K]   = { { 256, 210,    0,     1,     1,   0 }, { { 4, 32 }, { 4, 16 }, { 1, 16 }, { 2, 1 } } },
    [CK_PANEL_IQ4_XS] = { { 256, 136,    0,     1,     0,   1 }, { { 2, 1 }, { 2, 1 }, { 1, 4 }, { 4, 32 } } },
};

struct ck_panel_form ck_panel_form(enum ck_panel_type type)
{
    return layouts[type].form;
}

void ck_make_panel(enum ck_panel_type type, const uint8_t *rows, size_t count, size_t stride, size_t blocks,
                   uint8_t *panel)
{
    const struct layout *layout = &layouts[type];
    for (size_t block = 0; block < blocks; block++) {
        const uint8_t *in = rows + block * layout->form.block_bytes;
        for (int i = 0; i < 5; i++) {
            size_t unit = layout->fields[i].unit;
            for (size_t n = 0; n < layout->fields[i].count; n++, in += unit, panel += CK_PANEL_ROWS * unit) {
                if (unit == 4) {
                    for (size_t row = 0; row < count; row++) memcpy(panel + 4 * row, in + row * stride, 4);
                } else if (unit == 2) {
                    for (size_t row = 0; row < count; row++) memcpy(panel + 2 * row, in + row * stride, 2);
                } else {
                    for (size_t row = 0; row < count; row++) panel[row] = in[row * stride];
                }
                if (count < CK_PANEL_ROWS) memset(panel + count * unit, 0, (CK_PANEL_ROWS - count) * unit);
            }
        }
    }
}

void ck_read_panel(enum ck_panel_type type, const uint8_t *panel, size_t row, size_t blocks, uint8_t *out)
{
    const struct layout *layout = &layouts[type];
    for (size_t block = 0; block < blocks; block++) {
        for (int i = 0; i < 5; i++) {
            size_t unit = layout->fields[i].unit;
            for (size_t n = 0; n < layout->fields[i].count; n++, out += unit, panel += CK_PANEL_ROWS * unit) {
                memcpy(out, panel + row * unit, unit);
            }
        }
    }
}

void ck_make_bf16_panel(const uint8_t *rows, size_t count, size_t stride, size_t terms, uint16_t *panel)
{
    for (size_t pair = 0; pair < terms / 2; pair++, panel += 2 * CK_PANEL_ROWS) {
        for (size_t row = 0; row < count; row++) memcpy(panel + 2 * row, rows + row * stride + 4 * pair, 4);
        if (count < CK_PANEL_ROWS) memset(panel + 2 * count, 0, (CK_PANEL_ROWS - count) * 4);
    }
}

void ck_read_bf16_panel(const uint16_t *panel, size_t row, size_t terms, uint8_t *out)
{
    for (size_t pair = 0; pair < terms / 2; pair++) memcpy(out + 4 * pair, panel + 2 * (CK_PANEL_ROWS * pair + row), 4);
}
