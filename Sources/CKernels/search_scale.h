// The search of a scale for groups of elements, x ≈ scale·level with levels −highest..<highest: a group per lane

// The grids that are tried: those on which the farthest element lies at highest + step/10. They are tried a few at a
// time, so that their sums, each of which must wait for its last addition, can overlap; and all quotients are found
// before or after all sums, for a loop in front of which or behind which a division stands must wait for it.
enum { GRIDS = 19, TOGETHER = 3 };
static const int grid_steps[GRIDS] = { 0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9 };

struct grids {
    floats inverses[GRIDS], products[GRIDS], squares[GRIDS];
};

// Sums over the elements of a group for `count` consecutive grids. `wild` is whether elements may be infinite or NaN.
INLINE void sum_levels(struct grids *grids, int first, int count, const floats *x, const floats *weight,
                       const floats *weighted, int elements, float highest, bool wild)
{
    int last = grid_steps[first + count - 1];
    floats inverse[4], products[4], squares[4];
    UNROLLED for (int c = 0; c < count; c++) {
        inverse[c] = grids->inverses[first + c];
        products[c] = squares[c] = 0;
    }
    for (int i = 0; i < elements; i++) {
        UNROLLED for (int c = 0; c < count; c++) {
            floats level = inverse[c] * x[i];
            level = wild ? __builtin_convertvector(nearest_of_each(level), floats) : rounded(level);
            // Where the farthest element lies less than half a step beyond an end, none rounds to beyond it.
            if (wild || last > 4) level = level > -highest ? level : -highest;
            if (wild || last > -6) level = level < highest - 1 ? level : highest - 1;
            products[c] += weighted[i] * level;
            squares[c] += weight[i] * level * level;
        }
    }
    UNROLLED for (int c = 0; c < count; c++) {
        grids->products[first + c] = products[c];
        grids->squares[first + c] = squares[c];
    }
}

INLINE struct fit searched_scales(const floats *x, const floats *weights, int count, float highest, bool wild)
{
    floats weight[32], weighted[32];
    for (int i = 0; i < count; i++) {
        weight[i] = weights ? weights[i] : x[i] * x[i];
        weighted[i] = weight[i] * x[i];
    }
    floats farthest = farthest_of(x, count);
    struct grids grids;
    UNROLLED for (int g = 0; g < GRIDS; g++)
        grids.inverses[g] = -(highest + 0.1f * (float)grid_steps[g]) / farthest;
    sum_levels(&grids, 0, 1, x, weight, weighted, count, highest, wild);
    UNROLLED for (int g = 1; g < GRIDS; g += TOGETHER)
        sum_levels(&grids, g, TOGETHER, x, weight, weighted, count, highest, wild);
    floats scale = grids.products[0] / grids.squares[0];
    scale = grids.squares[0] != 0.0f ? scale : 0.0f;
    floats merit = scale * grids.products[0], inverse = grids.inverses[0];
    for (int g = 1; g < GRIDS; g++) {
        floats products = grids.products[g], squares = grids.squares[g];
        ints better = (squares > 0.0f) & (products * products > merit * squares);
        floats quotient = products / squares;
        scale = better ? quotient : scale;
        merit = better ? quotient * products : merit;
        inverse = better ? grids.inverses[g] : inverse;
    }
    ints zeros = __builtin_elementwise_abs(farthest) < SMALLEST_GROUP;
    return (struct fit){ zeros ? 0.0f : scale, 0, zeros ? NAN : inverse, 0 };
}

// Elements weigh their squares if there are no weights.
static struct fit fit_scales(const floats *x, const floats *_Nullable weights, int count, float highest)
{
    return searched_scales(x, weights, count, highest, false);
}

// The same for elements that are the result of searches, in which numbers may have overflowed.
static struct fit fit_wild_scales(const floats *x, const floats *weights, int count, float highest)
{
    return searched_scales(x, weights, count, highest, true);
}
