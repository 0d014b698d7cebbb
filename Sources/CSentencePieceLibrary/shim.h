// Separate file: a system library needs a header.
#ifndef CSENTENCEPIECELIBRARY_SHIM_H
#define CSENTENCEPIECELIBRARY_SHIM_H
#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>
#endif
