// Measurements of the work of the calling thread: the time of its kernels by kind, and the shapes of its matrix products.
#ifndef INSTRUMENTATION_H
#define INSTRUMENTATION_H
#include "element.h"

// MARK: Time
//
// The clock is read before and after each kernel, and the difference is added to the total of its kind.

/// Kinds of work; Swift's StepProfile.Kind has the same values. Kernels add to the first two themselves.
enum { RND_PROFILE_PRODUCTS = 0, RND_PROFILE_POINTWISE = 1, RND_PROFILE_KINDS = 5 };

/// A piece of work, nanoseconds of the monotonic clock.
typedef struct {
  int64_t start;
  int64_t end;
  int32_t kind;
} rnd_profile_event;

int64_t rnd_profile_clock(void);
/// Adds the time since `start` and a number of floating-point operations to a kind of this thread's profile; returns the time.
int64_t rnd_profile_add(int kind, int64_t start, double operations);
/// Adds operations whose time is counted elsewhere.
void rnd_profile_add_operations(int kind, double operations);
/// Seconds and operations of a kind on this thread since it began.
double rnd_profile_seconds(int kind);
double rnd_profile_operations(int kind);
/// Starts writing this thread's pieces of work to `events` as well, until the array is full; null stops it.
void rnd_profile_record(rnd_profile_event *events, int64_t capacity);
/// The number of events written since rnd_profile_record.
int64_t rnd_profile_recorded(void);

// MARK: Products
//
// Matrix products are counted by shape, so that the different ways to compute them can be measured.

/// The calls of one shape, whose code is not 0.
typedef struct {
  uint64_t shape;
  /// The largest extent of the calls.
  int64_t extent;
  int64_t count;
} rnd_product_use;

/// Starts counting in `uses`, a zeroed table whose capacity is a power of two; null stops it.
void rnd_record_products(rnd_product_use *uses, int64_t capacity);
/// Nonzero while this thread is counting.
int rnd_is_recording_products(void);
/// Counts a shape once; shapes that don't fit are left out.
void rnd_record_product(uint64_t shape, int64_t extent);
#endif
