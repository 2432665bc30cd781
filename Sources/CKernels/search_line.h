// The search of a scale and a minimum for groups of elements, x ≈ scale·level + minimum: a group per lane, and several
// vectors of groups at a time, so that their sums, each of which must wait for its last addition, can overlap.

#define ABREAST 2
#define EACH UNROLLED for (int v = 0; v < ABREAST; v++)

// The grids to try are those on which the greatest element lies at highest + first + step·k, for k up to `last`.
struct line_search {
    int count;  // elements of a group
    float highest, first, step;
    int last;
    bool absolute;  // whether errors count by magnitude, not by square
};

// Where the elements lie on a grid: on it when rounded, beyond its ends, or so far out that rounding wraps around.
enum reach { ON_GRID, BEYOND, FAR_OUT };

struct line_sums {
    floats levels, squares, products;
};

INLINE void sum_over_levels(const floats *x, const floats *weight, int count, const floats *inverse, const floats *origin,
                            float highest, enum reach reach, floats *levels, struct line_sums *sums)
{
    floats sum[ABREAST], squares[ABREAST], products[ABREAST];
    EACH sum[v] = squares[v] = products[v] = 0;
    for (int i = 0; i < count; i++) {
        EACH {
            floats element = x[v * count + i];
            floats level = inverse[v] * (element - origin[v]);
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
            floats weighted = weight[v * count + i] * level;
            sum[v] += weighted;
            squares[v] += weighted * level;
            products[v] += weighted * element;
        }
    }
    EACH sums[v] = (struct line_sums){ sum[v], squares[v], products[v] };
}

INLINE void sum_errors(const floats *x, const floats *weight, int count, const floats *levels, const floats *scale,
                       const floats *minimum, bool absolute, floats *errors)
{
    floats sum[ABREAST];
    EACH sum[v] = 0;
    for (int i = 0; i < count; i++) {
        EACH {
            floats error = scale[v] * levels[v * count + i] + minimum[v] - x[v * count + i];
            error = absolute ? __builtin_elementwise_abs(error) : error * error;
            sum[v] += weight[v * count + i] * error;
        }
    }
    EACH errors[v] = sum[v];
}

// The groups' elements and weights lie one group after the other.
static void fit_lines(const floats *x, const floats *weight, const struct line_search *search, struct fit *fits)
{
    const int count = search->count;
    const float highest = search->highest;
    floats least[ABREAST], greatest[ABREAST], weights[ABREAST], moments[ABREAST];
    EACH {
        least[v] = greatest[v] = x[v * count];
        weights[v] = weight[v * count];
        moments[v] = weights[v] * x[v * count];
    }
    for (int i = 1; i < count; i++) {
        EACH {
            floats element = x[v * count + i], w = weight[v * count + i];
            least[v] = element < least[v] ? element : least[v];
            greatest[v] = element > greatest[v] ? element : greatest[v];
            weights[v] += w;
            moments[v] += w * element;
        }
    }
    floats lowest[ABREAST], minimum[ABREAST], scale[ABREAST], best[ABREAST], inverse[ABREAST], origin[ABREAST];
    ints flat[ABREAST];
    EACH {
        lowest[v] = least[v] > 0.0f ? 0.0f : least[v];
        flat[v] = greatest[v] <= lowest[v];
        minimum[v] = lowest[v];
        scale[v] = best[v] = inverse[v] = origin[v] = 0;
    }
    // The grid to start from, then the candidates. Each is laid from the minimum of the best so far.
    for (int k = -1; k <= search->last; k++) {
        float steps = k < 0 ? highest : search->first + search->step * (float)k + highest;
        floats factor[ABREAST], s[ABREAST], m[ABREAST], errors[ABREAST];
        ints on_grid = -1, near = -1;
        EACH {
            factor[v] = steps / (greatest[v] - minimum[v]);
            floats low = factor[v] * (least[v] - minimum[v]), high = factor[v] * (greatest[v] - minimum[v]);
            on_grid &= flat[v] | (low >= -0.5f & low < highest + 0.5f & high >= -0.5f & high < highest + 0.5f);
            near &= flat[v] | (__builtin_elementwise_abs(low) < 0x1p22f & __builtin_elementwise_abs(high) < 0x1p22f);
        }
        floats levels[32 * ABREAST];
        struct line_sums sums[ABREAST];
        if (all_of(on_grid)) {
            sum_over_levels(x, weight, count, factor, minimum, highest, ON_GRID, levels, sums);
        } else if (all_of(near)) {
            sum_over_levels(x, weight, count, factor, minimum, highest, BEYOND, levels, sums);
        } else {
            sum_over_levels(x, weight, count, factor, minimum, highest, FAR_OUT, levels, sums);
        }
        ints valid[ABREAST];
        EACH {
            if (k < 0) {
                valid[v] = -1;
                s[v] = 1.0f / factor[v];
                m[v] = minimum[v];
                best[v] = INFINITY;
                continue;
            }
            floats determinant = weights[v] * sums[v].squares - sums[v].levels * sums[v].levels;
            valid[v] = determinant > 0.0f;
            s[v] = (weights[v] * sums[v].products - moments[v] * sums[v].levels) / determinant;
            m[v] = (sums[v].squares * moments[v] - sums[v].levels * sums[v].products) / determinant;
            ints above_zero = m[v] > 0.0f;
            if (any_of(above_zero)) {
                s[v] = above_zero ? sums[v].products / sums[v].squares : s[v];
                m[v] = above_zero ? 0.0f : m[v];
            }
        }
        if (search->absolute) {
            sum_errors(x, weight, count, levels, s, m, true, errors);
        } else {
            sum_errors(x, weight, count, levels, s, m, false, errors);
        }
        EACH {
            ints better = k < 0 ? valid[v] : valid[v] & (errors[v] < best[v]);
            best[v] = better ? errors[v] : best[v];
            inverse[v] = better ? factor[v] : inverse[v];
            origin[v] = better ? minimum[v] : origin[v];
            scale[v] = better ? s[v] : scale[v];
            minimum[v] = better ? m[v] : minimum[v];
        }
    }
    EACH {
        fits[v].scale = flat[v] ? 0.0f : scale[v];
        fits[v].minimum = flat[v] ? lowest[v] : minimum[v];
        fits[v].inverse = flat[v] ? NAN : inverse[v];
        fits[v].origin = origin[v];
    }
}

#undef EACH
