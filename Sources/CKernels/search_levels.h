// The search of levels one by one: each in turn is moved to where the scale of the others puts it, while that helps

struct level_sums {
    floats products, squares;
};

// One turn for one element; returns the lanes whose level changed. Levels are kept in a byte if they are not signed,
// and a negative one, which only a negative element could get, wraps around as it does in the reference.
INLINE ints move_level(floats x, floats weight, floats weighted, struct level_sums *sums, floats *level, int lowest,
                       int highest)
{
    bool is_signed = lowest < 0;
    floats products = sums->products - weighted * *level;
    floats squares = sums->squares - weight * *level * *level;
    ints possible = products > 0.0f;
    if (!is_signed) possible &= squares > 0.0f;
    ints nearest = nearest_of_each(x * squares / products);
    if (is_signed) nearest = nearest > lowest ? nearest : lowest;
    nearest = nearest < highest ? nearest : highest;
    floats moved = __builtin_convertvector(nearest, floats);
    products += weighted * moved;
    squares += weight * moved * moved;
    ints better = possible & (moved != *level) & (products * products * sums->squares > sums->products * sums->products * squares);
    if (is_signed) {
        better &= squares > 0.0f;
    } else {
        moved = __builtin_convertvector(nearest & 255, floats);
    }
    *level = better ? moved : *level;
    sums->products = better ? products : sums->products;
    sums->squares = better ? squares : sums->squares;
    return better;
}

// Scale and levels 0...highest of `count` numbers that are hardly ever negative, in two vectors.
INLINE floats fit_multiples(const floats *x, const floats *weight, int count, float highest, floats *levels)
{
    floats greatest = 0;
    for (int i = 0; i < count; i++) greatest = greatest > x[i] ? greatest : x[i];
    floats inverse = highest / greatest, scale = 1.0f / inverse, best = 0;
    for (int i = 0; i < count; i++) {
        floats level = __builtin_convertvector(nearest_of_each(inverse * x[i]) & 255, floats);
        floats error = x[i] - scale * level;
        best += weight[i] * error * error;
    }
    for (int step = -4; step <= 4; step++) {
        if (step == 0) continue;
        floats candidate = (0.1f * (float)step + highest) / greatest, s = 1.0f / candidate, sum = 0;
        for (int i = 0; i < count; i++) {
            ints nearest = nearest_of_each(candidate * x[i]);
            nearest = nearest < (int)highest ? nearest : (int)highest;
            floats error = x[i] - s * __builtin_convertvector(nearest, floats);
            sum += weight[i] * error * error;
        }
        ints better = sum < best;
        best = better ? sum : best;
        inverse = better ? candidate : inverse;
    }
    struct level_sums sums = { 0, 0 };
    for (int i = 0; i < count; i++) {
        ints nearest = nearest_of_each(inverse * x[i]);
        nearest = nearest < (int)highest ? nearest : (int)highest;
        floats level = __builtin_convertvector(nearest, floats);
        sums.products += weight[i] * x[i] * level;
        sums.squares += weight[i] * level * level;
        levels[i] = __builtin_convertvector(nearest & 255, floats);
    }
    for (int sweep = 0; sweep < 5; sweep++) {
        ints moved = 0;
        for (int i = 0; i < count; i++) {
            moved |= move_level(x[i], weight[i], weight[i] * x[i], &sums, levels + i, 0, (int)highest);
        }
        if (!any_of(moved)) break;
    }
    ints zeros = greatest < SMALLEST_GROUP;
    for (int i = 0; i < count; i++) levels[i] = zeros ? 0.0f : levels[i];
    floats refit = sums.squares > 0.0f ? sums.products / sums.squares : 0.0f;
    return zeros ? 0.0f : refit;
}
