// The search of a scale and a minimum for groups of elements, x ≈ scale·level + minimum with levels 0...highest
//
// A group has a lane, and several vectors of groups are searched abreast: each candidate must wait for what the one
// before it found, and within it each addition for the one before, but other groups need not.

#define ABREAST 4
#define EACH UNROLLED for (int v = 0; v < ABREAST; v++)

// The grids to try are those on which the greatest element lies at highest + first + step·k, for k up to `last`.
struct line_search {
    int count;  // elements of a group
    float highest, first, step;
    int last;
    bool absolute;  // whether errors count by magnitude, not by square
};

// Where the elements lie on a grid: on it once rounded, beyond its ends, or so far out that rounding wraps around.
enum reach { ON_GRID, BEYOND, FAR_OUT };

struct line_sums {
    floats levels, squares, products;
};

INLINE void sum_over_levels(const floats *x, const floats *weights, int count, const floats *inverse,
                            const floats *origin, float highest, enum reach reach, floats *levels,
                            struct line_sums *sums)
{
    floats sum[ABREAST], squares[ABREAST], products[ABREAST];
    EACH sum[v] = squares[v] = products[v] = 0;
    for (int i = 0; i < count; i++) {
        EACH {
            floats element = x[v * count + i], level = inverse[v] * (element - origin[v]);
            if (reach == FAR_OUT) {
                level = __builtin_convertvector(between(nearest_of_each(level), 0, (int)highest), floats);
            } else {
                level = rounded(level);
            }
            if (reach == BEYOND) {
                level = level > 0.0f ? level : 0.0f;
                level = level < highest ? level : highest;
            }
            levels[v * count + i] = level;
            floats weighted = weights[v * count + i] * level;
            sum[v] += weighted;
            squares[v] += weighted * level;
            products[v] += weighted * element;
        }
    }
    EACH sums[v] = (struct line_sums){ sum[v], squares[v], products[v] };
}

INLINE void sum_errors(const floats *x, const floats *weights, int count, const floats *levels, const floats *scale,
                       const floats *minimum, bool absolute, floats *errors)
{
    floats sum[ABREAST];
    EACH sum[v] = 0;
    for (int i = 0; i < count; i++) {
        EACH {
            floats error = scale[v] * levels[v * count + i] + minimum[v] - x[v * count + i];
            error = absolute ? __builtin_elementwise_abs(error) : error * error;
            sum[v] += weights[v * count + i] * error;
        }
    }
    EACH errors[v] = sum[v];
}

// The state of the search: the best so far, which moves the grids of later candidates.
struct line_groups {
    floats least[ABREAST], greatest[ABREAST], weight[ABREAST], moment[ABREAST];
    ints flat[ABREAST];  // nothing to search
    floats scale[ABREAST], minimum[ABREAST], error[ABREAST], inverse[ABREAST], origin[ABREAST];
};

INLINE void begin(struct line_groups *g, const floats *x, const floats *weights, int count)
{
    EACH {
        floats least = x[v * count], greatest = least;
        floats weight = weights[v * count], moment = weight * least;
        for (int i = 1; i < count; i++) {
            floats element = x[v * count + i], w = weights[v * count + i];
            least = element < least ? element : least;
            greatest = element > greatest ? element : greatest;
            weight += w;
            moment += w * element;
        }
        g->least[v] = least;
        g->greatest[v] = greatest;
        g->weight[v] = weight;
        g->moment[v] = moment;
        g->minimum[v] = least > 0.0f ? 0.0f : least;
        g->flat[v] = greatest <= g->minimum[v];
        g->scale[v] = g->error[v] = g->inverse[v] = g->origin[v] = 0;
    }
}

// The reach of all the groups on grids laid from their minimum.
INLINE enum reach reach_of(const struct line_groups *g, const floats *inverse, float highest)
{
    ints on_grid = -1, near = -1;
    EACH {
        floats low = inverse[v] * (g->least[v] - g->minimum[v]), high = inverse[v] * (g->greatest[v] - g->minimum[v]);
        floats farthest = __builtin_elementwise_abs(low), far = __builtin_elementwise_abs(high);
        farthest = farthest > far ? farthest : far;
        on_grid &= g->flat[v]
                   | ((low >= -0.5f) & (low < highest + 0.5f) & (high >= -0.5f) & (high < highest + 0.5f));
        near &= g->flat[v] | ((low == low) & (high == high) & (farthest < 0x1p22f));
    }
    return all_of(on_grid) ? ON_GRID : all_of(near) ? BEYOND : FAR_OUT;
}

// The groups' elements and weights lie one group after the other; `levels` is room for as many.
static void fit_lines(const floats *x, const floats *weights, floats *levels, const struct line_search *search,
                      struct fit *fits)
{
    const int count = search->count;
    const float highest = search->highest;
    struct line_groups g;
    begin(&g, x, weights, count);
    // The grid over all elements, from which the search starts, then the candidates.
    for (int k = -1; k <= search->last; k++) {
        float steps = k < 0 ? highest : search->first + search->step * (float)k + highest;
        floats inverse[ABREAST], scale[ABREAST], minimum[ABREAST], errors[ABREAST];
        ints valid[ABREAST];
        struct line_sums sums[ABREAST];
        EACH inverse[v] = steps / (g.greatest[v] - g.minimum[v]);
        switch (reach_of(&g, inverse, highest)) {
        case ON_GRID: sum_over_levels(x, weights, count, inverse, g.minimum, highest, ON_GRID, levels, sums); break;
        case BEYOND:  sum_over_levels(x, weights, count, inverse, g.minimum, highest, BEYOND, levels, sums); break;
        case FAR_OUT: sum_over_levels(x, weights, count, inverse, g.minimum, highest, FAR_OUT, levels, sums); break;
        }
        EACH {
            if (k < 0) {
                valid[v] = -1;
                scale[v] = 1.0f / inverse[v];
                minimum[v] = g.minimum[v];
                continue;
            }
            struct line_sums s = sums[v];
            floats determinant = g.weight[v] * s.squares - s.levels * s.levels;
            valid[v] = determinant > 0.0f;
            scale[v] = (g.weight[v] * s.products - g.moment[v] * s.levels) / determinant;
            minimum[v] = (s.squares * g.moment[v] - s.levels * s.products) / determinant;
            ints above_zero = minimum[v] > 0.0f;
            if (any_of(above_zero)) {
                scale[v] = above_zero ? s.products / s.squares : scale[v];
                minimum[v] = above_zero ? 0.0f : minimum[v];
            }
        }
        if (search->absolute) {
            sum_errors(x, weights, count, levels, scale, minimum, true, errors);
        } else {
            sum_errors(x, weights, count, levels, scale, minimum, false, errors);
        }
        EACH {
            ints better = k < 0 ? valid[v] : valid[v] & (errors[v] < g.error[v]);
            g.error[v] = better ? errors[v] : g.error[v];
            g.inverse[v] = better ? inverse[v] : g.inverse[v];
            g.origin[v] = better ? g.minimum[v] : g.origin[v];
            g.scale[v] = better ? scale[v] : g.scale[v];
            g.minimum[v] = better ? minimum[v] : g.minimum[v];
        }
    }
    EACH {
        floats lowest = g.least[v] > 0.0f ? 0.0f : g.least[v];
        fits[v].scale = g.flat[v] ? 0.0f : g.scale[v];
        fits[v].minimum = g.flat[v] ? lowest : g.minimum[v];
        fits[v].inverse = g.flat[v] ? NAN : g.inverse[v];
        fits[v].origin = g.origin[v];
    }
}

#undef EACH
