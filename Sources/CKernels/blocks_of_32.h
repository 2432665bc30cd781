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

// Four bits of each level, and the fifth of each if there is one.
INLINE void pack_levels(const uint8_t *restrict levels, bool fifth, uint8_t *restrict out)
{
    if (fifth) {
        for (int part = 0; part < 4; part++) {
            uint64_t eight;
            memcpy(&eight, levels + 8 * part, 8);
            // The fifth bits of eight bytes, brought together in the highest byte.
            *out++ = (uint8_t)((eight >> 4 & 0x0101010101010101) * 0x0102040810204080 >> 56);
        }
    }
    for (int i = 0; i < 16; i++) out[i] = (levels[i] & 15) | (uint8_t)(levels[i + 16] << 4);
}

// Levels are cut off below and at `highest`, and fractions dropped; NaN is level 0.
INLINE void round_levels(const unaligned_float *x, float offset, float factor, float shift, float highest,
                         uint8_t *levels)
{
    for (int i = 0; i < 32; i++) {
        float level = (x[i] - offset) * factor + shift;
        level = level > 0.0f ? level : 0.0f;
        level = highest < level ? highest : level;
        levels[i] = (uint8_t)(int32_t)level;
    }
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
    float middle = fifth ? 16 : 8;
    floats scale = farthest / -middle, inverse = inverse_of(scale);
    for (int b = 0; b < LANES; b++, x += 32, out += fifth ? 22 : 18) {
        uint16_t half = f16_of(scale[b]);
        uint8_t levels[32];
        memcpy(out, &half, sizeof half);
        round_levels(x, 0, inverse[b], middle + 0.5f, 2 * middle - 1, levels);
        pack_levels(levels, fifth, out + 2);
    }
}

// Q4_1 and Q5_1: the least element has the level 0.
INLINE void ranged_batch(const unaligned_float *x, uint8_t *out, bool fifth)
{
    floats greatest[LANES], least[LANES];
    UNROLLED for (int b = 0; b < LANES; b++) {
        floats high = -FLT_MAX, low = -FLT_MAX;
        UNROLLED for (int i = 0; i < 32; i += LANES) {
            floats value = loaded(x + 32 * b + i);
            high = value > high ? value : high;
            low = -value > low ? -value : low;
        }
        greatest[b] = high;
        least[b] = low;
    }
    floats high = folded_maximum(greatest), low = -folded_maximum(least);
    ints zero = low == 0.0f;
    for (int b = 0; b < LANES; b++) {
        if (!zero[b]) continue;
        // Of zeros the first one counts, as its sign is stored.
        int i = 0;
        while (x[32 * b + i] != 0.0f) i++;
        low[b] = x[32 * b + i];
        if (high[b] == 0.0f) high[b] = low[b];
    }
    float highest = fifth ? 31 : 15;
    floats scale = (high - low) / highest, inverse = inverse_of(scale);
    for (int b = 0; b < LANES; b++, x += 32, out += fifth ? 24 : 20) {
        uint16_t halves[2] = { f16_of(scale[b]), f16_of(low[b]) };
        uint8_t levels[32];
        memcpy(out, halves, sizeof halves);
        round_levels(x, low[b], inverse[b], 0.5f, highest, levels);
        pack_levels(levels, fifth, out + 4);
    }
}

INLINE void q4_0_batch(const unaligned_float *x, uint8_t *out) { symmetric_batch(x, out, false); }
INLINE void q4_1_batch(const unaligned_float *x, uint8_t *out) { ranged_batch(x, out, false); }
INLINE void q5_0_batch(const unaligned_float *x, uint8_t *out) { symmetric_batch(x, out, true); }
INLINE void q5_1_batch(const unaligned_float *x, uint8_t *out) { ranged_batch(x, out, true); }

// x = (scale·level) + minimum, levels counted from −`middle`.
INLINE void decode_levels(const uint8_t *restrict in, bool fifth, int middle, bool ranged, unaligned_float *restrict out,
                          size_t blocks)
{
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
    decode_levels(source, false, 8, false, destination, count / 32);
}

static void decode_q4_1(const void *restrict source, void *restrict destination, size_t count)
{
    decode_levels(source, false, 0, true, destination, count / 32);
}

static void decode_q5_0(const void *restrict source, void *restrict destination, size_t count)
{
    decode_levels(source, true, 16, false, destination, count / 32);
}

static void decode_q5_1(const void *restrict source, void *restrict destination, size_t count)
{
    decode_levels(source, true, 0, true, destination, count / 32);
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

static void encode_q8_0(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    (void)importance;
    in_batches(q8_0_batch, 34, source, destination, rows * columns);
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
