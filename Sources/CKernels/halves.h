// Numbers of 16 bits

INLINE uint16_t f16_of(float value)
{
#if HARDWARE_HALF
    _Float16 half = (_Float16)value;
    uint16_t bits;
    memcpy(&bits, &half, sizeof bits);
    return (bits & 0x7FFF) > 0x7C00 ? (bits & 0x8000) | 0x7E00 : bits;
#else
    uint32_t bits = bits_of(value), magnitude = bits & 0x7FFFFFFF;
    uint32_t normal = (magnitude + 0xFFF + (magnitude >> 13 & 1) - (112 << 23)) >> 13;
    // One unit in the last place of 0.5f is the smallest half: the addition rounds to it.
    uint32_t subnormal = bits_of(float_of(magnitude) + 0.5f) - bits_of(0.5f);
    uint32_t half = magnitude < 0x38800000 ? subnormal : normal;
    half = magnitude < 0x47800000 ? half : 0x7C00;
    half = magnitude > 0x7F800000 ? 0x7E00 : half;
    return (uint16_t)(half | (bits >> 16 & 0x8000));
#endif
}

INLINE float f32_of_f16(uint16_t half)
{
#if HARDWARE_HALF
    _Float16 value;
    memcpy(&value, &half, sizeof half);
    return (float)value;
#else
    uint32_t shifted = (uint32_t)(half & 0x7FFF) << 13;
    uint32_t normal = shifted + (112 << 23);
    uint32_t subnormal = bits_of(float_of(shifted + (113 << 23)) - float_of(113 << 23));
    uint32_t special = shifted | 0x7F800000 | (shifted > 0x0F800000 ? 0x00400000 : 0);
    uint32_t bits = shifted < 0x00800000 ? subnormal : normal;
    bits = shifted < 0x0F800000 ? bits : special;
    return float_of(bits | (uint32_t)(half & 0x8000) << 16);
#endif
}

INLINE float half_at(const uint8_t *source)
{
    return f32_of_f16(*(const unaligned_u16 *)source);
}

// The same in every lane.
INLINE floats halves_at(const uint8_t *source)
{
#if HARDWARE_HALF && LANES == 8
    // Loaded into a lane, it would keep the others, and tie each block to the one before it.
    return (floats)_mm256_cvtph_ps(_mm_set1_epi16(*(const unaligned_i16 *)source));
#elif HARDWARE_HALF && LANES == 16
    return (floats)_mm512_cvtph_ps(_mm256_set1_epi16(*(const unaligned_i16 *)source));
#else
    return (floats)half_at(source);
#endif
}

INLINE uint16_t bf16_of(float value)
{
    uint32_t bits = bits_of(value);
    uint32_t rounded = (bits + 0x7FFF + (bits >> 16 & 1)) >> 16;
    return (uint16_t)((bits & 0x7FFFFFFF) > 0x7F800000 ? bits >> 16 | 64 : rounded);
}

INLINE float f32_of_bf16(uint16_t brain)
{
    return float_of((uint32_t)brain << 16);
}
