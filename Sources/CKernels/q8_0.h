// Q8_0: signed bytes with one scale

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
    // What an infinite inverse makes is level 0 in the reference; all others stay below 128, and NaNs are refused.
    inverse = scale != 0.0f ? inverse : 0.0f;
    inverse = inverse < __builtin_inff() ? inverse : 0.0f;
    uint16_t halves[LANES];
    store_halves(scale, halves);
    for (int b = 0; b < LANES; b++, x += 32, out += 34) {
        float factor = inverse[b];
        memcpy(out, halves + b, 2);
        for (int i = 0; i < 32; i++) {
            // Half away from zero: the largest float below 0.5 leaves what lies just under a tie where it is.
            float level = x[i] * factor;
            level += copysignf(0x1.fffffep-2f, level);
            out[2 + i] = (uint8_t)(int32_t)level;
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
