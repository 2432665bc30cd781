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

static void encode_q4_0(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    (void)importance;
    in_batches(q4_0_batch, 18, source, destination, rows * columns);
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
