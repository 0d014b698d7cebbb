// A few threads that wait for the next kernel, spinning for a moment first: a recurrent network starts one every few
// microseconds.

#define _GNU_SOURCE  // sched_yield and signal masks beside strict C11
#include "thread_pool.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>

enum { SPINS = 4000 };  // about 40 microseconds

typedef struct {
  void (*body)(int part, int parts, void *argument);
  void *argument;
  int parts;
} task;

static struct {
  pthread_mutex_t owner;  // held by the caller whose work the threads are doing
  pthread_mutex_t sleep;
  pthread_cond_t wake;
  task present;
  _Atomic uint32_t round;    // grows with every task; a worker waits for it to change
  _Atomic int unfinished;    // workers that have not done their part of the present task
  _Atomic int sleepers;
  _Atomic int threads;       // threads in use, the caller's among them
  int made;                  // workers there are
} pool = {.owner = PTHREAD_MUTEX_INITIALIZER, .sleep = PTHREAD_MUTEX_INITIALIZER, .wake = PTHREAD_COND_INITIALIZER,
          .threads = 1};

static void relax(void) {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

static uint32_t wait_for_round_after(uint32_t seen) {
  for (int spin = 0; spin < SPINS; spin++) {
    uint32_t round = atomic_load_explicit(&pool.round, memory_order_acquire);
    if (round != seen) return round;
    relax();
  }
  pthread_mutex_lock(&pool.sleep);
  atomic_fetch_add(&pool.sleepers, 1);
  uint32_t round;
  while ((round = atomic_load(&pool.round)) == seen) pthread_cond_wait(&pool.wake, &pool.sleep);
  atomic_fetch_sub(&pool.sleepers, 1);
  pthread_mutex_unlock(&pool.sleep);
  return round;
}

typedef struct {
  int part;
  uint32_t seen;  // the round at which the worker was made: not one of its own
} beginning;

static beginning beginnings[RND_MOST_THREADS];

static void *work(void *argument) {
  const beginning *start = argument;
  uint32_t seen = start->seen;
  for (;;) {
    seen = wait_for_round_after(seen);
    const task present = pool.present;
    if (start->part < present.parts) present.body(start->part, present.parts, present.argument);
    atomic_fetch_sub_explicit(&pool.unfinished, 1, memory_order_release);
  }
  return 0;
}

// Workers block all signals, so that the program's own threads handle them.
static int make_worker(int part) {
  sigset_t all, before;
  pthread_t thread;
  beginnings[part] = (beginning){part, atomic_load(&pool.round)};
  sigfillset(&all);
  if (pthread_sigmask(SIG_BLOCK, &all, &before)) return 0;
  const int failed = pthread_create(&thread, 0, work, &beginnings[part]);
  pthread_sigmask(SIG_SETMASK, &before, 0);
  if (failed) return 0;
  pthread_detach(thread);
  return 1;
}

void rnd_await_parts(rnd_progress *progress, int part, int parts, int64_t steps) {
  __atomic_store_n(&progress[part].steps, steps, __ATOMIC_RELEASE);
  for (int other = 0; other < parts; other++) {
    for (int spin = 0; __atomic_load_n(&progress[other].steps, __ATOMIC_ACQUIRE) < steps; spin++) {
      if (spin < SPINS) relax();
      else sched_yield();
    }
  }
}

int rnd_set_thread_count(int count) {
  if (count < 1) count = 1;
  if (count > RND_MOST_THREADS) count = RND_MOST_THREADS;
  pthread_mutex_lock(&pool.owner);
  while (pool.made < count - 1 && make_worker(pool.made + 1)) pool.made++;
  if (count > pool.made + 1) count = pool.made + 1;
  atomic_store(&pool.threads, count);
  pthread_mutex_unlock(&pool.owner);
  return count;
}

int rnd_thread_count(void) { return atomic_load_explicit(&pool.threads, memory_order_relaxed); }

void rnd_parallel(void (*body)(int part, int parts, void *argument), void *argument) {
  const int parts = rnd_thread_count();
  if (parts == 1 || pthread_mutex_trylock(&pool.owner)) {
    body(0, 1, argument);
    return;
  }
  pool.present = (task){body, argument, parts};
  // Workers beyond the present number of threads take part in the round without any work.
  atomic_store_explicit(&pool.unfinished, pool.made, memory_order_relaxed);
  atomic_fetch_add(&pool.round, 1);
  if (atomic_load(&pool.sleepers) > 0) {
    pthread_mutex_lock(&pool.sleep);
    pthread_cond_broadcast(&pool.wake);
    pthread_mutex_unlock(&pool.sleep);
  }
  body(0, parts, argument);
  for (int spin = 0; atomic_load_explicit(&pool.unfinished, memory_order_acquire) > 0; spin++) {
    if (spin < SPINS) relax();
    else sched_yield();  // others want the cores: let the worker that is waited for have this one
  }
  pthread_mutex_unlock(&pool.owner);
}
