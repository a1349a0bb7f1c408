/* SPDX-License-Identifier: 0BSD */
/* SHA-256, as FIPS 180-4 has it */
#include <stdio.h>
#include <string.h>
#ifdef __x86_64__
#include <cpuid.h>
#include <immintrin.h>
#elif defined __AARCH64EL__ && !defined __clang__
#include <arm_neon.h>
#include <sys/auxv.h>
#endif

#include "util.h"

static const uint32_t k[64] = {
	0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5,
	0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174,
	0xe49b69c1, 0xefbe4786, 0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da,
	0x983e5152, 0xa831c66d, 0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967,
	0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585, 0x106aa070,
	0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a, 0x5b9cca4f, 0x682e6ff3,
	0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7, 0xc67178f2,
};

/* MIPS16 has no rotation, and eight registers */
#ifdef __mips16
#define WHOLE __attribute__((nomips16))
#else
#define WHOLE
#endif

static WHOLE uint32_t
ror(uint32_t x, int n)
{
	return x >> n | x << (32 - n);
}

/* one round: the eight words change their names instead of their places, which is twenty times as fast */
static inline __attribute__((always_inline)) WHOLE void
turn(uint32_t a, uint32_t b, uint32_t c, uint32_t *d, uint32_t e, uint32_t f, uint32_t g, uint32_t *h, uint32_t kw)
{
	uint32_t t = *h + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + (g ^ (e & (f ^ g))) + kw;

	*d += t;
	*h = t + (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) | (c & (a | b)));
}

static WHOLE void
mix(uint32_t state[8], const uint8_t *p)
{
	uint32_t w[64], a = state[0], b = state[1], c = state[2], d = state[3];
	uint32_t e = state[4], f = state[5], g = state[6], h = state[7];
	int i;

	for (i = 0; i < 16; i++)
		w[i] = (uint32_t)p[i * 4] << 24 | (uint32_t)p[i * 4 + 1] << 16 | (uint32_t)p[i * 4 + 2] << 8 | p[i * 4 + 3];
	for (; i < 64; i++)
		w[i] = w[i - 16] + w[i - 7] + (ror(w[i - 15], 7) ^ ror(w[i - 15], 18) ^ w[i - 15] >> 3)
		     + (ror(w[i - 2], 17) ^ ror(w[i - 2], 19) ^ w[i - 2] >> 10);
	for (i = 0; i < 64; i += 8) {
		turn(a, b, c, &d, e, f, g, &h, k[i] + w[i]);
		turn(h, a, b, &c, d, e, f, &g, k[i + 1] + w[i + 1]);
		turn(g, h, a, &b, c, d, e, &f, k[i + 2] + w[i + 2]);
		turn(f, g, h, &a, b, c, d, &e, k[i + 3] + w[i + 3]);
		turn(e, f, g, &h, a, b, c, &d, k[i + 4] + w[i + 4]);
		turn(d, e, f, &g, h, a, b, &c, k[i + 5] + w[i + 5]);
		turn(c, d, e, &f, g, h, a, &b, k[i + 6] + w[i + 6]);
		turn(b, c, d, &e, f, g, h, &a, k[i + 7] + w[i + 7]);
	}
	state[0] += a;
	state[1] += b;
	state[2] += c;
	state[3] += d;
	state[4] += e;
	state[5] += f;
	state[6] += g;
	state[7] += h;
}

#ifdef __x86_64__
/* by instructions of their own, where the processor has them: three to six times as fast */
__attribute__((target("sha,sse4.1"))) static void
mix_fast(uint32_t s[8], const uint8_t *p, size_t n)
{
	const __m128i swap = _mm_set_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
	__m128i abef = _mm_set_epi32((int)s[0], (int)s[1], (int)s[4], (int)s[5]);
	__m128i cdgh = _mm_set_epi32((int)s[2], (int)s[3], (int)s[6], (int)s[7]), abef_was, cdgh_was, w[4], *x, kw;
	uint32_t out[8];
	int i;

	for (; n > 0; n--, p += 64) {
		abef_was = abef;
		cdgh_was = cdgh;
		for (i = 0; i < 16; i++) {
			x = &w[i & 3];
			if (i < 4)
				*x = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(const void *)(p + 16 * i)), swap);
			else
				*x = _mm_sha256msg2_epu32(_mm_add_epi32(_mm_sha256msg1_epu32(*x, w[(i + 1) & 3]),
				                          _mm_alignr_epi8(w[(i + 3) & 3], w[(i + 2) & 3], 4)), w[(i + 3) & 3]);
			kw = _mm_add_epi32(*x, _mm_loadu_si128((const __m128i *)(const void *)(k + 4 * i)));
			cdgh = _mm_sha256rnds2_epu32(cdgh, abef, kw);
			abef = _mm_sha256rnds2_epu32(abef, cdgh, _mm_shuffle_epi32(kw, 0x0e));
		}
		abef = _mm_add_epi32(abef, abef_was);
		cdgh = _mm_add_epi32(cdgh, cdgh_was);
	}
	_mm_storeu_si128((__m128i *)(void *)out, abef);
	_mm_storeu_si128((__m128i *)(void *)(out + 4), cdgh);
	for (i = 0; i < 8; i++)
		s[i] = out[(i & 2) * 2 + (i & 4 ? 1 : 3) - (i & 1)];
}

static bool
has_fast(void)
{
	static int has = -1;
	unsigned int a, b = 0, c, d;

	if (has < 0)
		has = __get_cpuid_count(7, 0, &a, &b, &c, &d) && b >> 29 & 1 && !sys_denied("sha_ni");
	return has;
}
#elif defined __AARCH64EL__ && !defined __clang__
/* the same there */
__attribute__((target("+crypto"))) static void
mix_fast(uint32_t s[8], const uint8_t *p, size_t n)
{
	uint32x4_t abcd = vld1q_u32(s), efgh = vld1q_u32(s + 4), abcd_was, efgh_was, was, w[4], *x, kw;
	int i;

	for (; n > 0; n--, p += 64) {
		abcd_was = abcd;
		efgh_was = efgh;
		for (i = 0; i < 16; i++) {
			x = &w[i & 3];
			if (i < 4)
				*x = vreinterpretq_u32_u8(vrev32q_u8(vld1q_u8(p + 16 * i)));
			else
				*x = vsha256su1q_u32(vsha256su0q_u32(*x, w[(i + 1) & 3]), w[(i + 2) & 3], w[(i + 3) & 3]);
			kw = vaddq_u32(*x, vld1q_u32(k + 4 * i));
			was = abcd;
			abcd = vsha256hq_u32(abcd, efgh, kw);
			efgh = vsha256h2q_u32(efgh, was, kw);
		}
		abcd = vaddq_u32(abcd, abcd_was);
		efgh = vaddq_u32(efgh, efgh_was);
	}
	vst1q_u32(s, abcd);
	vst1q_u32(s + 4, efgh);
}

static bool
has_fast(void)
{
	enum { SHA2 = 1 << 6 };  /* HWCAP_SHA2 */

	return getauxval(AT_HWCAP) & SHA2 && !sys_denied("sha_ni");
}
#else
#define mix_fast(s, p, n)
#define has_fast() false
#endif

static void
mix_all(uint32_t state[8], const uint8_t *p, size_t n)
{
	if (has_fast()) {
		mix_fast(state, p, n);
		return;
	}
	for (; n > 0; n--, p += 64)
		mix(state, p);
}

void
sha256_begin(struct sha256 *s)
{
	static const uint32_t first[8] = {
		0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
	};

	memcpy(s->state, first, sizeof(first));
	s->length = 0;
}

void
sha256_add(struct sha256 *s, const void *data, size_t len)
{
	const uint8_t *p = data;
	size_t at = s->length % 64, n;

	s->length += len;
	if (at && at + len >= 64) {
		n = 64 - at;
		memcpy(s->block + at, p, n);
		mix_all(s->state, s->block, 1);
		p += n;
		len -= n;
		at = 0;
	}
	n = at ? 0 : len / 64;
	mix_all(s->state, p, n);
	memcpy(s->block + at, p + n * 64, len - n * 64);
}

void
sha256_end(struct sha256 *s, uint8_t digest[32])
{
	static const uint8_t pad[64] = { 0x80 };
	uint64_t bits = s->length * 8;
	uint8_t tail[8];
	int i;

	for (i = 0; i < 8; i++)
		tail[i] = (uint8_t)(bits >> (56 - 8 * i));
	sha256_add(s, pad, 1 + (119 - s->length % 64) % 64);
	sha256_add(s, tail, 8);
	for (i = 0; i < 32; i++)
		digest[i] = (uint8_t)(s->state[i / 4] >> (24 - i % 4 * 8));
}

void
sha256_name(struct sha256 *s, char name[72])
{
	uint8_t digest[32];
	int i;

	sha256_end(s, digest);
	strcpy(name, "sha256:");
	for (i = 0; i < 32; i++)
		sprintf(name + 7 + 2 * i, "%02x", digest[i]);
}

void
sha256_text(const void *data, size_t len, char name[72])
{
	struct sha256 s;

	sha256_begin(&s);
	sha256_add(&s, data, len);
	sha256_name(&s, name);
}
