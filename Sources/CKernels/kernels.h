// The kernels, written once; included per instruction set with the number of 32-bit lanes it works on at a time.
//
// Results are the same on every one: each operation is rounded on its own (AVX-512 and arm64 would fuse a*b+c), and a
// sum runs over its elements in order, because what shares a vector is always different groups, never different terms.

#pragma STDC FP_CONTRACT OFF
#pragma clang fp contract(off)

#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")

typedef float floats __attribute__((ext_vector_type(LANES)));
typedef int32_t ints __attribute__((ext_vector_type(LANES)));

#if LANES == 4
#define ZIPPED_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIPPED_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#elif LANES == 8
#define ZIPPED_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIPPED_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define ZIPPED_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIPPED_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#endif

// Unaligned access

typedef float unaligned_float __attribute__((aligned(1)));
typedef uint32_t unaligned_u32 __attribute__((aligned(1), may_alias));
typedef uint16_t unaligned_u16 __attribute__((aligned(1), may_alias));

INLINE floats loaded(const unaligned_float *source)
{
    floats value;
    memcpy(&value, source, sizeof value);
    return value;
}

INLINE uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Casts

INLINE uint16_t f16_of(float value)
{
#if HARDWARE_HALF
    _Float16 half = (_Float16)value;
    uint16_t bits;
    memcpy(&bits, &half, sizeof bits);
    return (bits & 0x7FFF) > 0x7C00 ? (bits & 0x8000) | 0x7E00 : bits;
#else
    uint32_t bits = bits_of(value), magnitude = bits & 0x7FFFFFFF;
    uint32_t normal = (magnitude + 0xFFF + (magnitude >> 13 & 1) - (112 << 23)) >> 13;
    // One unit in the last place of 0.5f is the smallest half: the addition rounds to it.
    uint32_t subnormal = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
    half = magnitude < 0x47800000 ? half : 0x7C00;
    half = magnitude > 0x7F800000 ? 0x7E00 : half;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
#endif
}

INLINE float f32_of_f16(uint16_t half)
{
#if HARDWARE_HALF
    _Float16 value;
    memcpy(&value, &half, sizeof half);
    return (float)value;
#else
    uint32_t shifted = (uint32_t)(half & 0x7FFF) << 13;
    uint32_t normal = shifted + (112 << 23);
    uint32_t subnormal = bits_of(float_of(shifted + (113 << 23)) - float_of(113 << 23));
    uint32_t special = shifted | 0x7F800000 | (shifted > 0x0F800000 ? 0x00400000 : 0);
    uint32_t bits = shifted < 0x00800000 ? subnormal : normal;
    bits = shifted < 0x0F800000 ? bits : special;
    return float_of(bits | (uint32_t)(half & 0x8000) << 16);
#endif
}

INLINE uint16_t bf16_of(float value)
{
    uint32_t bits = bits_of(value);
    uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? bits >> 16 | 64 : rounded);
}

INLINE float f32_of_bf16(uint16_t brain)
{
    return float_of((uint32_t)brain << 16);
}

#define CAST(name, from, to, expression)                                                        \
    static void name(const void *restrict source, void *restrict destination, size_t count)    \
    {                                                                                           \
        const from *restrict in = source;                                                       \
        to *restrict out = destination;                                                         \
        for (size_t i = 0; i < count; i++) out[i] = expression;                                 \
    }

CAST(f16_from_f32, unaligned_float, unaligned_u16, f16_of(in[i]))
CAST(f16_from_bf16, unaligned_u16, unaligned_u16, f16_of(f32_of_bf16(in[i])))
CAST(bf16_from_f32, unaligned_float, unaligned_u16, bf16_of(in[i]))
CAST(f32_from_f16, unaligned_u16, unaligned_float, f32_of_f16(in[i]))
CAST(f32_from_bf16, unaligned_u16, unaligned_u32, (uint32_t)in[i] << 16)

// Tallies

// Counting a stretch in 32 bits keeps the counters as narrow as the elements.
#define TALLY(name, condition)                                                                  \
    static size_t name(const void *restrict source, size_t count)                              \
    {                                                                                           \
        const unaligned_u32 *restrict in = source;                                              \
        size_t total = 0;                                                                       \
        for (size_t start = 0; start < count; start += 65536) {                                 \
            size_t end = count - start < 65536 ? count : start + 65536;                         \
            uint32_t found = 0;                                                                 \
            for (size_t i = start; i < end; i++) {                                              \
                uint32_t bits = in[i], magnitude = bits & 0x7FFFFFFF;                           \
                found += (condition);                                                           \
            }                                                                                   \
            total += found;                                                                     \
        }                                                                                       \
        return total;                                                                           \
    }

TALLY(nonfinite, magnitude >= 0x7F800000)
TALLY(overflowing_f16, (magnitude >= 0x477FF000) & (magnitude < 0x7F800000))
TALLY(inexact_f16, (magnitude <= 0x7F800000) & (bits_of(f32_of_f16(f16_of(float_of(bits)))) != bits))
TALLY(inexact_bf16, (magnitude <= 0x7F800000) & ((bits & 0xFFFF) != 0))

// Q4_0 and Q8_0: a block of 32 per lane for the scales, then 32 elements of a block side by side for the levels

// Lane b is the greatest lane of rows[b]: a transposition that folds as it goes. The rows are used up.
INLINE floats folded_maximum(floats rows[LANES])
{
    UNROLLED for (int n = LANES / 2; n > 0; n /= 2) {
        UNROLLED for (int i = 0; i < n; i++) {
            floats low = ZIPPED_LOW(rows[i], rows[i + n]), high = ZIPPED_HIGH(rows[i], rows[i + n]);
            rows[i] = low > high ? low : high;
        }
    }
    return rows[0];
}

// Runs `batch`, which encodes LANES blocks of 32, over `count` elements; a last short batch is filled up with zeros.
INLINE void in_batches(void (*batch)(const unaligned_float *, uint8_t *), size_t block_size, const void *source,
                       void *destination, size_t count)
{
    const unaligned_float *in = source;
    uint8_t *out = destination;
    for (; count >= 32 * LANES; count -= 32 * LANES, in += 32 * LANES, out += block_size * LANES) batch(in, out);
    if (count == 0) return;
    float rest[32 * LANES] = { 0 };
    uint8_t blocks[34 * LANES];
    memcpy(rest, in, count * sizeof(float));
    batch(rest, blocks);
    memcpy(out, blocks, count / 32 * block_size);
}

// The element farthest from zero, the first of several.
INLINE float extreme(const unaligned_float *x, int count)
{
    float magnitude = 0, value = 0;
    for (int i = 0; i < count; i++) {
        if (fabsf(x[i]) > magnitude) {
            magnitude = fabsf(x[i]);
            value = x[i];
        }
    }
    return value;
}

INLINE void q4_0_batch(const unaligned_float *x, uint8_t *out)
{
    floats greatest[LANES], least[LANES];
    UNROLLED for (int b = 0; b < LANES; b++) {
        floats high = 0, low = 0;
        UNROLLED for (int i = 0; i < 32; i += LANES) {
            floats value = loaded(x + 32 * b + i);
            high = value > high ? value : high;
            low = -value > low ? -value : low;
        }
        greatest[b] = high;
        least[b] = low;
    }
    floats high = folded_maximum(greatest), low = folded_maximum(least);
    floats farthest = high > low ? high : -low;
    ints tied = high == low;
    for (int b = 0; b < LANES; b++) {
        if (tied[b]) farthest[b] = extreme(x + 32 * b, 32);
    }
    floats scale = farthest / -8.0f, inverse = 1.0f / scale;
    inverse = scale != 0.0f ? inverse : 0.0f;
    // Where the inverse overflows, every level is 0 in the reference: NaN is below 0 in what follows.
    inverse = __builtin_elementwise_abs(inverse) < INFINITY ? inverse : NAN;
    for (int b = 0; b < LANES; b++, x += 32, out += 18) {
        float factor = inverse[b];
        uint16_t half = f16_of(scale[b]);
        memcpy(out, &half, sizeof half);
        uint8_t levels[32];
        for (int i = 0; i < 32; i++) {
            float level = x[i] * factor + 8.5f;
            level = level > 0.0f ? level : 0.0f;
            level = 15.0f < level ? 15.0f : level;
            levels[i] = (uint8_t)(int32_t)level;
        }
        for (int i = 0; i < 16; i++) out[2 + i] = levels[i] | (uint8_t)(levels[i + 16] << 4);
    }
}

static void encode_q4_0(const void *restrict source, void *restrict destination, size_t count)
{
    in_batches(q4_0_batch, 18, source, destination, count);
}

static void decode_q4_0(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 32; block++, in += 18, out += 32) {
        float scale = f32_of_f16(*(const unaligned_u16 *)in);
        int8_t levels[32];
        for (int i = 0; i < 16; i++) {
            levels[i] = (int8_t)((in[2 + i] & 15) - 8);
            levels[i + 16] = (int8_t)((in[2 + i] >> 4) - 8);
        }
        for (int i = 0; i < 32; i++) out[i] = (float)levels[i] * scale;
    }
}

INLINE void q8_0_batch(const unaligned_float *x, uint8_t *out)
{
    floats greatest[LANES];
    UNROLLED for (int b = 0; b < LANES; b++) {
        floats high = 0;
        UNROLLED for (int i = 0; i < 32; i += LANES) {
            floats magnitude = __builtin_elementwise_abs(loaded(x + 32 * b + i));
            high = magnitude > high ? magnitude : high;
        }
        greatest[b] = high;
    }
    floats scale = folded_maximum(greatest) / 127.0f, inverse = 1.0f / scale;
    inverse = scale != 0.0f ? inverse : 0.0f;
    for (int b = 0; b < LANES; b++, x += 32, out += 34) {
        float factor = inverse[b];
        uint16_t half = f16_of(scale[b]);
        memcpy(out, &half, sizeof half);
        for (int i = 0; i < 32; i++) {
            // Half away from zero: the largest float below 0.5 leaves what lies just under a tie where it is.
            float level = x[i] * factor;
            level += copysignf(0x1.fffffep-2f, level);
            // What an infinite inverse made is level 0 in the reference.
            out[2 + i] = (uint8_t)(int32_t)(fabsf(level) < 128.0f ? level : 0.0f);
        }
    }
}

static void encode_q8_0(const void *restrict source, void *restrict destination, size_t count)
{
    in_batches(q8_0_batch, 34, source, destination, count);
}

static void decode_q8_0(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 32; block++, in += 34, out += 32) {
        float scale = f32_of_f16(*(const unaligned_u16 *)in);
        for (int i = 0; i < 32; i++) out[i] = (float)(int8_t)in[2 + i] * scale;
    }
}

// Q6_K: a group of 16 per lane

// Adding 1.5·2^23 leaves no fraction bits: what remains is the nearest integer, ties to even.
#define TO_INTEGER 12582912.0f
#define SMALLEST_GROUP 1e-15f

INLINE int32_t nearest(float value)
{
    return (int32_t)(bits_of(value + TO_INTEGER) & 0x7FFFFF) - 0x400000;
}

// Volatile, because a known bound would be folded into the subtraction after it and cost a comparison and a blend.
static const volatile float highest_level = TO_INTEGER + 31.0f;

// The search of one scale for each of LANES groups.
struct search {
    floats x[16], weight[16], weighted[16];
    floats farthest;
    floats scale, merit;
    floats inverse;  // what gives the levels when multiplied by the elements
};

// Tries the grids on which the farthest element lies at 32 + step/10, for `count` consecutive steps: together, so that
// their sums, each of which must wait for its last addition, can overlap.
INLINE void try_grids(struct search *s, int step, int count)
{
    floats highest = highest_level, inverse[3], products[3], squares[3];
    UNROLLED for (int c = 0; c < count; c++) {
        inverse[c] = -(32.0f + 0.1f * (float)(step + c)) / s->farthest;
        products[c] = squares[c] = 0;
    }
    UNROLLED for (int i = 0; i < 16; i++) {
        UNROLLED for (int c = 0; c < count; c++) {
            floats level = inverse[c] * s->x[i] + TO_INTEGER;
            // No grid of a smaller step reaches below.
            if (step > 0) level = level > TO_INTEGER - 32.0f ? level : TO_INTEGER - 32.0f;
            level = level < highest ? level : highest;
            level -= TO_INTEGER;
            products[c] += s->weighted[i] * level;
            squares[c] += s->weight[i] * level * level;
        }
    }
    UNROLLED for (int c = 0; c < count; c++) {
        ints better = squares[c] > 0.0f & products[c] * products[c] > s->merit * squares[c];
        floats scale = products[c] / squares[c];
        if (step == 0) {
            better = -1;
            scale = squares[c] != 0.0f ? scale : 0.0f;
        }
        s->scale = better ? scale : s->scale;
        s->merit = better ? scale * products[c] : s->merit;
        s->inverse = better ? inverse[c] : s->inverse;
    }
}

// The scales of LANES groups that lie one after the other, weighted by x², and what gives their levels: 0 and NaN for a
// group of zeros.
INLINE void fit_groups(const unaligned_float *source, floats *scales, floats *inverses)
{
    struct search s;
    UNROLLED for (int column = 0; column < 16; column += LANES) {
        floats rows[LANES];
        UNROLLED for (int i = 0; i < LANES; i++) rows[i] = loaded(source + 16 * i + column);
        UNROLLED for (int round = 1; round < LANES; round *= 2) {
            floats zipped[LANES];
            UNROLLED for (int i = 0; i < LANES / 2; i++) {
                zipped[2 * i] = ZIPPED_LOW(rows[i], rows[i + LANES / 2]);
                zipped[2 * i + 1] = ZIPPED_HIGH(rows[i], rows[i + LANES / 2]);
            }
            memcpy(rows, zipped, sizeof rows);
        }
        memcpy(s.x + column, rows, sizeof rows);
    }
    floats magnitude = 0;
    s.farthest = 0;
    UNROLLED for (int i = 0; i < 16; i++) {
        floats candidate = __builtin_elementwise_abs(s.x[i]);
        ints farther = candidate > magnitude;
        magnitude = farther ? candidate : magnitude;
        s.farthest = farther ? s.x[i] : s.farthest;
        s.weight[i] = s.x[i] * s.x[i];
        s.weighted[i] = s.weight[i] * s.x[i];
    }
    try_grids(&s, 0, 1);
    for (int step = -9; step < 0; step += 3) try_grids(&s, step, 3);
    for (int step = 1; step < 10; step += 3) try_grids(&s, step, 3);
    ints zeros = magnitude < SMALLEST_GROUP;
    *scales = zeros ? 0.0f : s.scale;
    *inverses = zeros ? NAN : s.inverse;
}

static void encode_q6_k(const void *restrict source, void *restrict destination, size_t count)
{
    const unaligned_float *restrict x = source;
    uint8_t *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, x += 256, out += 210) {
        float scales[16], inverses[16];
        for (int group = 0; group < 16; group += LANES) {
            floats scale, inverse;
            fit_groups(x + 16 * group, &scale, &inverse);
            memcpy(scales + group, &scale, sizeof scale);
            memcpy(inverses + group, &inverse, sizeof inverse);
        }
        float greatest = extreme(scales, 16);
        if (fabsf(greatest) < SMALLEST_GROUP) {
            memset(out, 0, 210);
            continue;
        }
        float factor = -128.0f / greatest;
        uint16_t half = f16_of(1.0f / factor);
        uint8_t levels[256];
        for (int group = 0; group < 16; group++) {
            int32_t multiple = nearest(factor * scales[group]);
            multiple = multiple < 127 ? multiple : 127;
            out[192 + group] = (uint8_t)multiple;
            float scale = f32_of_f16(half) * (float)(int8_t)multiple;
            float scaled[16];
            if (scale != 0.0f) {
                for (int i = 0; i < 16; i++) scaled[i] = x[16 * group + i] / scale;
            } else {
                for (int i = 0; i < 16; i++) scaled[i] = x[16 * group + i] * inverses[group];
            }
            for (int i = 0; i < 16; i++) {
                int32_t level = nearest(scaled[i]);
                level = level > -32 ? level : -32;
                level = level < 31 ? level : 31;
                levels[16 * group + i] = (uint8_t)(level + 32);
            }
            if (scale == 0.0f && inverses[group] != inverses[group]) memset(levels + 16 * group, 0, 16);
        }
        memcpy(out + 208, &half, sizeof half);
        for (int part = 0; part < 2; part++) {
            const uint8_t *restrict level = levels + 128 * part;
            uint8_t *restrict low = out + 64 * part, *restrict high = out + 128 + 32 * part;
            for (int i = 0; i < 64; i++) low[i] = (level[i] & 15) | (uint8_t)(level[i + 64] << 4);
            for (int i = 0; i < 32; i++) {
                high[i] = (uint8_t)(level[i] >> 4 | level[i + 32] >> 4 << 2 | level[i + 64] >> 4 << 4
                                    | level[i + 96] >> 4 << 6);
            }
        }
    }
}

static void decode_q6_k(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 210) {
        float scale = f32_of_f16(*(const unaligned_u16 *)(in + 208));
        for (int group = 0; group < 16; group++, out += 16) {
            int part = group / 8, quarter = group / 2 % 4, side = group % 2 * 16;
            const uint8_t *low = in + 64 * part + quarter % 2 * 32 + side, *high = in + 128 + 32 * part + side;
            int low_shift = quarter / 2 * 4, high_shift = quarter * 2;
            float multiple = scale * (float)(int8_t)in[192 + group];
            for (int i = 0; i < 16; i++) {
                int level = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
                out[i] = multiple * (float)(level - 32);
            }
        }
    }
}

const struct ck_kernels TABLE = {
    .instruction_set = INSTRUCTION_SET,
    .f16_from_f32 = f16_from_f32,
    .f16_from_bf16 = f16_from_bf16,
    .bf16_from_f32 = bf16_from_f32,
    .f32_from_f16 = f32_from_f16,
    .f32_from_bf16 = f32_from_bf16,
    .encode_q4_0 = encode_q4_0,
    .encode_q8_0 = encode_q8_0,
    .encode_q6_k = encode_q6_k,
    .decode_q4_0 = decode_q4_0,
    .decode_q8_0 = decode_q8_0,
    .decode_q6_k = decode_q6_k,
    .nonfinite = nonfinite,
    .overflowing_f16 = overflowing_f16,
    .inexact_f16 = inexact_f16,
    .inexact_bf16 = inexact_bf16,
};
