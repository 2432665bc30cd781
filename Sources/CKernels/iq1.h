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

// Weighted sums over the first 0, 1, 2, ... elements in ascending order, with room for loads of whole lanes: over all
// of them, or, where halves are moved differently, over those of each half.
struct running_sums {
    float moments[2][33 + LANES], weights[2][33 + LANES];
};

INLINE void take_running_sums(const float *x, const float *weights, const uint8_t *order, int width, bool halves,
                              struct running_sums *sums)
{
    memset(sums, 0, sizeof *sums);
    for (int i = 0; i < width; i++) {
        int element = order[i], half = halves ? element / 8 : 0;
        for (int other = 0; other <= halves; other++) {
            sums->moments[other][i + 1] = sums->moments[other][i];
            sums->weights[other][i + 1] = sums->weights[other][i];
        }
        sums->moments[half][i + 1] += weights[element] * x[element];
        sums->weights[half][i + 1] += weights[element];
    }
}

// What the best scales follow from, for each way to move the numbers, and the second place in each lane.
struct split_sums {
    floats products[4], squares[4];
};

INLINE struct split_sums sums_of_group(const struct running_sums *running, int first, int second)
{
    const float *up = moved_up.values, *down = moved_down.values;
    const float *moments = running->moments[0], *weights = running->weights[0];
    float low = moments[first], low_weight = weights[first];
    floats middle = loaded(moments + second) - low, high = moments[32] - loaded(moments + second);
    floats middle_weight = loaded(weights + second) - low_weight, high_weight = weights[32] - loaded(weights + second);
    return (struct split_sums) {
        { low * up[0] + middle * up[1] + high * up[2], low * down[0] + middle * down[1] + high * down[2] },
        {
            low_weight * up[0] * up[0] + middle_weight * up[1] * up[1] + high_weight * up[2] * up[2],
            low_weight * down[0] * down[0] + middle_weight * down[1] * down[1] + high_weight * down[2] * down[2],
        },
    };
}

// Neighbouring numbers are one apart, and 0.75 and 1.25 are the differences of their squares.
INLINE struct split_sums sums_of_halves(const struct running_sums *running, int first, int second)
{
    const float up = moved_up.values[2], down = moved_down.values[2];
    floats product[2][2], square[2][2];
    UNROLLED for (int half = 0; half < 2; half++) {
        const float *moments = running->moments[half], *weights = running->weights[half];
        floats below = moments[first] + loaded(moments + second), weight = loaded(weights + second);
        product[half][0] = moments[16] * up - below;
        product[half][1] = moments[16] * down - below;
        square[half][0] = weights[16] * up * up + weights[first] * 0.75f + weight * -1.25f;
        square[half][1] = weights[16] * down * down + weights[first] * 1.25f + weight * -0.75f;
    }
    struct split_sums sums;
    UNROLLED for (int side = 0; side < 4; side++) {
        sums.products[side] = product[0][side / 2] + product[1][side % 2];
        sums.squares[side] = square[0][side / 2] + square[1][side % 2];
    }
    return sums;
}

INLINE struct split_sums sums_of_split(const struct running_sums *running, bool halves, int first, int second)
{
    return halves ? sums_of_halves(running, first, second) : sums_of_group(running, first, second);
}

INLINE uint32_t lanes_up_to(int count)
{
    return count < LANES ? (1u << count) - 1 : ~0u;
}

// Somewhat less than the merit of a good split, or less than any merit. To begin with it changes nothing about which
// split is taken in the end, but spares most of those on the way there.
INLINE float merit_to_beat(const struct running_sums *running, bool halves, int width)
{
    const int sides = halves ? 4 : 2;
    floats highest = 0;
    ints numbers;
    memcpy(&numbers, lane_numbers, sizeof numbers);
    // Of Gaussian numbers about a quarter are taken to either side.
    for (int first = width / 4; first <= width / 4 + 1; first++) {
        for (int second = width / 2 + 1; second <= width; second += LANES) {
            struct split_sums sums = sums_of_split(running, halves, first, second);
            UNROLLED for (int side = 0; side < sides; side++) {
                floats square = sums.products[side] * sums.products[side];
                floats merit = square / sums.squares[side];
                // Far from where numbers lose their precision.
                ints sound = (numbers <= width - second) & (sums.squares[side] > 1e-30f) & (square > 1e-30f);
                highest = (sound & (merit > highest)) ? merit : highest;
            }
        }
    }
    float merit = float_of((uint32_t)__builtin_reduce_max((ints)highest)) * 0.9999f;
    return 0 < merit && merit < 1e30f ? merit : -FLT_MAX;
}

// Takes those splits that are better than all before: one second place after the other, and for each of them one way to
// move the numbers after the other.
INLINE void take_better(const struct split_sums *sums, int sides, uint32_t there, int first, int second,
                        struct split *best)
{
    uint32_t better[4];
    uint32_t left[4] = { there, there, there, there };
    for (;;) {
        ints greater[4], any = 0;
        UNROLLED for (int side = 0; side < sides; side++) {
            floats product = sums->products[side], squares = sums->squares[side];
            greater[side] = (squares > 0.0f) & (product * product > best->merit * squares);
            any |= greater[side];
        }
        if (bits_of_lanes(any) == 0) return;
        uint32_t lanes = 0;
        UNROLLED for (int side = 0; side < sides; side++) {
            better[side] = bits_of_lanes(greater[side]) & left[side];
            lanes |= better[side];
        }
        if (lanes == 0) return;
        int lane = __builtin_ctz(lanes), side = 0;
        while (!(better[side] >> lane & 1)) side++;
        float product = sums->products[side][lane];
        best->scale = product / sums->squares[side][lane];
        best->merit = best->scale * product;
        best->first = first;
        best->second = second + lane;
        best->side = side;
        for (int other = 0; other < sides; other++) left[other] &= other > side ? ~0u << lane : ~1u << lane;
    }
}

INLINE struct split best_split(const float *x, const float *weights, const uint8_t *order, int width, bool halves)
{
    struct running_sums running;
    take_running_sums(x, weights, order, width, halves, &running);
    struct split best = { 0, merit_to_beat(&running, halves, width), -1, -1, 0 };
    for (int first = 0; first <= width; first++) {
        for (int second = first; second <= width; second += LANES) {
            struct split_sums sums = sums_of_split(&running, halves, first, second);
            take_better(&sums, halves ? 4 : 2, lanes_up_to(width + 1 - second), first, second, &best);
        }
    }
    return best;
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
    struct split split = best_split(x, weights, order, width, halves);
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
INLINE float refit_iq1_m(const struct ternary_block *block, const struct ternary_fit *fit, const int *multiples,
                         float unit)
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
