#include "product_record.h"

#include <stddef.h>

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
