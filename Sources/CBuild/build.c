// Separate file: it is compiled again for every commit.
#include "build.h"

const char *rnd_commit(void) { return RND_COMMIT; }
