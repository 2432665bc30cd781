// IQ1: every element is one of three numbers, −1, 0, 1, all of them moved up by an eighth or down

static const struct lattice_kind moved_up = { 8, { -0.875f, 0.125f, 1.125f, 0, -0.875f, 0.125f, 1.125f, 0 } };
static const struct lattice_kind moved_down = { 8, { -1.125f, -0.125f, 0.875f, 0, -1.125f, -0.125f, 0.875f, 0 } };

// A block on its way.
struct ternary_block {
    float x[256], weights[256];
};

// Elements of a block, and what they weigh; false where their squares are too large for that.
INLINE bool take_ternary(const unaligned_float *source, const float *_Nullable importance, bool needs_importance,
                         struct ternary_block *block)
{
    memcpy(block->x, source, sizeof block->x);
    float squares = 0;
    for (int i = 0; i < 256; i++) squares += block->x[i] * block->x[i];
    if (!(squares < INFINITY)) return false;
    float variance = 2 * squares / 256.0f;
    for (int i = 0; i < 256; i += LANES) {
        floats x = loaded(block->x + i), weights = x * x;
        if (importance || needs_importance) weights = __builtin_elementwise_sqrt(variance + x * x);
        if (importance) weights = loaded(importance + i) * weights;
        store(weights, block->weights + i);
    }
    return true;
}

INLINE float farthest_magnitude(const float *x, int width)
{
    float magnitude = 0;
    for (int i = 0; i < width; i++) magnitude = magnitude > fabsf(x[i]) ? magnitude : fabsf(x[i]);
    return magnitude;
}

// The numbers of elements in ascending order, equal ones as they stand.
INLINE void sort(const float *x, int width, uint8_t *order)
{
    for (int first = 0; first < width; first += LANES) {
        floats elements = loaded(x + first);
        ints numbers, rank = 0;
        memcpy(&numbers, lane_numbers, sizeof numbers);
        numbers += first;
        for (int i = 0; i < width; i++) rank -= (x[i] < elements) | ((x[i] == elements) & (i < numbers));
        for (int lane = 0; lane < LANES; lane++) order[rank[lane]] = (uint8_t)(first + lane);
    }
}

// Where elements in ascending order go over from the lowest number to the middle one, and to the highest.
struct split {
    float scale, merit;
    int first, second;
    int side;  // which of several ways to move the numbers
};

// Takes those splits, `count` ways to move for each of several places to go over to the highest number, that are better
// than all before: one place after the other, and each way of one place after the other.
INLINE void take_better(const floats *products, const floats *squares, int count, uint32_t there, int first, int second,
                        struct split *best)
{
    uint32_t better[4];
    uint32_t left[4] = { there, there, there, there };
    for (;;) {
        uint32_t any = 0;
        UNROLLED for (int k = 0; k < count; k++) {
            ints greater = (squares[k] > 0.0f) & (products[k] * products[k] > best->merit * squares[k]);
            better[k] = bits_of_lanes(greater) & left[k];
            any |= better[k];
        }
        if (any == 0) return;
        int lane = __builtin_ctz(any), side = 0;
        while (!(better[side] >> lane & 1)) side++;
        float product = products[side][lane];
        best->scale = product / squares[side][lane];
        best->merit = best->scale * product;
        best->first = first;
        best->second = second + lane;
        best->side = side;
        for (int k = 0; k < count; k++) left[k] &= k > side ? ~0u << lane : ~1u << lane;
    }
}

// Levels of a group for its best split; of a negative scale, those of the opposite.
INLINE void take_levels(struct split *split, const uint8_t *order, int width, int sides, uint8_t *levels)
{
    for (int i = 0; i < width; i++) levels[order[i]] = (uint8_t)((i >= split->first) + (i >= split->second));
    if (split->scale < 0) {
        for (int i = 0; i < width; i++) levels[i] = 2 - levels[i];
        split->scale = -split->scale;
        split->side = sides - 1 - split->side;
    }
}

INLINE struct split split_iq1_s(const float *x, const float *weights, const uint8_t *order)
{
    // With room for loads of whole lanes.
    float moments[33 + LANES] = { 0 }, sums[33 + LANES] = { 0 };
    for (int i = 0; i < 32; i++) {
        int element = order[i];
        moments[i + 1] = moments[i] + weights[element] * x[element];
        sums[i + 1] = sums[i] + weights[element];
    }
    struct split best = { 0, -FLT_MAX, -1, -1, 0 };
    const float *up = moved_up.values, *down = moved_down.values;
    for (int first = 0; first <= 32; first++) {
        for (int second = first; second <= 32; second += LANES) {
            floats moment = loaded(moments + second), sum = loaded(sums + second);
            float low = moments[first], low_sum = sums[first];
            floats middle = moment - low, high = moments[32] - moment;
            floats middle_sum = sum - low_sum, high_sum = sums[32] - sum;
            floats products[2] = {
                low * up[0] + middle * up[1] + high * up[2],
                low * down[0] + middle * down[1] + high * down[2],
            };
            floats squares[2] = {
                low_sum * up[0] * up[0] + middle_sum * up[1] * up[1] + high_sum * up[2] * up[2],
                low_sum * down[0] * down[0] + middle_sum * down[1] * down[1] + high_sum * down[2] * down[2],
            };
            int count = 33 - second;
            take_better(products, squares, 2, count < LANES ? (1u << count) - 1 : ~0u, first, second, &best);
        }
    }
    return best;
}

// Its two halves may be moved differently.
INLINE struct split split_iq1_m(const float *x, const float *weights, const uint8_t *order)
{
    float moments[2][17 + LANES] = { { 0 } }, sums[2][17 + LANES] = { { 0 } };
    for (int i = 0; i < 16; i++) {
        int element = order[i], half = element / 8;
        moments[half][i + 1] = moments[half][i] + weights[element] * x[element];
        moments[1 - half][i + 1] = moments[1 - half][i];
        sums[half][i + 1] = sums[half][i] + weights[element];
        sums[1 - half][i + 1] = sums[1 - half][i];
    }
    struct split best = { 0, -FLT_MAX, -1, -1, 0 };
    const float up = moved_up.values[2], down = moved_down.values[2];
    for (int first = 0; first <= 16; first++) {
        for (int second = first; second <= 16; second += LANES) {
            floats product_up[2], product_down[2], square_up[2], square_down[2];
            UNROLLED for (int half = 0; half < 2; half++) {
                const float *moment = moments[half], *sum = sums[half];
                floats below = moment[first] + loaded(moment + second), above = loaded(sum + second);
                // Differences of the squares of neighbouring numbers.
                product_up[half] = moment[16] * up - below;
                product_down[half] = moment[16] * down - below;
                square_up[half] = sum[16] * up * up + sum[first] * 0.75f + above * -1.25f;
                square_down[half] = sum[16] * down * down + sum[first] * 1.25f + above * -0.75f;
            }
            floats products[4] = {
                product_up[0] + product_up[1], product_up[0] + product_down[1],
                product_down[0] + product_up[1], product_down[0] + product_down[1],
            };
            floats squares[4] = {
                square_up[0] + square_up[1], square_up[0] + square_down[1],
                square_down[0] + square_up[1], square_down[0] + square_down[1],
            };
            int count = 17 - second;
            take_better(products, squares, 4, count < LANES ? (1u << count) - 1 : ~0u, first, second, &best);
        }
    }
    return best;
}

// What was found for a block.
struct ternary_fit {
    float scales[16];
    uint8_t sides[16];
    uint16_t words[32];
};

// How the numbers of a group's eighth are moved.
INLINE const struct lattice_kind *moved(int side, int part, bool halves)
{
    bool down = halves ? part == 0 ? side >= 2 : side % 2 == 1 : side == 1;
    return down ? &moved_down : &moved_up;
}

// The scale, sides and words of a group; nothing where nothing weighs.
INLINE void fit_ternary(const struct lattice *lattice, const float *x, const float *weights, int width, bool halves,
                        float smallest, float *scale, uint8_t *side, uint16_t *words)
{
    const int parts = width / 8;
    uint8_t order[32], levels[32];
    *scale = 0;
    *side = 0;
    memset(words, 0, sizeof *words * (size_t)parts);
    if (farthest_magnitude(x, width) < smallest) return;
    sort(x, width, order);
    struct split split = halves ? split_iq1_m(x, weights, order) : split_iq1_s(x, weights, order);
    if (split.first < 0) return;
    take_levels(&split, order, width, halves ? 4 : 2, levels);
    bool off = false;
    for (int part = 0; part < parts; part++) {
        int cell = 0;
        for (int i = 7; i >= 0; i--) cell = 3 * cell + levels[8 * part + i];
        off |= lattice->entries[cell] < 0;
        const struct lattice_kind *kind = moved(split.side, part, halves);
        struct spread_elements elements;
        spread(x + 8 * part, weights + 8 * part, &three_levels, &elements);
        words[part] = (uint16_t)nearest_word(lattice, cell, kind, &elements, split.scale);
    }
    if (off) {
        float products = 0, squares = 0;
        for (int i = 0; i < width; i++) {
            float value = moved(split.side, i / 8, halves)->values[words[i / 8] >> 2 * (i % 8) & 3];
            products += weights[i] * value * x[i];
            squares += weights[i] * value * value;
        }
        if (products > 0 && squares > 0) split.scale = products / squares;
    }
    // Not a number is beyond all of them.
    *scale = split.scale == split.scale ? split.scale : INFINITY;
    *side = (uint8_t)split.side;
}

// The greatest of the groups' scales.
INLINE float fit_ternary_block(const struct lattice *lattice, const struct ternary_block *block, int width, bool halves,
                               float smallest, struct ternary_fit *fit)
{
    float greatest = 0;
    for (int first = 0; first < 256; first += width) {
        int group = first / width;
        fit_ternary(lattice, block->x + first, block->weights + first, width, halves, smallest, fit->scales + group,
                    fit->sides + group, fit->words + first / 8);
        greatest = greatest > fit->scales[group] ? greatest : fit->scales[group];
    }
    return greatest;
}

INLINE uint32_t entry_of_word(const struct lattice *lattice, uint16_t word)
{
    return (uint32_t)lattice->entries[cell_of_word(word, 8)];
}

static void encode_iq1_s_block(const struct lattice *lattice, const unaligned_float *source,
                               const float *_Nullable importance, uint8_t *out)
{
    struct ternary_block block;
    struct ternary_fit fit;
    memset(out, 0, 50);
    if (!take_ternary(source, importance, true, &block)) {
        memcpy(out, &infinite_half, 2);
        return;
    }
    float greatest = fit_ternary_block(lattice, &block, 32, false, 1e-12f, &fit);
    float unit = greatest / 15.0f, inverse = 1.0f / unit;
    uint16_t half = greatest == 0 ? 0 : f16_of(unit * 1.125f);
    memcpy(out, &half, 2);
    for (int group = 0; group < 8; group++) {
        uint16_t rest = 0;
        for (int i = 0; i < 4; i++) {
            uint32_t entry = entry_of_word(lattice, fit.words[4 * group + i]);
            out[2 + 4 * group + i] = (uint8_t)entry;
            rest |= (uint16_t)(entry >> 8 << 3 * i);
        }
        if (greatest != 0) {
            rest |= (uint16_t)((level_of(fit.scales[group], inverse, 7) | fit.sides[group] << 3) << 12);
        }
        memcpy(out + 34 + 2 * group, &rest, 2);
    }
}

// The unit for groups' multiples of it, by least squares.
INLINE float refit_iq1_m(const struct ternary_block *block, const struct ternary_fit *fit, const int *multiples, float unit)
{
    float products = 0, squares = 0;
    for (int i = 0; i < 256; i++) {
        int group = i / 16;
        const struct lattice_kind *kind = moved(fit->sides[group], i / 8 % 2, true);
        float value = kind->values[fit->words[i / 8] >> 2 * (i % 8) & 3] * (float)(2 * multiples[group] + 1);
        products += block->weights[i] * value * block->x[i];
        squares += block->weights[i] * value * value;
    }
    return squares > 0 ? products / squares : unit;
}

static void encode_iq1_m_block(const struct lattice *lattice, const unaligned_float *source,
                               const float *_Nullable importance, uint8_t *out)
{
    struct ternary_block block;
    struct ternary_fit fit;
    memset(out, 0, 56);
    uint16_t half = infinite_half, words[4] = { 0 };
    if (take_ternary(source, importance, false, &block)) {
        float greatest = fit_ternary_block(lattice, &block, 16, true, 1e-7f, &fit);
        for (int i = 0; i < 32; i++) {
            uint32_t entry = entry_of_word(lattice, fit.words[i]);
            out[i] = (uint8_t)entry;
            out[32 + i / 2] |= (uint8_t)(entry >> 8 << i % 2 * 4);
        }
        if (greatest == 0) return;
        float unit = greatest / 15.0f, inverse = 1.0f / unit;
        int multiples[16];
        for (int group = 0; group < 16; group++) {
            multiples[group] = level_of(fit.scales[group], inverse, 7);
            words[group / 4] |= (uint16_t)(multiples[group] << 3 * (group % 4));
            out[32 + group] |= (uint8_t)((fit.sides[group] >> 1) << 3 | (fit.sides[group] & 1) << 7);
        }
        if (greatest < INFINITY) unit = refit_iq1_m(&block, &fit, multiples, unit);
        half = unit == unit ? f16_of(unit * 1.1125f) : infinite_half;
    }
    for (int i = 0; i < 4; i++) words[i] |= (uint16_t)((half >> 4 * i & 15) << 12);
    memcpy(out + 48, words, sizeof words);
}

#define ENCODE_TERNARY(name, size)                                                                                  \
    static void encode_##name(const void *restrict source, void *restrict destination, size_t rows, size_t columns, \
                              const float *_Nullable importance)                                                    \
    {                                                                                                               \
        const struct lattice *lattice = ck_lattice_iq1();                                                           \
        const unaligned_float *in = source;                                                                         \
        uint8_t *out = destination;                                                                                 \
        for (size_t block = 0, column = 0; block < rows * (columns / 256); block++, in += 256, out += size) {       \
            encode_##name##_block(lattice, in, importance ? importance + column : NULL, out);                       \
            column = column + 256 == columns ? 0 : column + 256;                                                    \
        }                                                                                                           \
    }

ENCODE_TERNARY(iq1_s, 50)
ENCODE_TERNARY(iq1_m, 56)
