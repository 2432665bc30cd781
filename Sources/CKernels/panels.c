// Panels: the fields of blocks of 16 rows, each unit followed by that of the next row.

#include "CKernels.h"
#include <string.h>

// A field of a block: so many units of 1, 2 or 4 bytes.
struct field {
    uint8_t unit, count;
};

// Words of two fields that are read together lie side by side: what is read from its beginning to its end comes at more than twice
// the speed.
enum weave {
    APART,
    // The first field's eight with the second's first eight.
    BITS_AND_CODES,
    // Q6_K: two of the first field and one of the second.
    NIBBLES_AND_PAIRS,
};

struct layout {
    struct ck_panel_form form;
    struct field fields[5];
    enum weave weave;
    // The first of the woven fields.
    int woven;
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
    [CK_PANEL_Q3_K]   = { { 256, 110,    0,     1,     1,   0 }, { { 4, 8 }, { 4, 16 }, { 1, 12 }, { 2, 1 } }, BITS_AND_CODES, 0 },
    [CK_PANEL_Q4_K]   = { { 256, 144,    0,     1,     0,   0 }, { { 2, 1 }, { 2, 1 }, { 1, 12 }, { 4, 32 } } },
    [CK_PANEL_Q5_K]   = { { 256, 176,    0,     1,     0,   0 }, { { 2, 1 }, { 2, 1 }, { 1, 12 }, { 4, 8 }, { 4, 32 } }, BITS_AND_CODES, 3 },
    [CK_PANEL_Q6_K]   = { { 256, 210,    0,     1,     1,   0 }, { { 4, 32 }, { 4, 16 }, { 1, 16 }, { 2, 1 } }, NIBBLES_AND_PAIRS, 0 },
    [CK_PANEL_IQ4_XS] = { { 256, 136,    0,     1,     0,   1 }, { { 2, 1 }, { 2, 1 }, { 1, 4 }, { 4, 32 } } },
};

struct ck_panel_form ck_panel_form(enum ck_panel_type type)
{
    return layouts[type].form;
}

// The place of a word among those of two fields.
static size_t woven(enum weave weave, int is_second, size_t n)
{
    if (weave == BITS_AND_CODES) return !is_second ? 2 * n : n < 8 ? 2 * n + 1 : n + 8;
    if (is_second) return 3 * n + 2;
    return 3 * (8 * (n / 16) + n % 8) + n / 8 % 2;
}

// Where the units of a field lie in a block of a panel.
static size_t place(const struct layout *layout, int field, size_t n)
{
    int second = field - layout->woven, last = layout->weave != APART && second == 1 ? layout->woven : field;
    size_t start = 0, unit = layout->fields[field].unit;
    for (int i = 0; i < last; i++) start += (size_t)CK_PANEL_ROWS * layout->fields[i].unit * layout->fields[i].count;
    if (layout->weave != APART && (second == 0 || second == 1)) n = woven(layout->weave, second, n);
    return start + CK_PANEL_ROWS * unit * n;
}

void ck_make_panel(enum ck_panel_type type, const uint8_t *rows, size_t count, size_t stride, size_t blocks,
                   uint8_t *panel)
{
    const struct layout *layout = &layouts[type];
    for (int i = 0; i < 5; i++) {
        size_t unit = layout->fields[i].unit, offset = 0;
        for (int before = 0; before < i; before++) offset += layout->fields[before].unit * layout->fields[before].count;
        for (size_t n = 0; n < layout->fields[i].count; n++) {
            const uint8_t *in = rows + offset + n * unit;
            uint8_t *out = panel + place(layout, i, n);
            for (size_t block = 0; block < blocks; block++) {
                if (unit == 4) {
                    for (size_t row = 0; row < count; row++) memcpy(out + 4 * row, in + row * stride, 4);
                } else if (unit == 2) {
                    for (size_t row = 0; row < count; row++) memcpy(out + 2 * row, in + row * stride, 2);
                } else {
                    for (size_t row = 0; row < count; row++) out[row] = in[row * stride];
                }
                if (count < CK_PANEL_ROWS) memset(out + count * unit, 0, (CK_PANEL_ROWS - count) * unit);
                in += layout->form.block_bytes;
                out += CK_PANEL_ROWS * layout->form.block_bytes;
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
            for (size_t n = 0; n < layout->fields[i].count; n++, out += unit) {
                memcpy(out, panel + place(layout, i, n) + row * unit, unit);
            }
        }
        panel += CK_PANEL_ROWS * layout->form.block_bytes;
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
