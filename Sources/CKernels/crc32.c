// CRC-32, polynomial 0xEDB88320, by folding: bytes that lie d bits before others are multiplied by x^d, modulo the
// polynomial, and added to them; what remains in the end are sixteen bytes with the same checksum.
//
// Bits are reflected: the lowest bit of a byte is the highest power. POWER(n) in the comments is x^n modulo the
// polynomial, reflected in 33 bits.

#include "CKernels.h"

#if defined(__x86_64__)

#include <immintrin.h>

#define FOLDING __attribute__((target("pclmul,sse4.1")))
#define DOUBLE_FOLDING __attribute__((target("pclmul,sse4.1,avx2,vpclmulqdq")))
#define WIDE_FOLDING __attribute__((target("pclmul,sse4.1,avx512f,vpclmulqdq")))

// POWER(d + 32) for the eight bytes that come first and POWER(d − 32) for the other eight, to go on by d bits.
#define BY_128  _mm_set_epi64x(0x0CCAA009E, 0x1751997D0)
#define BY_512  _mm_set_epi64x(0x1C6E41596, 0x154442BD4)
#define BY_1024 _mm_set_epi64x(0x14A7FE880, 0x1E88EF372)
#define BY_2048 _mm_set_epi64x(0x1322D1430, 0x11542778A)

FOLDING static inline __m128i folded(__m128i value, __m128i powers, __m128i next)
{
    __m128i early = _mm_clmulepi64_si128(value, powers, 0x00), late = _mm_clmulepi64_si128(value, powers, 0x11);
    return _mm_xor_si128(_mm_xor_si128(early, late), next);
}

// The checksum of sixteen bytes, from zero: 96 bits, 64 bits, then by Barrett's method the remainder.
FOLDING static uint32_t reduced(__m128i value)
{
    const __m128i low_words = _mm_set_epi32(0, -1, 0, -1);
    const __m128i power_96 = _mm_set_epi64x(0, 0x0CCAA009E), power_64 = _mm_set_epi64x(0, 0x163CD6124);
    const __m128i polynomial = _mm_set_epi64x(0, 0x1DB710641), quotient = _mm_set_epi64x(0, 0x1F7011641);
    value = _mm_xor_si128(_mm_srli_si128(value, 8), _mm_clmulepi64_si128(value, power_96, 0x00));
    __m128i low = _mm_and_si128(value, low_words);
    value = _mm_xor_si128(_mm_srli_si128(value, 4), _mm_clmulepi64_si128(low, power_64, 0x00));
    low = _mm_clmulepi64_si128(_mm_and_si128(value, low_words), quotient, 0x00);
    low = _mm_clmulepi64_si128(_mm_and_si128(low, low_words), polynomial, 0x00);
    return (uint32_t)_mm_extract_epi32(_mm_xor_si128(value, low), 1);
}

FOLDING static uint32_t folded_by_128(__m128i a, __m128i b, __m128i c, __m128i d)
{
    const __m128i powers = BY_128;
    return reduced(folded(folded(folded(a, powers, b), powers, c), powers, d));
}

FOLDING static uint32_t crc32_folded(uint32_t state, const void *source, size_t count)
{
    if (count == 0) return state;
    const __m128i powers = BY_512;
    const __m128i_u *in = source, *end = in + count / 16;
    __m128i a = _mm_xor_si128(_mm_loadu_si128(in), _mm_cvtsi32_si128((int)state));
    __m128i b = _mm_loadu_si128(in + 1), c = _mm_loadu_si128(in + 2), d = _mm_loadu_si128(in + 3);
    for (in += 4; in < end; in += 4) {
        a = folded(a, powers, _mm_loadu_si128(in));
        b = folded(b, powers, _mm_loadu_si128(in + 1));
        c = folded(c, powers, _mm_loadu_si128(in + 2));
        d = folded(d, powers, _mm_loadu_si128(in + 3));
    }
    return folded_by_128(a, b, c, d);
}

DOUBLE_FOLDING static inline __m256i folded_double(__m256i value, __m256i powers, __m256i next)
{
    __m256i early = _mm256_clmulepi64_epi128(value, powers, 0x00), late = _mm256_clmulepi64_epi128(value, powers, 0x11);
    return _mm256_xor_si256(_mm256_xor_si256(early, late), next);
}

// Four lanes of 32 bytes, which go on by 128 bytes; what remains is added to the last lanes by the narrow kernel's steps.
DOUBLE_FOLDING static uint32_t crc32_folded_double(uint32_t state, const void *source, size_t count)
{
    if (count < 256) return crc32_folded(state, source, count);
    const __m256i powers = _mm256_broadcastsi128_si256(BY_1024);
    const __m256i_u *in = source, *end = in + count / 32;
    __m256i a = _mm256_xor_si256(_mm256_loadu_si256(in), _mm256_zextsi128_si256(_mm_cvtsi32_si128((int)state)));
    __m256i b = _mm256_loadu_si256(in + 1), c = _mm256_loadu_si256(in + 2), d = _mm256_loadu_si256(in + 3);
    for (in += 4; end - in >= 4; in += 4) {
        a = folded_double(a, powers, _mm256_loadu_si256(in));
        b = folded_double(b, powers, _mm256_loadu_si256(in + 1));
        c = folded_double(c, powers, _mm256_loadu_si256(in + 2));
        d = folded_double(d, powers, _mm256_loadu_si256(in + 3));
    }
    // Eight lanes of 16 bytes to four, 64 bytes further, and on from there.
    const __m128i narrow = BY_512;
    __m128i e = folded(_mm256_castsi256_si128(a), narrow, _mm256_castsi256_si128(c));
    __m128i f = folded(_mm256_extracti128_si256(a, 1), narrow, _mm256_extracti128_si256(c, 1));
    __m128i g = folded(_mm256_castsi256_si128(b), narrow, _mm256_castsi256_si128(d));
    __m128i h = folded(_mm256_extracti128_si256(b, 1), narrow, _mm256_extracti128_si256(d, 1));
    for (; in < end; in += 2) {
        const __m128i_u *rest = (const __m128i_u *)in;
        e = folded(e, narrow, _mm_loadu_si128(rest));
        f = folded(f, narrow, _mm_loadu_si128(rest + 1));
        g = folded(g, narrow, _mm_loadu_si128(rest + 2));
        h = folded(h, narrow, _mm_loadu_si128(rest + 3));
    }
    return folded_by_128(e, f, g, h);
}

WIDE_FOLDING static inline __m512i folded_wide(__m512i value, __m512i powers, __m512i next)
{
    __m512i early = _mm512_clmulepi64_epi128(value, powers, 0x00);
    __m512i late = _mm512_clmulepi64_epi128(value, powers, 0x11);
    return _mm512_ternarylogic_epi64(early, late, next, 0x96);
}

WIDE_FOLDING static uint32_t crc32_folded_wide(uint32_t state, const void *source, size_t count)
{
    if (count == 0) return state;
    const __m512i powers = _mm512_broadcast_i32x4(BY_512);
    const __m512i_u *in = source, *end = in + count / 64;
    __m512i a = _mm512_xor_si512(_mm512_loadu_si512(in), _mm512_zextsi128_si512(_mm_cvtsi32_si128((int)state)));
    in += 1;
    if (end - in >= 7) {
        const __m512i far_powers = _mm512_broadcast_i32x4(BY_2048);
        __m512i b = _mm512_loadu_si512(in), c = _mm512_loadu_si512(in + 1), d = _mm512_loadu_si512(in + 2);
        for (in += 3; end - in >= 4; in += 4) {
            a = folded_wide(a, far_powers, _mm512_loadu_si512(in));
            b = folded_wide(b, far_powers, _mm512_loadu_si512(in + 1));
            c = folded_wide(c, far_powers, _mm512_loadu_si512(in + 2));
            d = folded_wide(d, far_powers, _mm512_loadu_si512(in + 3));
        }
        a = folded_wide(folded_wide(folded_wide(a, powers, b), powers, c), powers, d);
    }
    for (; in < end; in++) a = folded_wide(a, powers, _mm512_loadu_si512(in));
    return folded_by_128(
        _mm512_castsi512_si128(a), _mm512_extracti32x4_epi32(a, 1), _mm512_extracti32x4_epi32(a, 2),
        _mm512_extracti32x4_epi32(a, 3));
}

ck_checksum ck_crc32_at(int level)
{
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("pclmul") || !__builtin_cpu_supports("sse4.1")) return NULL;
    int is_wide = __builtin_cpu_supports("vpclmulqdq");
    if (level == 0) return crc32_folded;
    if (level == 1 && is_wide && __builtin_cpu_supports("avx2")) return crc32_folded_double;
    if (level == 2 && is_wide && __builtin_cpu_supports("avx512f")) return crc32_folded_wide;
    return NULL;
}

#elif defined(__aarch64__)

#include <arm_acle.h>
#include <string.h>
#if defined(__linux__)
#include <sys/auxv.h>
#endif

__attribute__((target("crc"))) static uint32_t crc32_by_instruction(uint32_t state, const void *source, size_t count)
{
    const char *in = source;
    for (size_t i = 0; i < count; i += 8) {
        uint64_t word;
        memcpy(&word, in + i, sizeof word);
        state = __crc32d(state, word);
    }
    return state;
}

ck_checksum ck_crc32_at(int level)
{
#if defined(__linux__)
    int has_instruction = getauxval(AT_HWCAP) >> 7 & 1;  // HWCAP_CRC32
#else
    int has_instruction = 1;
#endif
    return level == 0 && has_instruction ? crc32_by_instruction : NULL;
}

#else

ck_checksum ck_crc32_at(int level)
{
    (void)level;
    return NULL;
}

#endif
