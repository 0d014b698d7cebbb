// Where the steps of sequences lie in a packed batch: step t of sequence p is row offset[t] + p. Sequences are sorted
// by length, longest first; the first `count` of them have at least one step.
#ifndef PACKED_ROWS_H
#define PACKED_ROWS_H
#include <stdint.h>

typedef struct {
  const int64_t *offset;  // [length[0]]
  const int64_t *length;  // [count]
  int64_t count;
} rnd_packed_rows;

#endif
