// Which products a thread computes, counted by shape: what there is to measure before a choice between two ways.
#ifndef PRODUCT_RECORD_H
#define PRODUCT_RECORD_H
#include <stdint.h>

/// One shape, by a number that isn't 0, and what was seen of it.
typedef struct {
  uint64_t shape;
  /// The largest of the numbers that came with it.
  int64_t extent;
  int64_t count;
} rnd_product_use;

/// From now on this thread counts in `uses`, a zeroed table whose capacity is a power of two; null ends that.
void rnd_record_products(rnd_product_use *uses, int64_t capacity);
/// Nonzero while this thread counts.
int rnd_is_recording_products(void);
/// Counts a shape once; shapes for which there is no room are left out.
void rnd_record_product(uint64_t shape, int64_t extent);
#endif
