#define _GNU_SOURCE  // clock_gettime beside strict C11
#include "instrumentation.h"

#include <stddef.h>
#include <time.h>


static _Thread_local struct {
  double seconds[RND_PROFILE_KINDS];
  double operations[RND_PROFILE_KINDS];
  rnd_profile_event *events;
  int64_t capacity;
  int64_t recorded;
} profile;

int64_t rnd_profile_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t rnd_profile_add(int kind, int64_t start, double operations) {
  const int64_t end = rnd_profile_clock();
  profile.seconds[kind] += 1e-9 * (double)(end - start);
  profile.operations[kind] += operations;
  if (profile.recorded < profile.capacity) {
    profile.events[profile.recorded++] = (rnd_profile_event){.start = start, .end = end, .kind = kind};
  }
  return end;
}

void rnd_profile_add_operations(int kind, double operations) { profile.operations[kind] += operations; }

double rnd_profile_seconds(int kind) { return profile.seconds[kind]; }
double rnd_profile_operations(int kind) { return profile.operations[kind]; }

void rnd_profile_record(rnd_profile_event *events, int64_t capacity) {
  profile.events = events;
  profile.capacity = events ? capacity : 0;
  profile.recorded = 0;
}

int64_t rnd_profile_recorded(void) { return profile.recorded; }

static _Thread_local struct {
  rnd_product_use *uses;
  int64_t capacity;
} record;

void rnd_record_products(rnd_product_use *uses, int64_t capacity) {
  record.uses = uses;
  record.capacity = uses ? capacity : 0;
}

int rnd_is_recording_products(void) { return record.uses != NULL; }

void rnd_record_product(uint64_t shape, int64_t extent) {
  const uint64_t mask = (uint64_t)record.capacity - 1;
  uint64_t place = shape * 0x9E3779B97F4A7C15u >> 32;
  for (int64_t tries = 0; tries < record.capacity; tries++, place++) {
    rnd_product_use *use = record.uses + (place & mask);
    if (use->shape != 0 && use->shape != shape) continue;
    use->shape = shape;
    if (extent > use->extent) use->extent = extent;
    use->count++;
    return;
  }
}
