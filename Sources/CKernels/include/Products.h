#pragma once

#include <stddef.h>
#include <stdint.h>

#pragma clang assume_nonnull begin

// Products of weights with activations, both as they are stored and rounded in GGUF: whole numbers of 8 bits, scales for
// blocks of them.
//
// Rows of a weight lie in panels of 16: every unit of a block's fields is followed by that of the next row. Tokens lie in tiles: the
// numbers of all tokens of a tile are side by side.

#define CK_PANEL_ROWS 16

/// Types of which there are products.
enum ck_panel_type {
    CK_PANEL_Q4_0, CK_PANEL_Q4_1, CK_PANEL_Q5_0, CK_PANEL_Q5_1, CK_PANEL_Q8_0, CK_PANEL_IQ4_NL, CK_PANEL_MXFP4,
    CK_PANEL_Q2_K, CK_PANEL_Q3_K, CK_PANEL_Q4_K, CK_PANEL_Q5_K, CK_PANEL_Q6_K, CK_PANEL_IQ4_XS,
    CK_PANEL_TYPE_COUNT,
};

struct ck_panel_form {
    /// 32, or 256 where a block's scales have a scale of their own.
    size_t block;
    size_t block_bytes;
    /// What is to be taken off the codes, where that is the same number everywhere and blocks have 32 elements.
    int32_t offset;
    /// Whether something else than `offset` is added to products of blocks of 32.
    int has_minima;
    /// Whether scales are of 16 elements, in blocks of 256.
    int has_narrow_groups;
    /// Whether codes exceed 63.
    int is_wide;
};

struct ck_panel_form ck_panel_form(enum ck_panel_type type);

/// Makes a panel of rows that lie `stride` bytes apart, of which rows beyond `count`, 16 at most, are zeros.
void ck_make_panel(enum ck_panel_type type, const uint8_t *rows, size_t count, size_t stride, size_t blocks,
                   uint8_t *panel);

/// Makes a row of a panel what it was.
void ck_read_panel(enum ck_panel_type type, const uint8_t *panel, size_t row, size_t blocks, uint8_t *out);

/// What a panel holds, in the form in which it is multiplied.
struct ck_codes {
    /// `[terms / 4, 16, 4]`, not negative.
    uint8_t *codes;
    /// For each block: `[blocks, 16]`.
    float *scales, *minima;
    /// Blocks of 256: what the sum of a group is multiplied by: `[terms / 32 or 16, 16]`.
    int32_t *multiples;
    /// Blocks of 256: what the sums of two times 16 activations are multiplied by: `[terms / 32, 16, 2]`.
    int16_t *lows;
};

/// Rounded activations of a tile of tokens.
struct ck_activations {
    /// `[terms / 4, tokens, 4]`
    int8_t *codes;
    /// For each block: `[blocks, tokens]`.
    float *scales;
    /// Blocks of 32: the sum of the codes times minus the weight's offset, and times the scale: `[blocks, tokens]`.
    int32_t *offsets;
    float *sums;
    /// Blocks of 256: sums of 16 codes: `[terms / 16, tokens]` in pairs: `[terms / 32, tokens, 2]`.
    int16_t *pairs;
};

/// The hot loops, for one instruction set. Numbers are the same on all.
struct ck_products {
    const char *instruction_set;
    /// The most tokens of a tile.
    size_t tile;
    /// Brings blocks of a panel into the form in which they are multiplied.
    void (*unpack)(enum ck_panel_type type, const uint8_t *panel, size_t blocks, struct ck_codes codes);
    /// Rounds rows `stride` apart to blocks of 32 or 256, of `tokens` tokens for a tile of `width`; others are zeros. Numbers that are not
    /// finite make a block's scale such a one.
    void (*round_blocks)(size_t block, const float *rows, size_t tokens, size_t stride, size_t blocks, size_t width,
                         int32_t offset, struct ck_activations activations);
    /// Adds products: `[width, 16]`.
    void (*multiply)(struct ck_panel_form form, struct ck_codes codes, struct ck_activations activations, size_t blocks,
                     size_t width, float *products);
    /// Adds the products of one token, of a tile of its own, with a panel as it is: `[16]`.
    void (*multiply_one)(enum ck_panel_type type, const uint8_t *panel, struct ck_activations activations, size_t blocks,
                         float *products);
};

/// Products of bfloat16 numbers, two terms at a time, the odd one first, each sum rounded once to float32. What is below float32's
/// smallest normal number is zero.
struct ck_bf16_products {
    const char *instruction_set;
    size_t tile;
    /// Rounds rows to nearest even: `[terms / 2, width, 2]`.
    void (*round)(const float *rows, size_t tokens, size_t stride, size_t terms, size_t width, uint16_t *activations);
    /// Panels `[terms / 2, 16, 2]`; writes `[width, 16]`.
    void (*multiply)(const uint16_t *panel, const uint16_t *activations, size_t terms, size_t width, float *products);
};

/// A panel of bfloat16 numbers.
void ck_make_bf16_panel(const uint8_t *rows, size_t count, size_t stride, size_t terms, uint16_t *panel);
void ck_read_bf16_panel(const uint16_t *panel, size_t row, size_t terms, uint8_t *out);

#define CK_PRODUCT_LEVEL_COUNT 3

/// The products of a level, 0 being the slowest; null where this machine has no such level.
const struct ck_products *_Nullable ck_products_at(int level);
const struct ck_bf16_products *_Nullable ck_bf16_products_at(int level);

#pragma clang assume_nonnull end
