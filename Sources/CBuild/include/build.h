// Separate file: a target of C needs a header.
#ifndef BUILD_H
#define BUILD_H

// The commit of which the program was built, `unknown` if it was built without launch/build. Ends in `-dirty` if files were
// changed since.
const char *rnd_commit(void);

#endif
