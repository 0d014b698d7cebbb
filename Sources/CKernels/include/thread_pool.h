// Separate file: a C file and its public header are two files.
//
// The threads of this process that share the work of one kernel.
//
// Work is divided by columns, rows or units, and a sum is never split: the result has the same bits for any number of
// threads.
#ifndef THREAD_POOL_H
#define THREAD_POOL_H
#include <stdint.h>

/// The maximum number of threads of a kernel.
enum { RND_MOST_THREADS = 64 };

/// Lets kernels use up to `count` threads, including the caller's; the initial value is 1. Threads are created here and never
/// end. Returns their number, which is smaller if the system grants no more.
int rnd_set_thread_count(int count);
int rnd_thread_count(void);

/// Calls body(part, parts, argument) once for each part and returns when all are done. There is one part per thread, or
/// only one part if the threads are busy with the work of another caller.
void rnd_parallel(void (*body)(int part, int parts, void *argument), void *argument);

/// The number of steps that a part of a body has done, in a cache line of its own: 0 at first.
typedef struct {
  _Alignas(64) int64_t steps;
} rnd_progress;

/// In a body: notes the steps that this part has done, and waits until all parts have done as many.
void rnd_await_parts(rnd_progress *progress, int part, int parts, int64_t steps);

/// The first of the units 0 to `count` that belong to a part. Parts have nearly equal sizes and are in order.
static inline int64_t rnd_part_begin(int64_t count, int part, int parts) { return count * part / parts; }
#endif
