// IQ1, IQ2 and IQ3: groups of eight or four elements are entries of a fixed table (codebooks.c)

// Bit i of `signs` in the place of a float's sign.
#define SIGN(signs, i) ((uint32_t)(signs) << (31 - (i)) & 0x80000000)

// Seven signs and their parity.
INLINE uint32_t with_parity(uint32_t signs)
{
    return signs | (uint32_t)__builtin_parity(signs) << 7;
}

INLINE void put_iq2(uint32_t word, uint32_t signs, float scale, unaligned_float *restrict out)
{
    for (int i = 0; i < 8; i++) {
        int32_t code = word >> 2 * i & 3;
        float value = scale * (float)(8 + 17 * code + (code >> 1));
        out[i] = float_of(bits_of(value) ^ SIGN(signs, i));
    }
}

INLINE void put_iq3(uint32_t words, uint32_t signs, int first, int step, int last, float scale,
                    unaligned_float *restrict out)
{
    for (int i = 0; i < 8; i++) {
        int32_t code = words >> 4 * i & 7;
        float value = scale * (float)(first + step * code + (code == 7 ? last : 0));
        out[i] = float_of(bits_of(value) ^ SIGN(signs, i));
    }
}

INLINE void put_iq1(uint32_t word, float shift, float scale, unaligned_float *restrict out)
{
    for (int i = 0; i < 8; i++) out[i] = scale * ((float)((int32_t)(word >> 2 * i & 3) - 1) + shift);
}

static void decode_iq2_xxs(const void *restrict source, void *restrict destination, size_t count)
{
    const uint16_t *restrict codebook = ck_codebooks()->iq2_xxs;
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 66) {
        float scale = half_at(in);
        for (int group = 0; group < 8; group++) {
            const uint8_t *indices = in + 2 + 8 * group;
            uint32_t rest = *(const unaligned_u32 *)(indices + 4);
            float multiple = scale * (0.5f + (float)(rest >> 28)) * 0.25f;
            for (int i = 0; i < 4; i++, out += 8) {
                put_iq2(codebook[indices[i]], with_parity(rest >> 7 * i & 127), multiple, out);
            }
        }
    }
}

static void decode_iq2_xs(const void *restrict source, void *restrict destination, size_t count)
{
    const uint16_t *restrict codebook = ck_codebooks()->iq2_xs;
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 74) {
        float scale = half_at(in);
        for (int i = 0; i < 32; i++, out += 8) {
            uint32_t entry = *(const unaligned_u16 *)(in + 2 + 2 * i);
            int nibble = in[66 + i / 4] >> i / 2 % 2 * 4 & 15;
            float multiple = scale * (0.5f + (float)nibble) * 0.25f;
            put_iq2(codebook[entry & 511], with_parity(entry >> 9), multiple, out);
        }
    }
}

static void decode_iq2_s(const void *restrict source, void *restrict destination, size_t count)
{
    const uint16_t *restrict codebook = ck_codebooks()->iq2_s;
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 82) {
        float scale = half_at(in);
        for (int i = 0; i < 32; i++, out += 8) {
            uint32_t high = in[66 + i / 4] >> 2 * (i % 4) & 3;
            int nibble = in[74 + i / 4] >> i / 2 % 2 * 4 & 15;
            float multiple = scale * (0.5f + (float)nibble) * 0.25f;
            put_iq2(codebook[in[2 + i] | high << 8], in[34 + i], multiple, out);
        }
    }
}

static void decode_iq3_xxs(const void *restrict source, void *restrict destination, size_t count)
{
    const uint16_t *restrict codebook = ck_codebooks()->iq3_xxs;
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 98) {
        float scale = half_at(in);
        for (int group = 0; group < 8; group++) {
            const uint8_t *indices = in + 2 + 8 * group;
            uint32_t rest = *(const unaligned_u32 *)(in + 66 + 4 * group);
            float multiple = scale * (0.5f + (float)(rest >> 28)) * 0.5f;
            for (int i = 0; i < 4; i++, out += 8) {
                uint32_t words = codebook[indices[2 * i]] | (uint32_t)codebook[indices[2 * i + 1]] << 16;
                put_iq3(words, with_parity(rest >> 7 * i & 127), 4, 8, 2, multiple, out);
            }
        }
    }
}

static void decode_iq3_s(const void *restrict source, void *restrict destination, size_t count)
{
    const uint16_t *restrict codebook = ck_codebooks()->iq3_s;
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 110) {
        float scale = half_at(in);
        for (int i = 0; i < 32; i++, out += 8) {
            uint32_t high = in[66 + i / 4] >> 2 * (i % 4);
            uint32_t first = in[2 + 2 * i] | (high & 1) << 8, second = in[3 + 2 * i] | (high & 2) << 7;
            int nibble = in[106 + i / 8] >> i / 4 % 2 * 4 & 15;
            float multiple = scale * (float)(1 + 2 * nibble);
            put_iq3(codebook[first] | (uint32_t)codebook[second] << 16, in[74 + i], 1, 2, 0, multiple, out);
        }
    }
}

static void decode_iq1_s(const void *restrict source, void *restrict destination, size_t count)
{
    const uint16_t *restrict codebook = ck_codebooks()->iq1;
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 50) {
        float scale = half_at(in);
        for (int group = 0; group < 8; group++) {
            uint32_t rest = *(const unaligned_u16 *)(in + 34 + 2 * group);
            float multiple = scale * (float)(2 * (rest >> 12 & 7) + 1);
            float shift = rest & 0x8000 ? -0.125f : 0.125f;
            for (int i = 0; i < 4; i++, out += 8) {
                put_iq1(codebook[in[2 + 4 * group + i] | (rest >> 3 * i & 7) << 8], shift, multiple, out);
            }
        }
    }
}

static void decode_iq1_m(const void *restrict source, void *restrict destination, size_t count)
{
    const uint16_t *restrict codebook = ck_codebooks()->iq1;
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 56) {
        const unaligned_u16 *scales = (const unaligned_u16 *)(in + 48);
        uint32_t half = scales[0] >> 12 | scales[1] >> 12 << 4 | scales[2] >> 12 << 8 | scales[3] >> 12 << 12;
        float scale = f32_of_f16((uint16_t)half);
        for (int i = 0; i < 32; i++, out += 8) {
            uint32_t rest = in[32 + i / 2] >> i % 2 * 4;
            float multiple = scale * (float)(2 * (scales[i / 8] >> i / 2 % 4 * 3 & 7) + 1);
            put_iq1(codebook[in[i] | (rest & 7) << 8], rest & 8 ? -0.125f : 0.125f, multiple, out);
        }
    }
}
