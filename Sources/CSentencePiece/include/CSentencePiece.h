// SentencePiece (Kudo and Richardson 2018) as C: no exception and no C++ type leaves it.
//
// Functions return true or false. On false `error` is a message. The caller frees everything that they return, messages
// included, with rnd_sp_free. Several threads may use a loaded model at a time; only one may train.

#ifndef CSENTENCEPIECE_H
#define CSENTENCEPIECE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

// A loaded model.
typedef struct rnd_sp_model rnd_sp_model;

// Frees a message, a text or ids.
void rnd_sp_free(void *memory);

// Learns a model from `line_count` lines; line i is the bytes from offsets[i] to offsets[i + 1] of `text`.
// `options` are `option_count` pairs of names and values as spm_train has them. `model` becomes the bytes of
// the model file.
bool rnd_sp_train(const char *const *options, size_t option_count, const char *text, const size_t *offsets,
                  size_t line_count, uint32_t seed, char **model, size_t *model_size, char **error);

// Makes a model of the bytes of a model file.
bool rnd_sp_load(const void *bytes, size_t size, rnd_sp_model **model, char **error);
void rnd_sp_unload(rnd_sp_model *model);

// Number of pieces.
int32_t rnd_sp_piece_count(const rnd_sp_model *model);
// The id of the piece for unknown characters, negative if the model has none.
int32_t rnd_sp_unknown_id(const rnd_sp_model *model);
// The text of a piece, which the model owns; null for an id that it doesn't have.
const char *rnd_sp_piece(const rnd_sp_model *model, int32_t id, size_t *size);

// The ids of a text.
bool rnd_sp_encode(const rnd_sp_model *model, const char *text, size_t size, int32_t **ids, size_t *count,
                   char **error);
// The text of ids, all of which the model must have.
bool rnd_sp_decode(const rnd_sp_model *model, const int32_t *ids, size_t count, char **text, size_t *size,
                   char **error);

#ifdef __cplusplus
}
#endif
#endif
