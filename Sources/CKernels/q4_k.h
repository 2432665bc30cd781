// Q4_K and Q5_K: eight groups of 32, each with a multiple of the block's scale and one of its minimum, six bits each

INLINE void pack_q4_k(const struct batch *batch, const struct fit *fits, const struct multiples *multiples, int lane,
                      bool fifth)
{
    uint8_t *out = batch->out[lane], packed[12] = { 0 };
    uint16_t halves[2] = { f16_of(multiples->scale_unit[lane]), f16_of(multiples->minimum_unit[lane]) };
    float scale_unit = f32_of_f16(halves[0]), minimum_unit = f32_of_f16(halves[1]);
    memcpy(out, halves, 4);
    for (int group = 0; group < 8; group++) {
        uint8_t scale = multiples->scale[group][lane], minimum = multiples->minimum[group][lane];
        if (group < 4) {
            packed[group] = scale;
            packed[group + 4] = minimum;
        } else {
            packed[group + 4] = (uint8_t)((scale & 15) | (minimum & 15) << 4);
            packed[group - 4] |= (uint8_t)(scale >> 4 << 6);
            packed[group] |= (uint8_t)(minimum >> 4 << 6);
        }
    }
    memcpy(out + 4, packed, 12);
    uint8_t levels[256];
    for (int group = 0; group < 8; group++) {
        int scale = packed[group] & 63, minimum = packed[group + 4] & 63;
        if (group >= 4) {
            scale = (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
            minimum = packed[group + 4] >> 4 | packed[group] >> 6 << 4;
        }
        place(batch->x[lane] + 32 * group, 32, scale_unit * (float)scale, minimum_unit * (float)minimum, fits + group, lane,
              0, fifth ? 31 : 15, levels + 32 * group);
    }
    out += 16;
    if (fifth) {
        for (int i = 0; i < 32; i++) {
            uint8_t bits = 0;
            UNROLLED for (int group = 0; group < 8; group++) bits |= (uint8_t)(levels[32 * group + i] >> 4 << group);
            out[i] = bits;
        }
        out += 32;
    }
    for (int pair = 0; pair < 4; pair++) {
        for (int i = 0; i < 32; i++) {
            out[32 * pair + i] = (levels[64 * pair + i] & 15) | (uint8_t)(levels[64 * pair + 32 + i] << 4);
        }
    }
}

INLINE void encode_q4_k_batch(const struct batch *batch, bool weighted, bool fifth)
{
    struct line_search search = { 32, 15, -1, 0.1f, 20, false };
    if (fifth) search = (struct line_search){ 32, 31, -0.5f, 0.1f, 15, false };
    if (weighted) search = (struct line_search){ 32, fifth ? 31 : 15, -0.9f, 0.05f, 36, false };

    floats x[256], weights[256];
    transpose(batch->x, 256, x);
    if (weighted) {
        transpose(batch->importance, 256, weights);
        weigh(x, weights, 256, 2.0f * sum_of_squares(x, 256) / 256.0f, weights);
    } else {
        for (int group = 0; group < 256; group += 32) {
            floats mean = __builtin_elementwise_sqrt(sum_of_squares(x + group, 32) / 32.0f);
            for (int i = group; i < group + 32; i++) weights[i] = mean + __builtin_elementwise_abs(x[i]);
        }
    }
    struct fit fits[8];
    for (int group = 0; group < 8; group += ABREAST) {
        fit_lines(x + 32 * group, weights + 32 * group, &search, fits + group);
    }
    floats scales[8], minima[8], sums[8];
    for (int group = 0; group < 8; group++) {
        scales[group] = fits[group].scale;
        minima[group] = -fits[group].minimum;
        sums[group] = sum_of_weights(weights + 32 * group, 32);
    }
    struct multiples multiples;
    if (weighted) {
        // Only Q5_K cuts off what wrapped around.
        multiples.scale_unit = search_multiples(scales, sums, 8, 63, fifth ? 63 : 255, multiples.scale);
        multiples.minimum_unit = search_multiples(minima, sums, 8, 63, fifth ? 63 : 255, multiples.minimum);
    } else {
        multiples.scale_unit = round_to_multiples(scales, 8, 63, 63, multiples.scale);
        multiples.minimum_unit = round_to_multiples(minima, 8, 63, 63, multiples.minimum);
    }
    for (int lane = 0; lane < LANES; lane++) pack_q4_k(batch, fits, &multiples, lane, fifth);
}

static void encode_q4_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    struct rows all = { source, destination, importance, columns, 256, 144, rows * columns / 256 };
    for (size_t block = 0; block < all.count; block += LANES) {
        uint8_t spare[144];
        struct batch batch = batch_at(&all, block, spare);
        if (importance) {
            encode_q4_k_batch(&batch, true, false);
        } else {
            encode_q4_k_batch(&batch, false, false);
        }
    }
}

static void encode_q5_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    struct rows all = { source, destination, importance, columns, 256, 176, rows * columns / 256 };
    for (size_t block = 0; block < all.count; block += LANES) {
        uint8_t spare[176];
        struct batch batch = batch_at(&all, block, spare);
        if (importance) {
            encode_q4_k_batch(&batch, true, true);
        } else {
            encode_q4_k_batch(&batch, false, true);
        }
    }
}

INLINE void decode_lines_q4_k(const uint8_t *restrict in, unaligned_float *restrict out, size_t blocks, bool fifth)
{
    for (; blocks > 0; blocks--, in += fifth ? 176 : 144) {
        float scale_unit = f32_of_f16(*(const unaligned_u16 *)in);
        float minimum_unit = f32_of_f16(*(const unaligned_u16 *)(in + 2));
        const uint8_t *packed = in + 4, *high = in + 16, *low = in + (fifth ? 48 : 16);
        for (int group = 0; group < 8; group++, out += 32) {
            int scale = packed[group] & 63, minimum = packed[group + 4] & 63;
            if (group >= 4) {
                scale = (packed[group + 4] & 15) | packed[group - 4] >> 6 << 4;
                minimum = packed[group + 4] >> 4 | packed[group] >> 6 << 4;
            }
            float step = scale_unit * (float)scale, offset = minimum_unit * (float)minimum;
            int shift = group % 2 * 4;
            for (int i = 0; i < 32; i++) {
                int level = low[group / 2 * 32 + i] >> shift & 15;
                if (fifth) level |= (high[i] >> group & 1) << 4;
                out[i] = step * (float)level - offset;
            }
        }
    }
}

static void decode_q4_k(const void *restrict source, void *restrict destination, size_t count)
{
    decode_lines_q4_k(source, destination, count / 256, false);
}

static void decode_q5_k(const void *restrict source, void *restrict destination, size_t count)
{
    decode_lines_q4_k(source, destination, count / 256, true);
}
