// Separate file: a C file and its public header are two files.
//
// The instruction sets that the kernels are compiled for, and the one in use.
//
// The set is chosen once, at the first kernel of the process: the best set of the processor, the one that the environment
// variable RNN_DIST_KERNELS names, or the one that was passed to rnd_use_set. All kernels of a process use it.
#ifndef INSTRUCTION_SETS_H
#define INSTRUCTION_SETS_H

/// The sets are in ascending order of speed. rnd_set_avx512_bf16 differs from rnd_set_avx512 only in matrix products of
/// two precisions: rnd_int8, and rnd_bf16, which the other sets compute in single precision on rounded operands.
enum { rnd_set_portable = 0, rnd_set_avx2 = 1, rnd_set_avx512 = 2, rnd_set_avx512_bf16 = 3, RND_SETS = 4 };

#if defined(__x86_64__) && defined(__clang__)
#define RND_HAS_X86_SETS 1
#else
#define RND_HAS_X86_SETS 0
#endif

/// Nonzero if this processor can run the kernels of a set. Portable: any. AVX2: x86-64-v3, which includes FMA. AVX-512:
/// x86-64-v4, the extensions F, BW, CD, DQ and VL; with bfloat16, also the extensions BF16 and VNNI.
int rnd_set_available(int set);
/// The best set that this processor can run.
int rnd_best_set(void);
/// The name of a set: portable, avx2, avx512 or avx512-bf16.
const char *rnd_set_name(int set);
/// The set of this name; -1 for an unknown name.
int rnd_set_named(const char *name);

/// The set in use.
int rnd_set_in_use(void);
/// Uses an available set from now on. No kernel may be running, and matrices that were packed before must not be used
/// after it.
void rnd_use_set(int set);
/// The value of RNN_DIST_KERNELS if it names no set that this processor can run; otherwise null. Such a value is ignored,
/// with a message on standard error.
const char *rnd_unusable_set_request(void);

/// The index of the set in use in tables of elementwise kernels: 0 portable, 1 AVX2, 2 AVX-512.
int rnd_vector_set(void);
#endif
