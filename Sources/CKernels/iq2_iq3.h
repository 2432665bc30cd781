// IQ2 and IQ3: magnitudes are the nearest of some codewords, signs are stored apart

enum searching_again {
    OFF_CODEWORDS,  // parts whose levels were no codeword
    ALL_IF_ANY,     // all parts if any levels were none, or no scale was better than the first
    ALWAYS,
};

// How a type is searched for.
struct magnitude_search {
    const struct lattice_kind *kind;
    int width;            // of a group with a scale of its own
    int steps;            // grids to either side of the first
    float step;           // between them, in levels
    float variance;       // how often the mean square counts where there is an importance
    bool even;            // whether the negative elements of each eight must be even in number
    float smallest;       // groups with smaller elements are zeros
    bool refined;         // whether the first scale is the best one for levels 0...4, and not the farthest element's
    enum searching_again again;
    float stretch;        // of the unit that is stored
};

static const struct magnitude_search iq2_xxs_search = {
    &three_levels, 32, 6, 0.1f, 1, true, SMALLEST_GROUP, true, ALWAYS, 1,
};
static const struct magnitude_search iq2_xs_search = {
    &three_levels, 16, 9, 0.1f, 1, true, SMALLEST_GROUP, false, OFF_CODEWORDS, 1,
};
static const struct magnitude_search iq2_s_search = {
    &three_levels, 16, 9, 0.1f, 2, false, 1e-8f, false, OFF_CODEWORDS, 0.9875f,
};
static const struct magnitude_search iq3_xxs_search = {
    &eight_levels, 32, 15, 0.2f, 2, true, 1e-8f, false, OFF_CODEWORDS, 1.0125f,
};
static const struct magnitude_search iq3_s_search = {
    &eight_levels, 32, 9, 0.2f, 2, false, 0, false, ALL_IF_ANY, 1.033f,
};

enum { MOST_GRIDS = 32 };

// A block on its way.
struct magnitudes {
    float x[256];             // magnitudes; where signs had to be even in number, some are negative
    float weights[256], roots[256];
    uint8_t signs[32];
    float scales[16];
    uint16_t words[64];       // of each four or eight elements
};

// The scales of all groups for levels 0...4, as the search begins with.
static void fit_first_scales(const struct magnitudes *block, float *scales)
{
    for (int first = 0; first < 8; first += LANES) {
        floats x[32], weights[32], levels[32];
        const unaligned_float *rows[LANES];
        for (int lane = 0; lane < LANES; lane++) rows[lane] = block->x + 32 * ((first + lane) % 8);
        transpose(rows, 32, x);
        for (int lane = 0; lane < LANES; lane++) rows[lane] = block->weights + 32 * ((first + lane) % 8);
        transpose(rows, 32, weights);
        floats found = fit_multiples(x, weights, 32, 4, levels);
        for (int lane = 0; lane < LANES && first + lane < 8; lane++) scales[first + lane] = found[lane];
    }
}

// Makes the number of negative elements even by another sign of the one whose error weighs least.
INLINE void make_even(const float *source, const float *weights, float *x, uint8_t *signs)
{
    if (__builtin_popcount(*signs) % 2 == 0) return;
    int place = 0;
    float least = weights[0] * source[0] * source[0];
    for (int i = 1; i < 8; i++) {
        float weighted = weights[i] * source[i] * source[i];
        if (weighted < least) {
            least = weighted;
            place = i;
        }
    }
    x[place] = -x[place];
    *signs ^= (uint8_t)(1 << place);
}

// Elements of a block, what they weigh, and how many squares there are; false where they are too large for that.
INLINE bool take_magnitudes(const unaligned_float *source, const float *_Nullable importance,
                            const struct magnitude_search *search, struct magnitudes *block)
{
    float x[256];
    memcpy(x, source, sizeof x);
    float squares = 0;
    for (int i = 0; i < 256; i++) squares += x[i] * x[i];
    if (!(squares < INFINITY)) return false;
    float variance = search->variance * squares / 256.0f;
    for (int i = 0; i < 256; i += LANES) {
        floats elements = loaded(x + i), weights;
        if (importance) {
            weights = loaded(importance + i) * __builtin_elementwise_sqrt(variance + elements * elements);
        } else if (search->kind->dimensions == 4) {
            weights = elements * elements;
        } else if (search->even) {
            weights = __builtin_elementwise_sqrt(variance + elements * elements);
        } else {
            weights = 0.25f * variance + elements * elements;
        }
        ints negative = elements < 0.0f;
        store(weights, block->weights + i);
        store(__builtin_elementwise_sqrt(weights), block->roots + i);
        store(negative ? -elements : elements, block->x + i);
        uint32_t signs = bits_of_lanes(negative);
        if (LANES == 4) {
            block->signs[i / 8] = (uint8_t)(i % 8 == 0 ? signs : block->signs[i / 8] | signs << 4);
        } else {
            memcpy(block->signs + i / 8, &signs, LANES / 8);
        }
    }
    if (search->even) {
        for (int i = 0; i < 32; i++) make_even(x + 8 * i, block->weights + 8 * i, block->x + 8 * i, block->signs + i);
    }
    return true;
}

// What the best scale for the words follows from.
struct word_sums {
    float products, squares;
};

INLINE struct word_sums sums_of_words(const float *x, const float *weights, int width, const uint16_t *words,
                                      const struct lattice_kind *kind)
{
    const int dimensions = kind->dimensions, bits = dimensions == 8 ? 2 : 4, mask = dimensions == 8 ? 3 : 7;
    struct word_sums sums = { 0, 0 };
    for (int i = 0; i < width; i++) {
        float value = (float)(2 * (words[i / dimensions] >> bits * (i % dimensions) & mask) + 1);
        sums.products += weights[i] * x[i] * value;
        sums.squares += weights[i] * value * value;
    }
    return sums;
}

// The scale and the words of a group; the first scale is given where it is refined. A group that counts as zeros has no
// signs.
INLINE float fit_magnitudes(const struct lattice *lattice, const struct magnitude_search *search, const float *x,
                            const float *weights, const float *roots, float scale, uint16_t *words, uint8_t *signs)
{
    const struct lattice_kind *kind = search->kind;
    const int dimensions = kind->dimensions, width = search->width, parts = width / dimensions;
    const int highest = dimensions == 8 ? 2 : 7, grids = 2 * search->steps + 1;
    for (int part = 0; part < parts; part++) words[part] = dimensions == 8 ? 0 : 0x8080;
    float greatest = x[0];
    for (int i = 1; i < width; i++) greatest = greatest > x[i] ? greatest : x[i];
    bool zeros = search->smallest > 0 ? greatest < search->smallest : greatest == 0;
    if (search->refined) {
        greatest = scale * (float)(highest + 1);
        zeros |= greatest <= 0;
    } else {
        scale = greatest / (float)(2 * highest + 1);
    }
    if (zeros) {
        memset(signs, 0, (size_t)width / 8);
        return 0;
    }
    // Grids on which the farthest element lies at the highest level, and somewhat beyond or before.
    float inverses[MOST_GRIDS], scales[MOST_GRIDS];
    for (int g = 0; g < MOST_GRIDS; g++) {
        int step = g < grids ? g - search->steps : 0;
        inverses[g] = ((float)(2 * highest + 1) + (float)step * search->step) / greatest;
        scales[g] = 1.0f / inverses[g];
    }
    int32_t found[8][MOST_GRIDS], cells[8][MOST_GRIDS];
    for (int g = 0; g < grids; g += LANES) {
        floats inverse = loaded(inverses + g);
        for (int part = 0; part < parts; part++) {
            ints cell = 0;
            UNROLLED for (int i = dimensions - 1; i >= 0; i--) {
                ints level = levels_of(x[dimensions * part + i], inverse, highest);
                cell = (dimensions == 8 ? 2 * cell + cell : 8 * cell) + level;
            }
            memcpy(cells[part] + g, &cell, sizeof cell);
        }
    }
    uint32_t off[8];
    for (int part = 0; part < parts; part++) {
        struct spread_elements elements;
        spread(x + dimensions * part, roots + dimensions * part, kind, &elements);
        off[part] = 0;
        for (int g = 0; g < grids; g++) {
            int cell = cells[part][g];
            off[part] |= (uint32_t)(lattice->entries[cell] < 0) << g;
            found[part][g] = (int32_t)nearest_word(lattice, cell, kind, &elements, scales[g]);
        }
    }
    float products[MOST_GRIDS], squares[MOST_GRIDS];
    for (int g = 0; g < grids; g += LANES) {
        floats product = 0, square = 0;
        for (int part = 0; part < parts; part++) {
            ints all;
            memcpy(&all, found[part] + g, sizeof all);
            UNROLLED for (int i = 0; i < dimensions; i++) {
                floats value = values_of(all, kind, i);
                float weight = weights[dimensions * part + i], weighted = weight * x[dimensions * part + i];
                product += weighted * value;
                square += weight * value * value;
            }
        }
        store(product, products + g);
        store(square, squares + g);
    }
    int best = -1;
    float merit = 0;
    for (int g = 0; g < grids; g++) {
        if (squares[g] > 0 && products[g] * products[g] > merit * squares[g]) {
            scale = products[g] / squares[g];
            merit = scale * products[g];
            best = g;
        }
    }
    bool again = search->again == ALWAYS || (search->again == ALL_IF_ANY && best < 0);
    for (int part = 0; part < parts && best >= 0; part++) {
        words[part] = (uint16_t)found[part][best];
        again |= off[part] >> best & 1;
    }
    if (again && scale > 0) {
        float inverse = 1.0f / scale;
        for (int part = 0; part < parts; part++) {
            // There is a best grid where only some parts are searched for again.
            if (search->again == OFF_CODEWORDS && !(off[part] >> best & 1)) continue;
            struct spread_elements elements;
            spread(x + dimensions * part, roots + dimensions * part, kind, &elements);
            int cell = 0;
            UNROLLED for (int i = dimensions - 1; i >= 0; i--) {
                cell = (dimensions == 8 ? 3 : 8) * cell + level_of(x[dimensions * part + i], inverse, highest);
            }
            words[part] = (uint16_t)nearest_word(lattice, cell, kind, &elements, scale);
        }
        struct word_sums sums = sums_of_words(x, weights, width, words, kind);
        if (sums.squares > 0) scale = sums.products / sums.squares;
    }
    return scale;
}

// Scales, as multiples of the block's, and words of a block as they are stored.
struct stored_magnitudes {
    uint16_t unit;
    uint8_t multiples[16];
    uint16_t entries[64];
    uint8_t signs[32];
};

static const uint16_t infinite_half = 0x7C00;

INLINE void fit_block(const unaligned_float *source, const float *_Nullable importance, const struct lattice *lattice,
                      const struct magnitude_search *search, struct stored_magnitudes *stored)
{
    const int dimensions = search->kind->dimensions, width = search->width, groups = 256 / width;
    struct magnitudes block;
    memset(stored, 0, sizeof *stored);
    if (!take_magnitudes(source, importance, search, &block)) {
        stored->unit = infinite_half;
        return;
    }
    if (search->refined) fit_first_scales(&block, block.scales);
    float greatest = 0;
    for (int group = 0; group < groups; group++) {
        int first = width * group;
        float scale = fit_magnitudes(lattice, search, block.x + first, block.weights + first, block.roots + first,
                                     block.scales[group], block.words + first / dimensions, block.signs + first / 8);
        // Not a number is beyond all of them.
        if (scale != scale) scale = INFINITY;
        if (scale < 0) {
            scale = -scale;
            for (int i = first / 8; i < (first + width) / 8; i++) block.signs[i] = (uint8_t)~block.signs[i];
        }
        block.scales[group] = scale;
        greatest = greatest > scale ? greatest : scale;
    }
    if (greatest == 0 && search->even) return;
    for (int i = 0; i < 256 / dimensions; i++) {
        stored->entries[i] = (uint16_t)lattice->entries[cell_of_word(block.words[i], dimensions)];
    }
    for (int i = 0; i < 32; i++) stored->signs[i] = search->even ? block.signs[i] & 127 : block.signs[i];
    if (greatest == 0) return;
    float unit = greatest / 31.0f, inverse = 1.0f / unit;
    stored->unit = f16_of(unit * search->stretch);
    for (int group = 0; group < groups; group++) {
        stored->multiples[group] = (uint8_t)level_of(block.scales[group], inverse, 15);
    }
}

static void put_iq2_xxs(const struct stored_magnitudes *stored, uint8_t *out)
{
    for (int group = 0; group < 8; group++, out += 8) {
        uint32_t rest = (uint32_t)stored->multiples[group] << 28;
        for (int i = 0; i < 4; i++) {
            out[i] = (uint8_t)stored->entries[4 * group + i];
            rest |= (uint32_t)stored->signs[4 * group + i] << 7 * i;
        }
        memcpy(out + 4, &rest, 4);
    }
}

static void put_nibbles(const uint8_t *nibbles, int count, uint8_t *out)
{
    for (int i = 0; i < count / 2; i++) out[i] = (uint8_t)(nibbles[2 * i] | nibbles[2 * i + 1] << 4);
}

static void put_iq2_xs(const struct stored_magnitudes *stored, uint8_t *out)
{
    for (int i = 0; i < 32; i++) {
        uint16_t word = (uint16_t)(stored->entries[i] | stored->signs[i] << 9);
        memcpy(out + 2 * i, &word, 2);
    }
    put_nibbles(stored->multiples, 16, out + 64);
}

static void put_iq2_s(const struct stored_magnitudes *stored, uint8_t *out)
{
    for (int i = 0; i < 32; i++) {
        out[i] = (uint8_t)stored->entries[i];
        out[32 + i] = stored->signs[i];
        uint8_t high = (uint8_t)(stored->entries[i] >> 8 << 2 * (i % 4));
        out[64 + i / 4] = (uint8_t)(i % 4 == 0 ? high : out[64 + i / 4] | high);
    }
    put_nibbles(stored->multiples, 16, out + 72);
}

static void put_iq3_xxs(const struct stored_magnitudes *stored, uint8_t *out)
{
    for (int i = 0; i < 64; i++) out[i] = (uint8_t)stored->entries[i];
    for (int group = 0; group < 8; group++) {
        uint32_t rest = (uint32_t)stored->multiples[group] << 28;
        for (int i = 0; i < 4; i++) rest |= (uint32_t)stored->signs[4 * group + i] << 7 * i;
        memcpy(out + 64 + 4 * group, &rest, 4);
    }
}

static void put_iq3_s(const struct stored_magnitudes *stored, uint8_t *out)
{
    for (int i = 0; i < 64; i++) {
        out[i] = (uint8_t)stored->entries[i];
        uint8_t high = (uint8_t)(stored->entries[i] >> 8 << i % 8);
        out[64 + i / 8] = (uint8_t)(i % 8 == 0 ? high : out[64 + i / 8] | high);
    }
    memcpy(out + 72, stored->signs, 32);
    put_nibbles(stored->multiples, 8, out + 104);
}

// Behind the unit, `size` bytes in all.
#define ENCODE_MAGNITUDES(name, size)                                                                              \
    static void encode_##name(const void *restrict source, void *restrict destination, size_t rows, size_t columns, \
                              const float *_Nullable importance)                                                    \
    {                                                                                                               \
        const struct lattice *lattice = ck_lattice_##name();                                                        \
        const unaligned_float *in = source;                                                                         \
        uint8_t *out = destination;                                                                                 \
        for (size_t block = 0, column = 0; block < rows * (columns / 256); block++, in += 256, out += size) {       \
            struct stored_magnitudes stored;                                                                        \
            fit_block(in, importance ? importance + column : NULL, lattice, &name##_search, &stored);               \
            memcpy(out, &stored.unit, 2);                                                                           \
            put_##name(&stored, out + 2);                                                                           \
            column = column + 256 == columns ? 0 : column + 256;                                                    \
        }                                                                                                           \
    }

ENCODE_MAGNITUDES(iq2_xxs, 66)
ENCODE_MAGNITUDES(iq2_xs, 74)
ENCODE_MAGNITUDES(iq2_s, 82)
ENCODE_MAGNITUDES(iq3_xxs, 98)
ENCODE_MAGNITUDES(iq3_s, 110)
