// Q6_K: sixteen groups of 16 levels −32...31, each with a signed multiple of the block's scale, a byte

struct q6_k_groups {
    struct fit fits[16];
    struct multiples scale;
};

static void pack_q6_k(const struct batch *batch, const struct q6_k_groups *groups, int lane)
{
    uint8_t *out = batch->out[lane], levels[256];
    uint16_t half = f16_of(groups->scale.unit[lane]);
    float unit = f32_of_f16(half);
    for (int group = 0; group < 16; group++) {
        uint8_t multiple = groups->scale.of[group][lane];
        place(batch->x[lane] + 16 * group, 16, unit * (float)(int8_t)multiple, 0, groups->fits + group, lane, -32, 31,
              levels + 16 * group);
        out[192 + group] = multiple;
    }
    for (int part = 0; part < 2; part++) {
        const uint8_t *restrict level = levels + 128 * part;
        uint8_t *restrict low = out + 64 * part, *restrict high = out + 128 + 32 * part;
        for (int i = 0; i < 64; i++) low[i] = (level[i] & 15) | (uint8_t)(level[i + 64] << 4);
        for (int i = 0; i < 32; i++) {
            high[i] = (uint8_t)(level[i] >> 4 | level[i + 32] >> 4 << 2 | level[i + 64] >> 4 << 4
                                | level[i + 96] >> 4 << 6);
        }
    }
    memcpy(out + 208, &half, 2);
}

static void encode_q6_k_batch(const struct batch *batch, bool weighted)
{
    floats x[256], weights[256], scales[16];
    struct q6_k_groups groups;
    transpose(batch->x, 256, x);
    // Here the importance counts as it is.
    if (weighted) transpose(batch->importance, 256, weights);
    for (int group = 0; group < 16; group++) {
        groups.fits[group] = fit_scales(x + 16 * group, weighted ? weights + 16 * group : NULL, 16, 32);
        scales[group] = groups.fits[group].scale;
    }
    floats farthest = farthest_of(scales, 16), inverse = -128.0f / farthest;
    for (int group = 0; group < 16; group++) {
        ints multiple = nearest_of_each(inverse * scales[group]);
        store_narrow((multiple < 127 ? multiple : 127) & 255, groups.scale.of[group]);
    }
    groups.scale.unit = 1.0f / inverse;
    ints zeros = __builtin_elementwise_abs(farthest) < SMALLEST_GROUP;
    for (int lane = 0; lane < LANES; lane++) {
        if (zeros[lane]) {
            memset(batch->out[lane], 0, 210);
        } else {
            pack_q6_k(batch, &groups, lane);
        }
    }
}

static void encode_q6_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    encode_batches(encode_q6_k_batch, 256, 210, source, destination, rows, columns, importance);
}

static void decode_q6_k(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 210) {
        float unit = half_at(in + 208);
        for (int group = 0; group < 16; group++, out += 16) {
            int part = group / 8, quarter = group / 2 % 4, side = group % 2 * 16;
            const uint8_t *low = in + 64 * part + quarter % 2 * 32 + side, *high = in + 128 + 32 * part + side;
            int low_shift = quarter / 2 * 4, high_shift = quarter * 2;
            float scale = unit * (float)(int8_t)in[192 + group];
            for (int i = 0; i < 16; i += LANES) {
                ints level = loaded_bytes(low + i) >> low_shift & 15;
                level |= (loaded_bytes(high + i) >> high_shift & 3) << 4;
                store(scale * __builtin_convertvector(level - 32, floats), out + i);
            }
        }
    }
}
