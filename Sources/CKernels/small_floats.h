// Floats of a byte and less

// The number whose exponent and `mantissa` bits are the low bits of `magnitude`. The highest exponent is like any other.
INLINE float expanded(uint32_t magnitude, int mantissa, int bias)
{
    uint32_t shifted = magnitude << (23 - mantissa), offset = (uint32_t)(127 - bias) << 23, one = 1 << 23;
    uint32_t subnormal = bits_of(float_of(shifted + offset + one) - float_of(offset + one));
    return float_of(shifted < one ? subnormal : shifted + offset);
}

// The nearest such number, ties to even, to the float with the bits `magnitude`, which is not 2^(bias + 2) or more.
INLINE uint32_t narrowed(uint32_t magnitude, int mantissa, int bias)
{
    int width = 23 - mantissa;
    uint32_t offset = (uint32_t)(127 - bias) << 23, half = (1u << (width - 1)) - 1;
    uint32_t normal = (magnitude + half + (magnitude >> width & 1) - offset) >> width;
    // One unit in its last place is the smallest number: the addition rounds to it.
    uint32_t unit = (uint32_t)(151 - bias - mantissa) << 23;
    uint32_t subnormal = bits_of(float_of(magnitude) + float_of(unit)) - unit;
    return magnitude < offset + (1 << 23) ? subnormal : normal;
}

INLINE float with_sign(float value, uint32_t byte)
{
    return float_of(bits_of(value) | (byte & 0x80) << 24);
}

INLINE float f32_of_e4m3(uint8_t byte)
{
    uint32_t magnitude = byte & 0x7F;
    return with_sign(magnitude == 0x7F ? NAN : expanded(magnitude, 3, 7), byte);
}

INLINE float f32_of_e5m2(uint8_t byte)
{
    uint32_t magnitude = byte & 0x7F;
    float special = magnitude == 0x7C ? INFINITY : NAN;
    return with_sign(magnitude >= 0x7C ? special : expanded(magnitude, 2, 15), byte);
}

// There is no negative zero: its bits are NaN.
INLINE float f32_of_fnuz(uint8_t byte, int mantissa, int bias)
{
    return byte == 0x80 ? NAN : with_sign(expanded(byte & 0x7F, mantissa, bias), byte);
}

INLINE float f32_of_e8m0(uint8_t byte)
{
    uint32_t bits = byte == 0 ? 0x00400000 : (uint32_t)byte << 23;
    return byte == 0xFF ? NAN : float_of(bits);
}

// Beyond 464, half way from the largest to what would come after it, and at infinity: the largest, as of torch 2.12.
INLINE uint8_t e4m3_of(float value)
{
    uint32_t bits = bits_of(value), magnitude = bits & 0x7FFFFFFF;
    uint32_t special = magnitude > 0x7F800000 ? 0x7F : 0x7E;
    uint32_t rounded = magnitude <= 0x43E80000 ? narrowed(magnitude, 3, 7) : special;
    return (uint8_t)(rounded | (bits >> 24 & 0x80));
}

INLINE uint8_t e5m2_of(float value)
{
    uint32_t bits = bits_of(value), magnitude = bits & 0x7FFFFFFF;
    uint32_t special = magnitude > 0x7F800000 ? 0x7F : 0x7C;
    uint32_t rounded = magnitude < 0x47800000 ? narrowed(magnitude, 2, 15) : special;
    return (uint8_t)(rounded | (bits >> 24 & 0x80));
}

CAST(e4m3_from_f32, unaligned_float, uint8_t, e4m3_of(in[i]))
CAST(e5m2_from_f32, unaligned_float, uint8_t, e5m2_of(in[i]))
CAST(f32_from_e4m3, uint8_t, unaligned_float, f32_of_e4m3(in[i]))
CAST(f32_from_e5m2, uint8_t, unaligned_float, f32_of_e5m2(in[i]))
CAST(f32_from_e4m3fnuz, uint8_t, unaligned_float, f32_of_fnuz(in[i], 3, 8))
CAST(f32_from_e5m2fnuz, uint8_t, unaligned_float, f32_of_fnuz(in[i], 2, 16))
CAST(f32_from_e8m0, uint8_t, unaligned_float, f32_of_e8m0(in[i]))

static void f32_from_e2m1(const void *restrict source, void *restrict destination, size_t count)
{
    const uint8_t *restrict in = source;
    unaligned_float *restrict out = destination;
    for (size_t i = 0; i < count / 2; i++) {
        out[2 * i] = with_sign(expanded(in[i] & 7, 1, 1), (uint32_t)in[i] << 4);
        out[2 * i + 1] = with_sign(expanded(in[i] >> 4 & 7, 1, 1), in[i]);
    }
}

TALLY(overflowing_e4m3, (magnitude > 0x43E80000) & (magnitude <= 0x7F800000))
TALLY(overflowing_e5m2, (magnitude >= 0x47700000) & (magnitude < 0x7F800000))
TALLY(inexact_e4m3, (magnitude <= 0x7F800000) & (bits_of(f32_of_e4m3(e4m3_of(float_of(bits)))) != bits))
TALLY(inexact_e5m2, (magnitude <= 0x7F800000) & (bits_of(f32_of_e5m2(e5m2_of(float_of(bits)))) != bits))
