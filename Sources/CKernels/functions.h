// Functions of float32 numbers in forward passes, with the bits of Swift's `exponential`: operations are the same, in the same order.

INLINE floats exponential(floats x)
{
    // Written so that a comparison with NaN keeps the NaN.
    x = x < -87.33654f ? (floats)-87.33654f : x;
    x = x > 88.37f ? (floats)88.37f : x;
    // Adding 1.5 · 2^23 rounds to an integer, which is then found in the low bits.
    floats shifted = x * 1.44269504f + TO_INTEGER;
    floats n = shifted - TO_INTEGER;
    floats r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
    floats p = r * 1.98756915e-4f + 1.398199951e-3f;
    p = p * r + 8.333451907e-3f;
    p = p * r + 4.166579589e-2f;
    p = p * r + 1.666666546e-1f;
    p = p * r + 5.000000120e-1f;
    floats fraction = p * (r * r) + r + 1.0f;
    return fraction * (floats)((ints)((ints)shifted - 0x4B400000 + 127) << 23);
}

// Some numbers of the end, in the first lanes; the others are zeros.
INLINE floats loaded_part(const unaligned_float *source, size_t count)
{
    floats value = (floats)0.0f;
    memcpy(&value, source, 4 * count);
    return value;
}

INLINE void store_part(floats value, unaligned_float *out, size_t count) { memcpy(out, &value, 4 * count); }

INLINE floats silu_of(floats x) { return x / (1.0f + exponential(-x)); }

INLINE floats gelu_of(floats x)
{
    // (1 + tanh y) / 2 = 1 / (1 + exp(-2y))
    floats y = 0.797884583f * (x + 0.044715f * x * x * x);
    return x / (1.0f + exponential(-2.0f * y));
}

#define GATE(name, function)                                                                         \
    static void name(float *gate, const float *up, size_t count)                                     \
    {                                                                                                 \
        size_t i = 0;                                                                                 \
        for (; i + LANES <= count; i += LANES) store(function(loaded(gate + i)) * loaded(up + i), gate + i); \
        floats last = function(loaded_part(gate + i, count - i)) * loaded_part(up + i, count - i);    \
        store_part(last, gate + i, count - i);                                                        \
    }

GATE(gate_by_silu, silu_of)
GATE(gate_by_gelu_tanh, gelu_of)

static float maximum(const float *x, size_t count)
{
    float lanes[16], result = -INFINITY;
    for (int i = 0; i < 16; i++) lanes[i] = -INFINITY;
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        UNROLLED for (int part = 0; part < 16; part += LANES) {
            floats v = loaded(x + i + part), greatest = loaded(lanes + part);
            store(v > greatest ? v : greatest, lanes + part);
        }
    }
    for (; i < count; i++) lanes[0] = x[i] > lanes[0] ? x[i] : lanes[0];
    for (int lane = 0; lane < 16; lane++) result = lanes[lane] > result ? lanes[lane] : result;
    return result;
}

// Sixteen sums side by side, what is left over going to the first, brought together in their order.
static double exponentials(float *x, size_t count, float offset)
{
    typedef double doubles __attribute__((ext_vector_type(LANES)));
    doubles sums[16 / LANES];
    UNROLLED for (int part = 0; part < 16 / LANES; part++) sums[part] = (doubles)0.0;
    size_t i = 0;
    for (; i + 16 <= count; i += 16) {
        UNROLLED for (int part = 0; part < 16 / LANES; part++) {
            floats e = exponential(loaded(x + i + LANES * part) - offset);
            store(e, x + i + LANES * part);
            sums[part] += __builtin_convertvector(e, doubles);
        }
    }
    double lanes[16], result = 0;
    memcpy(lanes, sums, sizeof lanes);
    for (; i < count; i += LANES) {
        size_t rest = count - i < LANES ? count - i : LANES;
        floats e = exponential(loaded_part(x + i, rest) - offset);
        store_part(e, x + i, rest);
        for (size_t lane = 0; lane < rest; lane++) lanes[0] += (double)x[i + lane];
    }
    for (int lane = 0; lane < 16; lane++) result += lanes[lane];
    return result;
}
