// Lanes, and what every kernel uses.

#pragma STDC FP_CONTRACT OFF
#pragma clang fp contract(off)

// Nullability is said where Swift sees it, in CKernels.h.
#pragma clang diagnostic ignored "-Wnullability-completeness"
#pragma clang diagnostic ignored "-Wnullability-completeness-on-arrays"

#define INLINE static inline __attribute__((always_inline))
#define UNROLLED _Pragma("clang loop unroll(full)")

typedef float floats __attribute__((ext_vector_type(LANES)));
typedef int32_t ints __attribute__((ext_vector_type(LANES)));
typedef uint8_t bytes __attribute__((ext_vector_type(LANES)));

#if LANES == 4
#define ZIPPED_LOW(a, b) __builtin_shufflevector(a, b, 0, 4, 1, 5)
#define ZIPPED_HIGH(a, b) __builtin_shufflevector(a, b, 2, 6, 3, 7)
#elif LANES == 8
#define ZIPPED_LOW(a, b) __builtin_shufflevector(a, b, 0, 8, 1, 9, 2, 10, 3, 11)
#define ZIPPED_HIGH(a, b) __builtin_shufflevector(a, b, 4, 12, 5, 13, 6, 14, 7, 15)
#else
#define ZIPPED_LOW(a, b) __builtin_shufflevector(a, b, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23)
#define ZIPPED_HIGH(a, b) __builtin_shufflevector(a, b, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
#endif

// Unaligned access

typedef float unaligned_float __attribute__((aligned(1)));
typedef uint32_t unaligned_u32 __attribute__((aligned(1), may_alias));
typedef uint16_t unaligned_u16 __attribute__((aligned(1), may_alias));
typedef int16_t unaligned_i16 __attribute__((aligned(1), may_alias));

INLINE floats loaded(const unaligned_float *source)
{
    floats value;
    memcpy(&value, source, sizeof value);
    return value;
}

INLINE ints loaded_bytes(const uint8_t *source)
{
    bytes value;
    memcpy(&value, source, sizeof value);
    return __builtin_convertvector(value, ints);
}

INLINE ints loaded_signed_bytes(const uint8_t *source)
{
    typedef int8_t signed_bytes __attribute__((ext_vector_type(LANES)));
    signed_bytes value;
    memcpy(&value, source, sizeof value);
    return __builtin_convertvector(value, ints);
}

INLINE void store(floats value, unaligned_float *out)
{
    memcpy(out, &value, sizeof value);
}

INLINE uint32_t bits_of(float value)
{
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

INLINE float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

// Adding 1.5·2^23 leaves no fraction bits: what remains is the nearest integer, ties to even.
#define TO_INTEGER 12582912.0f
#define SMALLEST_GROUP 1e-15f

INLINE int32_t nearest(float value)
{
    return (int32_t)(bits_of(value + TO_INTEGER) & 0x7FFFFF) - 0x400000;
}

// The same, lane by lane.
INLINE ints nearest_of_each(floats value)
{
    return ((ints)(value + TO_INTEGER) & 0x7FFFFF) - 0x400000;
}

// The same for magnitudes below 2^22, and of floats.
INLINE floats rounded(floats value)
{
#if ROUNDS
    return __builtin_elementwise_roundeven(value);
#else
    return value + TO_INTEGER - TO_INTEGER;
#endif
}

INLINE ints between(ints value, int lowest, int highest)
{
    value = value > lowest ? value : lowest;
    return value < highest ? value : highest;
}

// Stores 32 numbers 0...255 in a byte each.
INLINE void store_as_bytes(const ints *numbers, uint8_t *out)
{
#if LANES == 8
    // What no compiler finds: packing, which works within the halves of its operands, needs but one reordering.
    const __m256i order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i low = _mm256_packs_epi32((__m256i)numbers[0], (__m256i)numbers[1]);
    __m256i high = _mm256_packs_epi32((__m256i)numbers[2], (__m256i)numbers[3]);
    __m256i all = _mm256_permutevar8x32_epi32(_mm256_packus_epi16(low, high), order);
    memcpy(out, &all, sizeof all);
#else
    UNROLLED for (int i = 0; i < 32 / LANES; i++) {
        bytes part = __builtin_convertvector(numbers[i], bytes);
        memcpy(out + LANES * i, &part, sizeof part);
    }
#endif
}

// A bit for each lane, that of the first one lowest.
INLINE uint32_t bits_of_lanes(ints condition)
{
    typedef bool flags __attribute__((ext_vector_type(LANES)));
    flags set = __builtin_convertvector(condition, flags);
    uint32_t bits = 0;
    memcpy(&bits, &set, LANES == 16 ? 2 : 1);
    return bits & ((1u << LANES) - 1);
}

INLINE bool all_of(ints condition)
{
    return __builtin_reduce_and(condition) < 0;
}

INLINE bool any_of(ints condition)
{
    return __builtin_reduce_or(condition) < 0;
}
