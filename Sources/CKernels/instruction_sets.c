#include "instruction_sets.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const NAMES[RND_SETS] = {"portable", "avx2", "avx512", "avx512-bf16"};
static const char *const VARIABLE = "RNN_DIST_KERNELS";

int rnd_set_available(int set) {
  if (set == rnd_set_portable) return 1;
#if RND_HAS_X86_SETS
  switch (set) {
    case rnd_set_avx2: return __builtin_cpu_supports("x86-64-v3");
    case rnd_set_avx512: return __builtin_cpu_supports("x86-64-v4");
    case rnd_set_avx512_bf16:
      return __builtin_cpu_supports("x86-64-v4") && __builtin_cpu_supports("avx512bf16") &&
             __builtin_cpu_supports("avx512vnni");
  }
#endif
  return 0;
}

int rnd_best_set(void) {
  for (int set = RND_SETS - 1; set > rnd_set_portable; set--) {
    if (rnd_set_available(set)) return set;
  }
  return rnd_set_portable;
}

const char *rnd_set_name(int set) { return set >= 0 && set < RND_SETS ? NAMES[set] : "unknown"; }

int rnd_set_named(const char *name) {
  for (int set = 0; set < RND_SETS; set++) {
    if (strcmp(name, NAMES[set]) == 0) return set;
  }
  return -1;
}

// The set that the environment requests; -1 without a request, -2 if the set can't be used.
static int requested_set(void) {
  const char *name = getenv(VARIABLE);
  if (!name || !*name) return -1;
  const int set = rnd_set_named(name);
  return set >= 0 && rnd_set_available(set) ? set : -2;
}

const char *rnd_unusable_set_request(void) { return requested_set() == -2 ? getenv(VARIABLE) : NULL; }

static atomic_int set_in_use = -1;

// Threads that run this at the same time find the same set.
static int chosen_set(void) {
  const int requested = requested_set();
  const int set = requested >= 0 ? requested : rnd_best_set();
  int undecided = -1;
  if (atomic_compare_exchange_strong(&set_in_use, &undecided, set) && requested == -2) {
    fprintf(stderr, "%s=%s is not a set of kernels that this processor can run; using %s\n", VARIABLE,
            getenv(VARIABLE), rnd_set_name(set));
  }
  return atomic_load(&set_in_use);
}

int rnd_set_in_use(void) {
  const int set = atomic_load_explicit(&set_in_use, memory_order_relaxed);
  return set >= 0 ? set : chosen_set();
}

void rnd_use_set(int set) { atomic_store(&set_in_use, set); }

int rnd_vector_set(void) {
  const int set = rnd_set_in_use();
  return set > rnd_set_avx512 ? rnd_set_avx512 : set;
}
