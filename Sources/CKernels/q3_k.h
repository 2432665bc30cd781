// Q3_K: sixteen groups of 16 levels −4...3, each with a signed multiple of the block's scale, six bits

// Without importance, levels are moved one after the other, like multiples are. What could move one is rare and takes a
// division; what tells the others is that the scale of the other elements, products / squares, puts the element between
// `lower` and `upper`: not quite half a step around its level, or endlessly far where there is no further level.
struct q3_k_element {
    floats x, level;
    floats products, squares;  // what the element adds to the sums
    floats lower, upper;
};

INLINE void put_q3_k_level(struct q3_k_element *element, floats level)
{
    floats weight = element->x * element->x;
    element->level = level;
    element->products = weight * element->x * level;
    element->squares = weight * level * level;
    element->lower = level > -4.0f ? level - 0.49f : -1e30f;
    element->upper = level < 3.0f ? level + 0.49f : 1e30f;
}

INLINE floats nearest_q3_k_level(floats scaled)
{
    return __builtin_convertvector(between(nearest_of_each(scaled), -4, 3), floats);
}

INLINE bool may_move_q3_k_level(const struct q3_k_element *element, const struct level_sums *sums)
{
    floats products = sums->products - element->products;
    floats place = element->x * (sums->squares - element->squares);
    ints stays = (place >= element->lower * products) & (place <= element->upper * products);
    return !all_of(stays | (products <= 0.0f));
}

// Moves the level to where the scale of the others puts it, in lanes where that fits better; returns those.
INLINE ints move_q3_k_level(struct q3_k_element *element, struct level_sums *sums)
{
    floats products = sums->products - element->products, squares = sums->squares - element->squares;
    floats weight = element->x * element->x;
    floats level = nearest_q3_k_level(element->x * squares / products);
    ints better = (products > 0.0f) & (level != element->level);
    products += weight * element->x * level;
    squares += weight * level * level;
    better &= (squares > 0.0f)
              & (products * products * sums->squares > sums->products * sums->products * squares);
    put_q3_k_level(element, better ? level : element->level);
    sums->products = better ? products : sums->products;
    sums->squares = better ? squares : sums->squares;
    return better;
}

// The scale of a group weighted by x², and its levels.
static floats fit_q3_k(const floats *x, floats *levels)
{
    struct q3_k_element elements[16];
    struct level_sums sums = { 0, 0 };
    floats farthest = farthest_of(x, 16), inverse = -4.0f / farthest;
    ints zeros = __builtin_elementwise_abs(farthest) < SMALLEST_GROUP;
    for (int i = 0; i < 16; i++) {
        elements[i].x = zeros ? 0.0f : x[i];
        put_q3_k_level(elements + i, nearest_q3_k_level(inverse * x[i]));
        sums.products += elements[i].products;
        sums.squares += elements[i].squares;
    }
    for (int sweep = 0; sweep < 5; sweep++) {
        ints moved = 0;
        for (int i = 0; i < 16; i++) {
            if (may_move_q3_k_level(elements + i, &sums)) moved |= move_q3_k_level(elements + i, &sums);
        }
        if (!any_of(moved)) break;
    }
    for (int i = 0; i < 16; i++) levels[i] = zeros ? -4.0f : elements[i].level;
    return sums.squares > 0.0f ? sums.products / sums.squares : 0.0f;
}

struct q3_k_groups {
    struct fit fits[16];
    floats levels[256];  // where there is no importance
    struct multiples scale;
};

static void pack_q3_k(const struct batch *batch, bool weighted, const struct q3_k_groups *groups, int lane)
{
    uint8_t *out = batch->out[lane], levels[256], packed[12] = { 0 };
    uint16_t half = f16_of(groups->scale.unit[lane]);
    float unit = f32_of_f16(half);
    for (int group = 0; group < 16; group++) {
        uint8_t multiple = groups->scale.of[group][lane];
        packed[group % 8] |= (uint8_t)((multiple & 15) << group / 8 * 4);
        packed[8 + group % 4] |= (uint8_t)(multiple >> 4 << group / 4 * 2);
        float scale = unit * (float)(multiple - 32);
        if (weighted || scale != 0.0f) {
            place(batch->x[lane] + 16 * group, 16, scale, 0, groups->fits + group, lane, -4, 3, levels + 16 * group);
        } else {
            for (int i = 16 * group; i < 16 * group + 16; i++) levels[i] = (uint8_t)(groups->levels[i][lane] + 4.0f);
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

static void encode_q3_k_batch(const struct batch *batch, bool weighted)
{
    floats x[256], scales[16];
    struct q3_k_groups groups;
    transpose(batch->x, 256, x);
    floats inverse;
    if (weighted) {
        floats weights[256], sums[16];
        weigh(batch, x, 256, 2.0f * sum_of_squares(x, 256) / 256.0f, weights);
        for (int group = 0; group < 16; group++) {
            groups.fits[group] = fit_scales(x + 16 * group, weights + 16 * group, 16, 4);
            scales[group] = groups.fits[group].scale;
            sums[group] = sum_of(weights + 16 * group, 16);
        }
        struct fit fit = fit_wild_scales(scales, sums, 16, 32);
        groups.scale.unit = fit.scale;
        inverse = fit.inverse;
    } else {
        for (int group = 0; group < 16; group++) scales[group] = fit_q3_k(x + 16 * group, groups.levels + 16 * group);
        floats farthest = farthest_of(scales, 16);
        inverse = farthest != 0.0f ? -32.0f / farthest : NAN;
        groups.scale.unit = farthest != 0.0f ? 1.0f / inverse : 0.0f;
    }
    for (int group = 0; group < 16; group++) {
        ints multiple = between(nearest_of_each(inverse * scales[group]), -32, 31) + 32;
        store_narrow(inverse == inverse ? multiple : 0, groups.scale.of[group]);
    }
    for (int lane = 0; lane < LANES; lane++) pack_q3_k(batch, weighted, &groups, lane);
}

static void encode_q3_k(const void *restrict source, void *restrict destination, size_t rows, size_t columns,
                        const float *_Nullable importance)
{
    encode_batches(encode_q3_k_batch, 256, 110, source, destination, rows, columns, importance);
}

static void decode_q3_k(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t block = 0; block < count / 256; block++, in += 110) {
        float unit = half_at(in + 108);
        for (int group = 0; group < 16; group++, out += 16) {
            int multiple = in[96 + group % 8] >> group / 8 * 4 & 15;
            multiple |= (in[104 + group % 4] >> group / 4 * 2 & 3) << 4;
            const uint8_t *low = in + 32 + group / 8 * 32 + group % 2 * 16, *high = in + group % 2 * 16;
            int shift = group / 2 % 4 * 2, bit = group / 2;
            float scale = unit * (float)(multiple - 32);
            for (int i = 0; i < 16; i += LANES) {
                ints level = (loaded_bytes(low + i) >> shift & 3) | (loaded_bytes(high + i) >> bit & 1) << 2;
                store(scale * __builtin_convertvector(level - 4, floats), out + i);
            }
        }
    }
}
