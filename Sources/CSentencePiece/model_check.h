// Looks at what SentencePiece trusts blindly in a model file.

#ifndef MODEL_CHECK_H
#define MODEL_CHECK_H

#include <string>
#include <string_view>

// Empty if the tables of normalization in the bytes of a model file point nowhere but into themselves;
// otherwise what is wrong. The library itself checks the rest.
std::string model_problem(std::string_view bytes);

#endif
