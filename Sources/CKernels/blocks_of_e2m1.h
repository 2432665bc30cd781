// MXFP4 and NVFP4: the levels ±{0, 1, 2, 3, 4, 6, 8, 12} of E2M1, doubled, and a scale of eight bits, halved

INLINE void e2m1_levels(float step, float levels[8])
{
    static const float doubled[8] = { 0, 1, 2, 3, 4, 6, 8, 12 };
    UNROLLED for (int i = 0; i < 8; i++) levels[i] = doubled[i] * step;
}

// The code of the level nearest to x, of the smallest magnitude if there are several; the levels are not negative.
INLINE uint8_t nearest_e2m1(const float levels[8], float x)
{
    float magnitude = fabsf(x), least = magnitude;
    int32_t code = 0;
    UNROLLED for (int i = 1; i < 8; i++) {
        float error = fabsf(levels[i] - magnitude);
        code = error < least ? i : code;
        least = error < least ? error : least;
    }
    return (uint8_t)(code | ((x < 0.0f) & (code != 0)) << 3);
}

// The doubled level of a code. Subtracted from zero, because there is no negative zero.
INLINE float e2m1_level(uint8_t code)
{
    float level = 2.0f * expanded(code & 7, 1, 1);
    return code & 8 ? 0.0f - level : level;
}

// The levels of `count` elements, whose second half lies in the upper nibbles.
INLINE void encode_e2m1(const unaligned_float *restrict x, float step, uint8_t *restrict out, int count)
{
    float levels[8];
    e2m1_levels(step, levels);
    uint8_t codes[32];
    for (int i = 0; i < count; i++) codes[i] = nearest_e2m1(levels, x[i]);
    for (int i = 0; i < count / 2; i++) out[i] = codes[i] | (uint8_t)(codes[count / 2 + i] << 4);
}

INLINE void decode_e2m1(const uint8_t *restrict in, float step, unaligned_float *restrict out, int count)
{
    for (int i = 0; i < count / 2; i++) {
        out[i] = step * e2m1_level(in[i] & 15);
        out[count / 2 + i] = step * e2m1_level(in[i] >> 4);
    }
}

// floorf(log2f(x)) for a positive x. Just below a power of two the logarithm rounds up to it: where the nearest float to
// the logarithm is `next`, which it is for the mantissas whose distance is less than ln 2 of half a step of the floats
// below `next`.
INLINE int32_t floored_logarithm(float x)
{
    static const uint8_t distances[8] = { 0, 1, 2, 5, 11, 22, 44, 88 };  // 2^i ln 2
    uint32_t bits = bits_of(x);
    int32_t exponent = (int32_t)(bits >> 23) - 127;
    if (bits < 0x00800000) {
        bits = bits_of(x * 0x1p23f);
        exponent = (int32_t)(bits >> 23) - 127 - 23;
    }
    int32_t next = exponent + 1, below = next > 0 ? next - 1 : -next;
    uint32_t distance = 0x800000 - (bits & 0x7FFFFF);
    return below > 0 && distance <= distances[31 - __builtin_clz((uint32_t)below)] ? next : exponent;
}

// 2^(e − 127), halved; 255 is a number too.
INLINE float mxfp4_step(uint8_t e)
{
    return float_of(e < 2 ? (uint32_t)0x00200000 << e : (uint32_t)(e - 1) << 23);
}

static void encode_mxfp4(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                         const float *_Nullable importance)
{
    (void)importance;
    const unaligned_float *restrict x = source;
    uint8_t *restrict out = destination;
    for (size_t block = 0; block < rows * columns / 32; block++, x += 32, out += 17) {
        float greatest = greatest_magnitude(x, 32);
        // The reference wraps for blocks below 2^-125, and refuses its own files if that gives NaN.
        uint8_t e = 0.0f < greatest && greatest < INFINITY ? (uint8_t)(floored_logarithm(greatest) + 125) : 0;
        out[0] = e == 255 ? 0 : e;
        encode_e2m1(x, mxfp4_step(out[0]), out + 1, 32);
    }
}

static void decode_mxfp4(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 32; block++, in += 17, out += 32) {
        decode_e2m1(in + 1, mxfp4_step(in[0]), out, 32);
    }
}

// The scale for a group of NVFP4: E4M3 without a sign, halves rounded up. From 256 on it is 448, the largest.
INLINE uint8_t nvfp4_scale(float value)
{
    uint32_t bits = bits_of(value);
    if (!(value > 0.0f)) return 0;
    if (value >= 256.0f) return 0x7E;
    if (value < 0x1p-6f) {
        int32_t level = (int32_t)(value * 512.0f + 0.5f);
        return (uint8_t)(level < 7 ? level : 7);
    }
    uint32_t rounded = ((bits >> 19) + 1) >> 1;
    uint32_t scale = rounded - (120 << 3);
    return (uint8_t)(scale < 0x78 ? scale : 0x7E);
}

// Halved. The NaN of the type is zero, and the sign is ignored: as the reference has it.
INLINE float nvfp4_step(uint8_t scale)
{
    return scale == 0x7F ? 0.0f : 0.5f * expanded(scale & 0x7F, 3, 7);
}

static void encode_nvfp4(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                         const float *_Nullable importance)
{
    (void)importance;
    const unaligned_float *restrict x = source;
    uint8_t *restrict out = destination;
    for (size_t block = 0; block < rows * columns / 64; block++, x += 64, out += 36) {
        for (int group = 0; group < 4; group++) {
            out[group] = nvfp4_scale(greatest_magnitude(x + 16 * group, 16) / 6.0f);
            encode_e2m1(x + 16 * group, nvfp4_step(out[group]), out + 4 + 8 * group, 16);
        }
    }
}

static void decode_nvfp4(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 64; block++, in += 36, out += 64) {
        for (int group = 0; group < 4; group++) {
            decode_e2m1(in + 4 + 8 * group, nvfp4_step(in[group]), out + 16 * group, 16);
        }
    }
}
