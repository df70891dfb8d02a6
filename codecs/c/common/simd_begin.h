/* First part of every kernel, included once TARGET is defined: the attribute that asks for its vectors.
   decode/lanes_end.h is the last part. No include guards: each kernel is a file of its own. */

/* Inlined with constants for what is const, so that each case is compiled on its own. */
#define TEMPLATE TARGET static inline __attribute__((always_inline))
#if defined(__has_feature)
#if __has_feature(address_sanitizer)
#define UNROLL /* checks of each step would make functions that take clang minutes */
#endif
#endif
#if defined(UNROLL)
#elif defined(__clang__)
#define UNROLL _Pragma("unroll")
#else
#define UNROLL _Pragma("GCC unroll 32")
#endif
