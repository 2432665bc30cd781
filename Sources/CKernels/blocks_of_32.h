// Blocks of 32, rounded: a block per lane for the scales, then 32 elements of a block side by side for the levels

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

// Four bits of each of 32 levels, and, before them, the fifth if there is one.
INLINE void pack_levels(const ints *levels, bool fifth, uint8_t *out)
{
    if (fifth) {
        uint32_t bits = 0;
        UNROLLED for (int i = 0; i < 32 / LANES; i++) bits |= bits_of_lanes(levels[i] > 15) << LANES * i;
        memcpy(out, &bits, 4);
        out += 4;
    }
    typedef int32_t wide __attribute__((ext_vector_type(16)));
    typedef uint8_t narrow __attribute__((ext_vector_type(16)));
    wide low, high;
    memcpy(&low, levels, sizeof low);
    memcpy(&high, levels + 16 / LANES, sizeof high);
    narrow pairs = __builtin_convertvector((low & 15) | (high & 15) << 4, narrow);
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

// Q4_0 and Q5_0: the farthest element has the level 0, and zero the one in the middle.
INLINE void symmetric_batch(const unaligned_float *x, uint8_t *out, bool fifth)
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
    ints tied = high == low;
    for (int b = 0; any_of(tied) && b < LANES; b++) {
        if (tied[b]) farthest[b] = extreme(x + 32 * b, 32);
    }
    float middle = fifth ? 16 : 8;
    floats scale = farthest / -middle, inverse = inverse_of(scale);
    uint16_t halves[LANES];
    store_halves(scale, halves);
    for (int b = 0; b < LANES; b++, x += 32, out += fifth ? 22 : 18) {
        memcpy(out, halves + b, 2);
        pack_rounded(x, 0, inverse[b], middle + 0.5f, fifth, out + 2);
    }
}

// Q4_1 and Q5_1: the least element has the level 0.
INLINE void ranged_batch(const unaligned_float *x, uint8_t *out, bool fifth)
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
    ints zero = low == 0.0f;
    for (int b = 0; any_of(zero) && b < LANES; b++) {
        if (!zero[b]) continue;
        // Of zeros the first one counts, as its sign is stored.
        int i = 0;
        while (x[32 * b + i] != 0.0f) i++;
        low[b] = x[32 * b + i];
        if (high[b] == 0.0f) high[b] = low[b];
    }
    floats scale = (high - low) / (fifth ? 31.0f : 15.0f), inverse = inverse_of(scale);
    uint16_t halves[LANES], minima[LANES];
    store_halves(scale, halves);
    store_halves(low, minima);
    for (int b = 0; b < LANES; b++, x += 32, out += fifth ? 24 : 20) {
        memcpy(out, halves + b, 2);
        memcpy(out + 2, minima + b, 2);
        pack_rounded(x, low[b], inverse[b], 0.5f, fifth, out + 4);
    }
}

INLINE void q4_0_batch(const unaligned_float *x, uint8_t *out) { symmetric_batch(x, out, false); }
INLINE void q4_1_batch(const unaligned_float *x, uint8_t *out) { ranged_batch(x, out, false); }
INLINE void q5_0_batch(const unaligned_float *x, uint8_t *out) { symmetric_batch(x, out, true); }
INLINE void q5_1_batch(const unaligned_float *x, uint8_t *out) { ranged_batch(x, out, true); }

INLINE void decode_levels(const uint8_t *restrict in, bool fifth, bool ranged, unaligned_float *restrict out,
                          size_t blocks)
{
    const int middle = ranged ? 0 : fifth ? 16 : 8;
    for (; blocks > 0; blocks--, out += 32) {
        float scale = f32_of_f16(*(const unaligned_u16 *)in), minimum = 0;
        if (ranged) minimum = f32_of_f16(*(const unaligned_u16 *)(in + 2));
        in += ranged ? 4 : 2;
        int8_t levels[32];
        uint32_t high = fifth ? *(const unaligned_u32 *)in : 0;
        if (fifth) in += 4;
        for (int i = 0; i < 16; i++) {
            levels[i] = (int8_t)(in[i] & 15);
            levels[i + 16] = (int8_t)(in[i] >> 4);
        }
        for (int i = 0; i < 32; i++) levels[i] = (int8_t)((levels[i] | (high >> i & 1) << 4) - middle);
        for (int i = 0; i < 32; i++) {
            float value = (float)levels[i] * scale;
            out[i] = ranged ? value + minimum : value;
        }
        in += 16;
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
