// Q3_K: sixteen groups of 16 levels −4...3, each with a signed multiple of the block's scale, six bits

#define ABREAST_Q3_K 4
#define EACH UNROLLED for (int v = 0; v < ABREAST_Q3_K; v++)

// Scale and levels of groups that lie one after the other, weighted by x².
static void fit_q3_k(const floats *x, struct fit *fits, floats *levels)
{
    floats inverse[ABREAST_Q3_K];
    ints zeros[ABREAST_Q3_K];
    struct level_sums sums[ABREAST_Q3_K];
    EACH {
        floats farthest = farthest_of_each(x + 16 * v, 16);
        zeros[v] = __builtin_elementwise_abs(farthest) < SMALLEST_GROUP;
        inverse[v] = -4.0f / farthest;
        sums[v] = (struct level_sums){ 0, 0 };
    }
    for (int i = 0; i < 16; i++) {
        EACH {
            floats element = x[16 * v + i], weight = element * element;
            floats level = __builtin_convertvector(between(nearest_of_each(inverse[v] * element), -4, 3), floats);
            levels[16 * v + i] = level;
            sums[v].products += weight * element * level;
            sums[v].squares += weight * level * level;
        }
    }
    for (int sweep = 0; sweep < 5; sweep++) {
        ints moved = 0;
        for (int i = 0; i < 16; i++) {
            EACH {
                floats element = x[16 * v + i], weight = element * element;
                moved |= ~zeros[v] & move_level(element, weight, weight * element, sums + v, levels + 16 * v + i, -4, 3);
            }
        }
        if (!any_of(moved)) break;
    }
    EACH {
        floats scale = sums[v].squares > 0.0f ? sums[v].products / sums[v].squares : 0.0f;
        fits[v] = (struct fit){ zeros[v] ? 0.0f : scale, 0, 0, 0 };
        for (int i = 0; i < 16; i++) levels[16 * v + i] = zeros[v] ? -4.0f : levels[16 * v + i];
    }
}

#undef EACH

// The multiples of one scale for `count` signed numbers: that of the farthest is −highest.
INLINE floats farthest_to_multiple(const floats *x, int count, int highest, uint8_t multiples[][LANES])
{
    floats farthest = farthest_of_each(x, count);
    ints zeros = farthest == 0.0f;
    floats inverse = -(float)highest / farthest;
    for (int i = 0; i < count; i++) {
        ints multiple = between(nearest_of_each(inverse * x[i]), -highest, highest - 1);
        store_multiples(zeros ? 0 : multiple + highest, multiples[i]);
    }
    return zeros ? 0.0f : 1.0f / inverse;
}

INLINE void pack_q3_k(const struct batch *batch, const struct fit *fits, const struct multiples *multiples,
                      const floats *searched, int lane)
{
    uint8_t *out = batch->out[lane], levels[256], packed[12] = { 0 };
    uint16_t half = f16_of(multiples->scale_unit[lane]);
    for (int group = 0; group < 16; group++) {
        uint8_t multiple = multiples->scale[group][lane];
        packed[group % 8] |= (uint8_t)((multiple & 15) << group / 8 * 4);
        packed[8 + group % 4] |= (uint8_t)(multiple >> 4 << group / 4 * 2);
        float scale = f32_of_f16(half) * (float)(multiple - 32);
        if (searched && scale == 0.0f) {
            for (int i = 0; i < 16; i++) levels[16 * group + i] = (uint8_t)(searched[16 * group + i][lane] + 4.0f);
        } else {
            place(batch->x[lane] + 16 * group, 16, scale, 0, fits + group, lane, -4, 3, levels + 16 * group);
        }
    }
    for (int i = 0; i < 32; i++) {
        uint8_t bits = 0;
        UNROLLED for (int part = 0; part < 8; part++) bits |= (uint8_t)(levels[32 * part + i] >> 2 << part);
        out[i] = bits;
    }
    for (int i = 0; i < 256; i++) levels[i] &= 3;
    pack_pairs_of_bits(levels, out + 32);
    memcpy(out + 96, packed, 12);
    memcpy(out + 108, &half, 2);
}

INLINE void encode_q3_k_batch(const struct batch *batch, bool weighted)
{
    floats x[256], weights[256], levels[256], scales[16];
    struct fit fits[16];
    struct multiples multiples;
    transpose(batch->x, 256, x);
    if (weighted) {
        floats sums[16];
        transpose(batch->importance, 256, weights);
        weigh(x, weights, 256, 2.0f * sum_of_squares(x, 256) / 256.0f, weights);
        for (int group = 0; group < 16; group++) {
            fits[group] = fit_scales(x + 16 * group, weights + 16 * group, 16, 4, false);
            scales[group] = fits[group].scale;
            sums[group] = sum_of_weights(weights + 16 * group, 16);
        }
        struct fit fit = fit_scales(scales, sums, 16, 32, true);
        multiples.scale_unit = fit.scale;
        for (int group = 0; group < 16; group++) {
            ints multiple = between(nearest_of_each(fit.inverse * scales[group]), -32, 31) + 32;
            store_multiples(fit.inverse == fit.inverse ? multiple : 0, multiples.scale[group]);
        }
    } else {
        for (int group = 0; group < 16; group += ABREAST_Q3_K) {
            fit_q3_k(x + 16 * group, fits + group, levels + 16 * group);
        }
        for (int group = 0; group < 16; group++) scales[group] = fits[group].scale;
        multiples.scale_unit = farthest_to_multiple(scales, 16, 32, multiples.scale);
    }
    for (int lane = 0; lane < LANES; lane++) pack_q3_k(batch, fits, &multiples, weighted ? NULL : levels, lane);
}

static void encode_q3_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    struct rows all = { source, destination, importance, columns, 256, 110, rows * columns / 256 };
    for (size_t block = 0; block < all.count; block += LANES) {
        uint8_t spare[110];
        struct batch batch = batch_at(&all, block, spare);
        if (importance) {
            encode_q3_k_batch(&batch, true);
        } else {
            encode_q3_k_batch(&batch, false);
        }
    }
}

static void decode_q3_k(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 110) {
        float scale = f32_of_f16(*(const unaligned_u16 *)(in + 108));
        const uint8_t *packed = in + 96;
        for (int group = 0; group < 16; group++, out += 16) {
            int multiple = (packed[group % 8] >> group / 8 * 4 & 15) | (packed[8 + group % 4] >> group / 4 * 2 & 3) << 4;
            const uint8_t *low = in + 32 + group / 8 * 32 + group % 2 * 16, *high = in + group % 2 * 16;
            int shift = group / 2 % 4 * 2;
            float step = scale * (float)(multiple - 32);
            for (int i = 0; i < 16; i++) {
                int level = (low[i] >> shift & 3) | (high[i] >> group / 2 & 1) << 2;
                out[i] = step * (float)(level - 4);
            }
        }
    }
}
