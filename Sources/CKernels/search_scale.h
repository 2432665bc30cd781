// The search of a scale for groups of elements, x ≈ scale·level with levels −highest..<highest: a group per lane

struct scale_search {
    const floats *x;
    floats weight[32], weighted[32];
    int count;
    float highest;
    bool wild;  // whether elements may be infinite or NaN
    floats farthest;
    floats scale, merit;
    floats inverse;
};

// Tries the grids on which the farthest element lies at highest + step/10, for `count` consecutive steps: together, so
// that their sums, each of which must wait for its last addition, can overlap.
INLINE void try_scales(struct scale_search *s, int step, int count)
{
    floats inverse[3], products[3], squares[3];
    UNROLLED for (int c = 0; c < count; c++) {
        inverse[c] = -(s->highest + 0.1f * (float)(step + c)) / s->farthest;
        products[c] = squares[c] = 0;
    }
    for (int i = 0; i < s->count; i++) {
        UNROLLED for (int c = 0; c < count; c++) {
            floats level = inverse[c] * s->x[i];
            level = s->wild ? __builtin_convertvector(nearest_of_each(level), floats) : rounded(level);
            // Where the farthest element lies less than half a step beyond an end, none rounds to beyond it.
            if (s->wild || step + count > 5) level = level > -s->highest ? level : -s->highest;
            if (s->wild || step + count > -5) level = level < s->highest - 1 ? level : s->highest - 1;
            products[c] += s->weighted[i] * level;
            squares[c] += s->weight[i] * level * level;
        }
    }
    UNROLLED for (int c = 0; c < count; c++) {
        ints better = (squares[c] > 0.0f) & (products[c] * products[c] > s->merit * squares[c]);
        floats scale = products[c] / squares[c];
        if (step == 0) {
            better = -1;
            scale = squares[c] != 0.0f ? scale : 0.0f;
        }
        s->scale = better ? scale : s->scale;
        s->merit = better ? scale * products[c] : s->merit;
        s->inverse = better ? inverse[c] : s->inverse;
    }
}

INLINE struct fit searched_scales(const floats *x, const floats *weights, int count, float highest, bool wild)
{
    struct scale_search s;
    s.x = x;
    s.count = count;
    s.highest = highest;
    s.wild = wild;
    s.scale = s.merit = s.inverse = 0;
    s.farthest = farthest_of(x, count);
    for (int i = 0; i < count; i++) {
        s.weight[i] = weights ? weights[i] : x[i] * x[i];
        s.weighted[i] = s.weight[i] * x[i];
    }
    try_scales(&s, 0, 1);
    UNROLLED for (int step = -9; step < 0; step += 3) try_scales(&s, step, 3);
    UNROLLED for (int step = 1; step < 10; step += 3) try_scales(&s, step, 3);
    ints zeros = __builtin_elementwise_abs(s.farthest) < SMALLEST_GROUP;
    return (struct fit){ zeros ? 0.0f : s.scale, 0, zeros ? NAN : s.inverse, 0 };
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
