// Where the time of a step goes: a clock reading before and after each kernel, added up by kind for the calling thread.
#ifndef STEP_PROFILE_H
#define STEP_PROFILE_H
#include <stdint.h>

/// Kinds of work; Swift's StepProfile.Kind has the same values.
enum { RND_PROFILE_KINDS = 5 };

/// A piece of work, nanoseconds of the monotonic clock.
typedef struct {
  int64_t start;
  int64_t end;
  int32_t kind;
} rnd_profile_event;

int64_t rnd_profile_clock(void);
/// Adds the time since `start` and a number of floating-point operations to a kind of this thread's profile.
void rnd_profile_add(int kind, int64_t start, double operations);
/// Seconds and operations of a kind on this thread since it began.
double rnd_profile_seconds(int kind);
double rnd_profile_operations(int kind);
/// From now on this thread's pieces of work are also written to `events`, until they are full; null ends that.
void rnd_profile_record(rnd_profile_event *events, int64_t capacity);
/// Number of events written since.
int64_t rnd_profile_recorded(void);
#endif
