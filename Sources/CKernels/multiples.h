// The scales and minima of a block's groups as multiples of one of the block's, which is stored as a half

struct level_sums {
    floats products, squares;
};

// Moves a level to where the scale of the others puts it, in lanes where that fits better; returns those. Levels are
// bytes: what is below zero, as for a negative element, wraps around in the reference, and so here.
INLINE ints move_level(floats x, floats weight, int highest, struct level_sums *sums, floats *level)
{
    floats products = sums->products - weight * x * *level;
    floats squares = sums->squares - weight * *level * *level;
    ints better = (products > 0.0f) & (squares > 0.0f);
    ints nearest = nearest_of_each(x * squares / products);
    nearest = nearest < highest ? nearest : highest;
    floats moved = __builtin_convertvector(nearest, floats);
    products += weight * x * moved;
    squares += weight * moved * moved;
    better &= (moved != *level)
              & (products * products * sums->squares > sums->products * sums->products * squares);
    *level = better ? __builtin_convertvector(nearest & 255, floats) : *level;
    sums->products = better ? products : sums->products;
    sums->squares = better ? squares : sums->squares;
    return better;
}

// The best of nine scales, then levels moved one after the other as long as that helps; returns the scale.
static floats fit_multiples(const floats *x, const floats *weights, int count, int highest, floats *levels)
{
    floats greatest = 0;
    for (int i = 0; i < count; i++) greatest = greatest > x[i] ? greatest : x[i];
    floats inverse = (float)highest / greatest, scale = 1.0f / inverse, least_error = 0;
    for (int i = 0; i < count; i++) {
        floats level = __builtin_convertvector(nearest_of_each(inverse * x[i]) & 255, floats);
        floats error = x[i] - scale * level;
        least_error += weights[i] * error * error;
    }
    for (int step = -4; step <= 4; step++) {
        if (step == 0) continue;
        floats candidate = (0.1f * (float)step + (float)highest) / greatest;
        floats sum = 0;
        scale = 1.0f / candidate;
        for (int i = 0; i < count; i++) {
            ints nearest = nearest_of_each(candidate * x[i]);
            nearest = nearest < highest ? nearest : highest;
            floats error = x[i] - scale * __builtin_convertvector(nearest, floats);
            sum += weights[i] * error * error;
        }
        ints better = sum < least_error;
        least_error = better ? sum : least_error;
        inverse = better ? candidate : inverse;
    }
    struct level_sums sums = { 0, 0 };
    for (int i = 0; i < count; i++) {
        ints nearest = nearest_of_each(inverse * x[i]);
        nearest = nearest < highest ? nearest : highest;
        floats level = __builtin_convertvector(nearest, floats);
        sums.products += weights[i] * x[i] * level;
        sums.squares += weights[i] * level * level;
        levels[i] = __builtin_convertvector(nearest & 255, floats);
    }
    for (int sweep = 0; sweep < 5; sweep++) {
        ints moved = 0;
        for (int i = 0; i < count; i++) moved |= move_level(x[i], weights[i], highest, &sums, levels + i);
        if (!any_of(moved)) break;
    }
    ints zeros = greatest < SMALLEST_GROUP;
    for (int i = 0; i < count; i++) levels[i] = zeros ? 0.0f : levels[i];
    ints none = zeros | !(sums.squares > 0.0f);
    return none ? 0.0f : sums.products / sums.squares;
}

// What the groups multiply a scale or minimum of the block by, in each lane.
struct multiples {
    floats unit;
    uint8_t of[16][LANES];
};

// By search if there are weights; otherwise the greatest number becomes the highest multiple, and others are rounded.
// They are cut off at `limit`, because what wrapped around may be higher.
static void find_multiples(const floats *x, const floats *_Nullable weights, int count, int highest, int limit,
                           struct multiples *multiples)
{
    floats levels[16];
    if (weights) {
        multiples->unit = fit_multiples(x, weights, count, highest, levels);
    } else {
        floats greatest = 0;
        for (int i = 0; i < count; i++) greatest = x[i] > greatest ? x[i] : greatest;
        floats inverse = greatest > 0.0f ? (float)highest / greatest : 0.0f;
        for (int i = 0; i < count; i++) {
            levels[i] = __builtin_convertvector(nearest_of_each(inverse * x[i]) & 255, floats);
        }
        multiples->unit = greatest / (float)highest;
    }
    for (int i = 0; i < count; i++) {
        ints multiple = __builtin_convertvector(levels[i], ints);
        store_narrow(multiple < limit ? multiple : limit, multiples->of[i]);
    }
}

// The scale and minimum multiples of `count` groups.
struct lines {
    struct fit fits[16];
    struct multiples scale, minimum;
};

// Elements and weights of a block per lane, and room for the levels of a search.
struct line_block {
    floats x[256], weights[256], levels[32 * ABREAST];
};

static void find_lines(struct line_block *block, const struct line_search *search, bool weighted, int highest,
                       int limit, struct lines *lines)
{
    const int width = search->count, count = 256 / width;
    for (int group = 0; group < count; group += ABREAST) {
        int first = width * group;
        fit_lines(block->x + first, block->weights + first, block->levels, search, lines->fits + group);
    }
    floats scales[16], minima[16], weights[16];
    for (int group = 0; group < count; group++) {
        scales[group] = lines->fits[group].scale;
        minima[group] = -lines->fits[group].minimum;
        weights[group] = sum_of(block->weights + width * group, width);
    }
    find_multiples(scales, weighted ? weights : NULL, count, highest, limit, &lines->scale);
    find_multiples(minima, weighted ? weights : NULL, count, highest, limit, &lines->minimum);
}

// 256 levels of two bits: each byte holds those of four elements, 32 apart.
INLINE void pack_pairs_of_bits(const uint8_t *restrict levels, uint8_t *restrict out)
{
    for (int half = 0; half < 2; half++, levels += 128, out += 32) {
        for (int i = 0; i < 32; i++) {
            out[i] = (uint8_t)(levels[i] | levels[i + 32] << 2 | levels[i + 64] << 4 | levels[i + 96] << 6);
        }
    }
}
