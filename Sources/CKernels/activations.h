// Activations rounded to 8 bits, a scale for each block.

typedef int8_t codes_of_16 __attribute__((ext_vector_type(16)));

INLINE numbers numbers_at(const float *source)
{
    numbers value;
    memcpy(&value, source, sizeof value);
    return value;
}

#define INFINITY_BITS 0x7F800000

// The bits of the greatest magnitude, a multiple of 16 numbers; at least those of infinity where one is not finite.
INLINE int32_t greatest_bits(const float *x, const int count)
{
    wide greatest = (wide)0;
    UNROLLED for (int i = 0; i < count; i += 16) {
        wide bits = (wide)numbers_at(x + i) & 0x7FFFFFFF;
        greatest = bits > greatest ? bits : greatest;
    }
    return __builtin_reduce_max(greatest);
}

// Puts 16 codes at their places in a tile, and returns them.
INLINE wide put_codes(const float *x, float inverse, size_t width, int8_t *out)
{
    wide codes = __builtin_convertvector(numbers_at(x) * inverse + TO_INTEGER - TO_INTEGER, wide);
    codes = codes < 127 ? codes : 127;
    codes_of_16 bytes = __builtin_convertvector(codes, codes_of_16);
    int32_t four[4];
    memcpy(four, &bytes, 16);
    UNROLLED for (int i = 0; i < 4; i++) memcpy(out + 4 * width * i, four + i, 4);
    return codes;
}

INLINE void put_zeros(int count, size_t width, int8_t *out)
{
    for (int i = 0; i < count / 4; i++) memset(out + 4 * width * i, 0, 4);
}

// Magnitudes below have an inverse that is infinite, or nearly.
#define NEGLIGIBLE 0x1p-120f

// As llama.cpp's Q8_0: the scale, a half, is the greatest magnitude's 127th part.
INLINE void round_block_of_32(const float *x, size_t width, int32_t offset, struct ck_activations out)
{
    int32_t bits = greatest_bits(x, 32), sum = 0;
    float greatest = float_of((uint32_t)bits);
    if (bits >= INFINITY_BITS || greatest < NEGLIGIBLE) {
        put_zeros(32, width, out.codes);
        *out.scales = bits >= INFINITY_BITS ? NAN : 0.0f;
    } else {
        float inverse = 127.0f / greatest;
        wide codes = put_codes(x, inverse, width, out.codes);
        codes += put_codes(x + 16, inverse, width, out.codes + 16 * width);
        sum = __builtin_reduce_add(codes);
        *out.scales = f32_of_f16(f16_of(greatest / 127.0f));
    }
    *out.offsets = -offset * sum;
    *out.sums = *out.scales * (float)sum;
}

// As llama.cpp's Q8_K: the number of the greatest magnitude, the first of equals, is −127 times the scale.
INLINE void round_block_of_256(const float *x, size_t width, struct ck_activations out)
{
    int32_t bits = greatest_bits(x, 256);
    float greatest = float_of((uint32_t)bits);
    if (bits >= INFINITY_BITS || greatest < NEGLIGIBLE) {
        put_zeros(256, width, out.codes);
        for (int i = 0; i < 16; i++) out.pairs[(i & 1) + 2 * width * (i / 2)] = 0;
        *out.scales = bits >= INFINITY_BITS ? NAN : 0.0f;
        return;
    }
    float extreme = 0.0f;
    for (int i = 0; i < 256 && extreme == 0.0f; i += 16) {
        numbers v = numbers_at(x + i);
        if (__builtin_reduce_max((wide)v & 0x7FFFFFFF) < bits) continue;
        UNROLLED for (int j = 15; j >= 0; j--) extreme = __builtin_fabsf(v[j]) == greatest ? v[j] : extreme;
    }
    float inverse = -127.0f / extreme;
    for (int i = 0; i < 16; i++) {
        int32_t sum = __builtin_reduce_add(put_codes(x + 16 * i, inverse, width, out.codes + 16 * width * i));
        out.pairs[(i & 1) + 2 * width * (i / 2)] = (int16_t)sum;
    }
    *out.scales = 1.0f / inverse;
}

static void round_blocks(size_t block, const float *rows, size_t tokens, size_t stride, size_t blocks, size_t width,
                         int32_t offset, struct ck_activations out)
{
    static const float zeros[256];
    // Pieces of rows: few streams are read at once, and what is written stays in the cache.
    size_t at_once = 512 / block;
    for (size_t start = 0; start < blocks; start += at_once) {
        size_t end = start + at_once < blocks ? start + at_once : blocks;
        for (size_t token = 0; token < width; token++) {
            for (size_t i = start; i < end; i++) {
                const float *x = token < tokens ? rows + token * stride + i * block : zeros;
                size_t place = i * width + token;
                struct ck_activations target = { .codes = out.codes + i * block * width + 4 * token, .scales = out.scales + place };
                if (block == 32) {
                    target.offsets = out.offsets + place;
                    target.sums = out.sums + place;
                    round_block_of_32(x, width, offset, target);
                } else {
                    target.pairs = out.pairs + 16 * i * width + 2 * token;
                    round_block_of_256(x, width, target);
                }
            }
        }
    }
}
