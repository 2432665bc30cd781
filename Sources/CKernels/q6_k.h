// Q6_K: sixteen groups of 16 levels −32...31, each with a signed multiple of the block's scale, a byte

INLINE void pack_q6_k(const struct batch *batch, const struct fit *fits, const struct multiples *multiples, int lane)
{
    uint8_t *out = batch->out[lane], levels[256];
    uint16_t half = f16_of(multiples->scale_unit[lane]);
    for (int group = 0; group < 16; group++) {
        uint8_t multiple = multiples->scale[group][lane];
        out[192 + group] = multiple;
        place(batch->x[lane] + 16 * group, 16, f32_of_f16(half) * (float)(int8_t)multiple, 0, fits + group, lane, -32, 31,
              levels + 16 * group);
    }
    memcpy(out + 208, &half, sizeof half);
    for (int part = 0; part < 2; part++) {
        const uint8_t *restrict level = levels + 128 * part;
        uint8_t *restrict low = out + 64 * part, *restrict high = out + 128 + 32 * part;
        for (int i = 0; i < 64; i++) low[i] = (level[i] & 15) | (uint8_t)(level[i + 64] << 4);
        for (int i = 0; i < 32; i++) {
            high[i] = (uint8_t)(level[i] >> 4 | level[i + 32] >> 4 << 2 | level[i + 64] >> 4 << 4
                                | level[i + 96] >> 4 << 6);
        }
    }
}

INLINE void encode_q6_k_batch(const struct batch *batch, bool weighted)
{
    floats x[256], weights[256], scales[16];
    struct fit fits[16];
    struct multiples multiples;
    transpose(batch->x, 256, x);
    if (weighted) transpose(batch->importance, 256, weights);
    for (int group = 0; group < 16; group++) {
        fits[group] = fit_scales(x + 16 * group, weighted ? weights + 16 * group : NULL, 16, 32, false);
        scales[group] = fits[group].scale;
    }
    floats farthest = farthest_of_each(scales, 16), inverse = -128.0f / farthest;
    ints zeros = __builtin_elementwise_abs(farthest) < SMALLEST_GROUP;
    for (int group = 0; group < 16; group++) {
        ints multiple = nearest_of_each(inverse * scales[group]);
        multiple = multiple < 127 ? multiple : 127;
        store_multiples(zeros ? 0 : multiple, multiples.scale[group]);
    }
    multiples.scale_unit = 1.0f / inverse;
    for (int lane = 0; lane < LANES; lane++) {
        if (zeros[lane]) {
            memset(batch->out[lane], 0, 210);
        } else {
            pack_q6_k(batch, fits, &multiples, lane);
        }
    }
}

static void encode_q6_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    struct rows all = { source, destination, importance, columns, 256, 210, rows * columns / 256 };
    for (size_t block = 0; block < all.count; block += LANES) {
        uint8_t spare[210];
        struct batch batch = batch_at(&all, block, spare);
        if (importance) {
            encode_q6_k_batch(&batch, true);
        } else {
            encode_q6_k_batch(&batch, false);
        }
    }
}

static void decode_q6_k(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 210) {
        float scale = f32_of_f16(*(const unaligned_u16 *)(in + 208));
        for (int group = 0; group < 16; group++, out += 16) {
            int part = group / 8, quarter = group / 2 % 4, side = group % 2 * 16;
            const uint8_t *low = in + 64 * part + quarter % 2 * 32 + side, *high = in + 128 + 32 * part + side;
            int low_shift = quarter / 2 * 4, high_shift = quarter * 2;
            float multiple = scale * (float)(int8_t)in[192 + group];
            for (int i = 0; i < 16; i++) {
                int level = (low[i] >> low_shift & 15) | (high[i] >> high_shift & 3) << 4;
                out[i] = multiple * (float)(level - 32);
            }
        }
    }
}
