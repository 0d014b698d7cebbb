// Separate file: a C++ file and its header are two files.
//
// Looks at what SentencePiece trusts blindly in a model file. Only the shim calls it; the public header of the target is C, so
// this declaration has a header of its own.

#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

#include <string>
#include <string_view>

// Empty if the tables of normalization in the bytes of a model file point nowhere but into themselves;
// otherwise a description of the problem. The library itself checks the rest.
std::string model_problem(std::string_view bytes);

#endif
