// TQ1_0, TQ2_0, Q1_0 and Q2_0: one scale, and levels of one trit, one bit or two bits

// The magnitude of the element farthest from zero; `count` is a multiple of LANES.
INLINE float greatest_magnitude(const unaligned_float *x, int count)
{
    floats greatest = 0;
    UNROLLED for (int i = 0; i < count; i += LANES) {
        floats magnitude = __builtin_elementwise_abs(loaded(x + i));
        greatest = magnitude > greatest ? magnitude : greatest;
    }
    // What is not negative is ordered like its bits.
    ints bits;
    memcpy(&bits, &greatest, sizeof bits);
    return float_of((uint32_t)__builtin_reduce_max(bits));
}

// NaN where the inverse overflows: no level compares with it.
INLINE float inverse_scale(float scale)
{
    float inverse = scale != 0.0f ? 1.0f / scale : 0.0f;
    return inverse < INFINITY ? inverse : NAN;
}

INLINE void store_half(uint8_t *out, float value)
{
    uint16_t half = f16_of(value);
    memcpy(out, &half, sizeof half);
}

// −1, 0 or 1, plus one; what is not finite is level 0 in the reference.
INLINE void trits_of(const unaligned_float *restrict x, float inverse, uint8_t *restrict trits)
{
    for (int i = 0; i < 256; i++) {
        float level = x[i] * inverse;
        trits[i] = (uint8_t)(1 + (level >= 0.5f) - (level <= -0.5f));
    }
}

// `depth` trits in each of `width` bytes, as a fraction of 3^5 scaled to 256 and rounded up.
INLINE void pack_trits(const uint8_t *restrict trits, uint8_t *restrict out, int width, int depth)
{
    for (int i = 0; i < width; i++) {
        uint16_t digits = 0;
        UNROLLED for (int n = 0; n < 5; n++) digits = (uint16_t)(digits * 3 + (n < depth ? trits[width * n + i] : 0));
        out[i] = (uint8_t)((digits * 256 + 242) / 243);
    }
}

INLINE void unpack_trits(const uint8_t *restrict in, unaligned_float *restrict out, int width, int depth, float scale)
{
    static const uint8_t powers[5] = { 1, 3, 9, 27, 81 };
    UNROLLED for (int n = 0; n < depth; n++) {
        for (int i = 0; i < width; i++) {
            uint8_t fraction = (uint8_t)(in[i] * powers[n]);
            out[width * n + i] = (float)((fraction * 3 >> 8) - 1) * scale;
        }
    }
}

static void encode_tq1_0(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                         const float *_Nullable importance)
{
    (void)importance;
    const unaligned_float *restrict x = source;
    uint8_t *restrict out = destination;
    for (size_t block = 0; block < rows * columns / 256; block++, x += 256, out += 54) {
        float scale = greatest_magnitude(x, 256);
        uint8_t trits[256];
        trits_of(x, inverse_scale(scale), trits);
        pack_trits(trits, out, 32, 5);
        pack_trits(trits + 160, out + 32, 16, 5);
        pack_trits(trits + 240, out + 48, 4, 4);
        store_half(out + 52, scale);
    }
}

static void decode_tq1_0(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 54, out += 256) {
        float scale = half_at(in + 52);
        unpack_trits(in, out, 32, 5, scale);
        unpack_trits(in + 32, out + 160, 16, 5, scale);
        unpack_trits(in + 48, out + 240, 4, 4, scale);
    }
}

static void encode_tq2_0(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                         const float *_Nullable importance)
{
    (void)importance;
    const unaligned_float *restrict x = source;
    uint8_t *restrict out = destination;
    for (size_t block = 0; block < rows * columns / 256; block++, x += 256, out += 66) {
        float scale = greatest_magnitude(x, 256);
        uint8_t trits[256];
        trits_of(x, inverse_scale(scale), trits);
        for (int part = 0; part < 2; part++) {
            const uint8_t *trit = trits + 128 * part;
            for (int i = 0; i < 32; i++) {
                out[32 * part + i] = (uint8_t)(trit[i] | trit[i + 32] << 2 | trit[i + 64] << 4 | trit[i + 96] << 6);
            }
        }
        store_half(out + 64, scale);
    }
}

static void decode_tq2_0(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 66) {
        float scale = half_at(in + 64);
        for (int quarter = 0; quarter < 8; quarter++, out += 32) {
            for (int i = 0; i < 32; i++) {
                int level = in[quarter / 4 * 32 + i] >> 2 * (quarter % 4) & 3;
                out[i] = (float)(level - 1) * scale;
            }
        }
    }
}

static void encode_q1_0(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    (void)importance;
    const unaligned_float *restrict x = source;
    uint8_t *restrict out = destination;
    for (size_t block = 0; block < rows * columns / 128; block++, x += 128, out += 18) {
        float sum = 0;
        for (int i = 0; i < 128; i++) sum += fabsf(x[i]);
        store_half(out, sum / 128.0f);
        for (int byte = 0; byte < 16; byte++) {
            int bits = 0;
            UNROLLED for (int i = 0; i < 8; i++) bits |= (x[8 * byte + i] >= 0.0f) << i;
            out[2 + byte] = (uint8_t)bits;
        }
    }
}

static void decode_q1_0(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 128; block++, in += 18, out += 128) {
        float scale = half_at(in);
        for (int byte = 0; byte < 16; byte++) {
            for (int i = 0; i < 8; i++) out[8 * byte + i] = in[2 + byte] >> i & 1 ? scale : -scale;
        }
    }
}

static void encode_q2_0(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    (void)importance;
    const unaligned_float *restrict x = source;
    uint8_t *restrict out = destination;
    for (size_t block = 0; block < rows * columns / 64; block++, x += 64, out += 18) {
        float scale = greatest_magnitude(x, 64), inverse = inverse_scale(scale);
        store_half(out, scale);
        uint8_t levels[64];
        for (int i = 0; i < 64; i++) {
            // What is not finite is the lowest level in the reference.
            float level = x[i] * inverse;
            levels[i] = (uint8_t)((level > -0.5f) + (level >= 0.5f));
        }
        for (int i = 0; i < 16; i++) {
            const uint8_t *level = levels + 4 * i;
            out[2 + i] = (uint8_t)(level[0] | level[1] << 2 | level[2] << 4 | level[3] << 6);
        }
    }
}

static void decode_q2_0(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 64; block++, in += 18, out += 64) {
        float scale = half_at(in);
        for (int byte = 0; byte < 16; byte++) {
            UNROLLED for (int i = 0; i < 4; i++) {
                out[4 * byte + i] = (float)((in[2 + byte] >> 2 * i & 3) - 1) * scale;
            }
        }
    }
}
