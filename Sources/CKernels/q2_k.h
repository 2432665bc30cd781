// Q2_K: sixteen groups of 16, each with a multiple of the block's scale and one of its minimum, four bits each

INLINE void pack_q2_k(const struct batch *batch, const struct fit *fits, const struct multiples *multiples, int lane)
{
    uint8_t *out = batch->out[lane], levels[256];
    uint16_t halves[2] = { f16_of(multiples->scale_unit[lane]), f16_of(multiples->minimum_unit[lane]) };
    float scale_unit = f32_of_f16(halves[0]), minimum_unit = f32_of_f16(halves[1]);
    memcpy(out + 80, halves, 4);
    for (int group = 0; group < 16; group++) {
        uint8_t packed = multiples->scale[group][lane] | (uint8_t)(multiples->minimum[group][lane] << 4);
        out[group] = packed;
        place(batch->x[lane] + 16 * group, 16, scale_unit * (float)(packed & 15), minimum_unit * (float)(packed >> 4),
              fits + group, lane, 0, 3, levels + 16 * group);
    }
    pack_pairs_of_bits(levels, out + 16);
}

INLINE void encode_q2_k_batch(const struct batch *batch, bool weighted)
{
    struct line_search search = { 16, 3, -0.5f, 0.1f, 15, true };
    if (weighted) search = (struct line_search){ 16, 3, -0.9f, 0.05f, 36, false };

    floats x[256], weights[256];
    transpose(batch->x, 256, x);
    if (weighted) {
        transpose(batch->importance, 256, weights);
        weigh(x, weights, 256, sum_of_squares(x, 256) / 256.0f, weights);
    } else {
        for (int i = 0; i < 256; i++) weights[i] = __builtin_elementwise_abs(x[i]);
    }
    struct fit fits[16];
    for (int group = 0; group < 16; group += ABREAST) {
        fit_lines(x + 16 * group, weights + 16 * group, &search, fits + group);
    }
    floats scales[16], minima[16], sums[16];
    for (int group = 0; group < 16; group++) {
        scales[group] = fits[group].scale;
        minima[group] = -fits[group].minimum;
        sums[group] = sum_of_weights(weights + 16 * group, 16);
    }
    struct multiples multiples;
    if (weighted) {
        multiples.scale_unit = search_multiples(scales, sums, 16, 15, 255, multiples.scale);
        multiples.minimum_unit = search_multiples(minima, sums, 16, 15, 255, multiples.minimum);
    } else {
        multiples.scale_unit = round_to_multiples(scales, 16, 15, 255, multiples.scale);
        multiples.minimum_unit = round_to_multiples(minima, 16, 15, 255, multiples.minimum);
    }
    for (int lane = 0; lane < LANES; lane++) pack_q2_k(batch, fits, &multiples, lane);
}

static void encode_q2_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    struct rows all = { source, destination, importance, columns, 256, 84, rows * columns / 256 };
    for (size_t block = 0; block < all.count; block += LANES) {
        uint8_t spare[84];
        struct batch batch = batch_at(&all, block, spare);
        if (importance) {
            encode_q2_k_batch(&batch, true);
        } else {
            encode_q2_k_batch(&batch, false);
        }
    }
}

static void decode_q2_k(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 84) {
        float scale_unit = f32_of_f16(*(const unaligned_u16 *)(in + 80));
        float minimum_unit = f32_of_f16(*(const unaligned_u16 *)(in + 82));
        for (int group = 0; group < 16; group++, out += 16) {
            const uint8_t *levels = in + 16 + group / 8 * 32 + group % 2 * 16;
            int shift = group / 2 % 4 * 2;
            float step = scale_unit * (float)(in[group] & 15), offset = minimum_unit * (float)(in[group] >> 4);
            for (int i = 0; i < 16; i++) out[i] = step * (float)(levels[i] >> shift & 3) - offset;
        }
    }
}
