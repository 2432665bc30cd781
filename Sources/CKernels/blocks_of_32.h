// Blocks of 32, rounded: a block per lane for the scales, then 32 elements of a block side by side for the levels

// Lane b is the greatest lane of rows[b]: a transposition that folds as it goes. The rows are used up.
INLINE floats folded_maximum(floats rows[LANES])
{
#if LANES == 8
    // Within the halves first, where zipping takes one instruction, not two.
    UNROLLED for (int n = 4; n > 1; n /= 2) {
        UNROLLED for (int i = 0; i < n; i++) {
            floats low = __builtin_shufflevector(rows[i], rows[i + n], 0, 8, 1, 9, 4, 12, 5, 13);
            floats high = __builtin_shufflevector(rows[i], rows[i + n], 2, 10, 3, 11, 6, 14, 7, 15);
            rows[i] = low > high ? low : high;
        }
    }
    floats low = __builtin_shufflevector(rows[0], rows[1], 0, 1, 2, 3, 8, 9, 10, 11);
    floats high = __builtin_shufflevector(rows[0], rows[1], 4, 5, 6, 7, 12, 13, 14, 15);
    floats folded = low > high ? low : high;
    return __builtin_shufflevector(folded, folded, 0, 4, 1, 5, 2, 6, 3, 7);
#else
    UNROLLED for (int n = LANES / 2; n > 0; n /= 2) {
        UNROLLED for (int i = 0; i < n; i++) {
            floats low = ZIPPED_LOW(rows[i], rows[i + n]), high = ZIPPED_HIGH(rows[i], rows[i + n]);
            rows[i] = low > high ? low : high;
        }
    }
    return rows[0];
#endif
}

// Blocks whose scales are found before the first of their levels, so that the divisions of some overlap with the
// levels of others.
#define ABREAST_OF_32 (4 * LANES)

struct grids_of_32 {
    uint16_t scales[ABREAST_OF_32], minima[ABREAST_OF_32];  // as they are stored
    float inverses[ABREAST_OF_32], origins[ABREAST_OF_32];
};

// Finds the grids of LANES blocks, the first of which is `first`.
typedef void (*grid_finder)(const unaligned_float *x, struct grids_of_32 *grids, int first);

// Writes a block on its grid.
typedef void (*level_packer)(const unaligned_float *x, const struct grids_of_32 *grids, int block, uint8_t *out);

INLINE void encode_abreast(grid_finder find, level_packer pack, size_t size, const unaligned_float *x, uint8_t *out)
{
    struct grids_of_32 grids;
    for (int b = 0; b < ABREAST_OF_32; b += LANES) find(x + 32 * b, &grids, b);
    for (int b = 0; b < ABREAST_OF_32; b++) pack(x + 32 * b, &grids, b, out + size * b);
}

// Encodes `count` elements as blocks of `size` bytes; the last few are filled up with zeros.
INLINE void encode_blocks_of_32(grid_finder find, level_packer pack, size_t size, const void *source,
                                void *destination, size_t count)
{
    const size_t abreast = 32 * ABREAST_OF_32;
    const unaligned_float *in = source;
    uint8_t *out = destination;
    for (; count >= abreast; count -= abreast, in += abreast, out += size * ABREAST_OF_32) {
        encode_abreast(find, pack, size, in, out);
    }
    if (count == 0) return;
    float rest[32 * ABREAST_OF_32] = { 0 };
    uint8_t blocks[34 * ABREAST_OF_32];
    memcpy(rest, in, count * sizeof(float));
    encode_abreast(find, pack, size, rest, blocks);
    memcpy(out, blocks, count / 32 * size);
}

// Four bits of each of 32 levels, and, before them, the fifth if there is one.
INLINE void pack_levels(const ints *levels, bool fifth, uint8_t *out)
{
    typedef uint8_t half __attribute__((ext_vector_type(16)));
    typedef bool flags __attribute__((ext_vector_type(16)));
    union {
        uint8_t levels[32];
        half halves[2];
    } all;
    store_as_bytes(levels, all.levels);
    UNROLLED for (int i = 0; fifth && i < 2; i++, out += 2) {
        flags high = __builtin_convertvector(all.halves[i] > 15, flags);
        memcpy(out, &high, 2);
    }
    half pairs = (all.halves[0] & 15) | all.halves[1] << 4;
    memcpy(out, &pairs, sizeof pairs);
}

// Packs the levels (x − offset)·factor + shift, cut off at both ends and without their fractions; NaN is level 0.
INLINE void pack_rounded(const unaligned_float *x, float offset, float factor, float shift, bool fifth, uint8_t *out)
{
    float highest = fifth ? 31 : 15;
    ints levels[32 / LANES];
    UNROLLED for (int i = 0; i < 32 / LANES; i++) {
        floats level = (loaded(x + LANES * i) - offset) * factor + shift;
        level = level > 0.0f ? level : 0.0f;
        level = highest < level ? highest : level;
        levels[i] = __builtin_convertvector(level, ints);
    }
    pack_levels(levels, fifth, out);
}

INLINE void store_halves(floats values, uint16_t *out)
{
    f16_from_f32(&values, out, LANES);
}

// What a scale is divided by. Where the inverse overflows, every level is 0 in the reference: NaN makes it so.
INLINE floats inverse_of(floats scale)
{
    floats inverse = 1.0f / scale;
    inverse = scale != 0.0f ? inverse : 0.0f;
    return __builtin_elementwise_abs(inverse) < INFINITY ? inverse : NAN;
}

// The first of 32 elements with a magnitude that one of them has; zeros have no sign here.
INLINE float first_of_magnitude(const unaligned_float *x, float magnitude)
{
    uint32_t found = 0;
    UNROLLED for (int i = 0; i < 32; i += LANES) {
        found |= bits_of_lanes(__builtin_elementwise_abs(loaded(x + i)) == magnitude) << i;
    }
    return magnitude > 0 && found != 0 ? x[__builtin_ctz(found)] : 0;
}

// Q4_0 and Q5_0: the farthest element has the level 0, and zero the one in the middle.
INLINE void find_symmetric(const unaligned_float *x, float middle, struct grids_of_32 *grids, int first)
{
    floats greatest[LANES], least[LANES];
    UNROLLED for (int b = 0; b < LANES; b++) {
        floats high = 0, low = 0;
        UNROLLED for (int i = 0; i < 32; i += LANES) {
            floats value = loaded(x + 32 * b + i);
            high = value > high ? value : high;
            low = value < low ? value : low;
        }
        greatest[b] = high;
        least[b] = -low;
    }
    floats high = folded_maximum(greatest), low = folded_maximum(least);
    floats farthest = high > low ? high : -low;
    for (uint32_t tied = bits_of_lanes(high == low); tied != 0; tied &= tied - 1) {
        int b = __builtin_ctz(tied);
        farthest[b] = first_of_magnitude(x + 32 * b, high[b]);
    }
    floats scale = farthest / -middle;
    store_halves(scale, grids->scales + first);
    store(inverse_of(scale), grids->inverses + first);
}

// Q4_1 and Q5_1: the least element has the level 0.
INLINE void find_ranged(const unaligned_float *x, float highest, struct grids_of_32 *grids, int first)
{
    floats greatest[LANES], least[LANES];
    UNROLLED for (int b = 0; b < LANES; b++) {
        floats high = -FLT_MAX, low = FLT_MAX;
        UNROLLED for (int i = 0; i < 32; i += LANES) {
            floats value = loaded(x + 32 * b + i);
            high = value > high ? value : high;
            low = value < low ? value : low;
        }
        greatest[b] = high;
        least[b] = -low;
    }
    floats high = folded_maximum(greatest), low = -folded_maximum(least);
    for (uint32_t zero = bits_of_lanes(low == 0.0f); zero != 0; zero &= zero - 1) {
        // Of zeros the first one counts, as its sign is stored.
        int b = __builtin_ctz(zero), i = 0;
        while (x[32 * b + i] != 0.0f) i++;
        low[b] = x[32 * b + i];
        if (high[b] == 0.0f) high[b] = low[b];
    }
    floats scale = (high - low) / highest;
    store_halves(scale, grids->scales + first);
    store_halves(low, grids->minima + first);
    store(inverse_of(scale), grids->inverses + first);
    store(low, grids->origins + first);
}

INLINE void find_q4_0(const unaligned_float *x, struct grids_of_32 *grids, int first)
{
    find_symmetric(x, 8, grids, first);
}

INLINE void find_q5_0(const unaligned_float *x, struct grids_of_32 *grids, int first)
{
    find_symmetric(x, 16, grids, first);
}

INLINE void find_q4_1(const unaligned_float *x, struct grids_of_32 *grids, int first)
{
    find_ranged(x, 15, grids, first);
}

INLINE void find_q5_1(const unaligned_float *x, struct grids_of_32 *grids, int first)
{
    find_ranged(x, 31, grids, first);
}

INLINE void pack_q4_0(const unaligned_float *x, const struct grids_of_32 *grids, int block, uint8_t *out)
{
    memcpy(out, grids->scales + block, 2);
    pack_rounded(x, 0, grids->inverses[block], 8.5f, false, out + 2);
}

INLINE void pack_q5_0(const unaligned_float *x, const struct grids_of_32 *grids, int block, uint8_t *out)
{
    memcpy(out, grids->scales + block, 2);
    pack_rounded(x, 0, grids->inverses[block], 16.5f, true, out + 2);
}

INLINE void pack_q4_1(const unaligned_float *x, const struct grids_of_32 *grids, int block, uint8_t *out)
{
    memcpy(out, grids->scales + block, 2);
    memcpy(out + 2, grids->minima + block, 2);
    pack_rounded(x, grids->origins[block], grids->inverses[block], 0.5f, false, out + 4);
}

INLINE void pack_q5_1(const unaligned_float *x, const struct grids_of_32 *grids, int block, uint8_t *out)
{
    memcpy(out, grids->scales + block, 2);
    memcpy(out + 2, grids->minima + block, 2);
    pack_rounded(x, grids->origins[block], grids->inverses[block], 0.5f, true, out + 4);
}

// 16 where the bit of an element's place in its block is set.
INLINE ints fifth_bits(uint32_t bits, int first)
{
    static const uint32_t places[32] = {
        1u << 0,  1u << 1,  1u << 2,  1u << 3,  1u << 4,  1u << 5,  1u << 6,  1u << 7,  1u << 8,  1u << 9,  1u << 10,
        1u << 11, 1u << 12, 1u << 13, 1u << 14, 1u << 15, 1u << 16, 1u << 17, 1u << 18, 1u << 19, 1u << 20, 1u << 21,
        1u << 22, 1u << 23, 1u << 24, 1u << 25, 1u << 26, 1u << 27, 1u << 28, 1u << 29, 1u << 30, 1u << 31,
    };
    ints place;
    memcpy(&place, places + first, sizeof place);
    return ((ints)(int32_t)bits & place) != 0 ? (ints)16 : (ints)0;
}

INLINE void decode_levels(const uint8_t *restrict in, bool fifth, bool ranged, unaligned_float *restrict out,
                          size_t blocks)
{
    const int middle = ranged ? 0 : fifth ? 16 : 8;
    for (; blocks > 0; blocks--, in += 16, out += 32) {
        floats scale = halves_at(in), minimum = 0;
        if (ranged) minimum = halves_at(in + 2);
        in += ranged ? 4 : 2;
        uint32_t high = fifth ? *(const unaligned_u32 *)in : 0;
        if (fifth) in += 4;
        UNROLLED for (int i = 0; i < 32; i += LANES) {
            ints level = loaded_bytes(in + i % 16);
            level = i < 16 ? level & 15 : level >> 4;
            if (fifth) level |= fifth_bits(high, i);
            floats value = __builtin_convertvector(level - middle, floats) * scale;
            store(ranged ? value + minimum : value, out + i);
        }
    }
}

static void decode_q4_0(const void *restrict source, void *restrict destination, size_t count)
{
    decode_levels(source, false, false, destination, count / 32);
}

static void decode_q4_1(const void *restrict source, void *restrict destination, size_t count)
{
    decode_levels(source, false, true, destination, count / 32);
}

static void decode_q5_0(const void *restrict source, void *restrict destination, size_t count)
{
    decode_levels(source, true, false, destination, count / 32);
}

static void decode_q5_1(const void *restrict source, void *restrict destination, size_t count)
{
    decode_levels(source, true, true, destination, count / 32);
}
