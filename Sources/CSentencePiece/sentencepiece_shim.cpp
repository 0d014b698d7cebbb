#include "CSentencePiece.h"

#include "model_check.h"

#include <sentencepiece_processor.h>
#include <sentencepiece_trainer.h>

#include <cstdlib>
#include <cstring>
#include <exception>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

struct rnd_sp_model {
  sentencepiece::SentencePieceProcessor processor;
};

namespace {

using sentencepiece::util::Status;

// A copy that C can free; null without memory. Never of size 0, so that null means only that.
char *copy(std::string_view text) {
  char *bytes = static_cast<char *>(std::malloc(text.size() + 1));
  if (bytes == nullptr) return nullptr;
  std::memcpy(bytes, text.data(), text.size());
  bytes[text.size()] = 0;
  return bytes;
}

bool give(std::string_view text, char **bytes, size_t *size) {
  *bytes = copy(text);
  *size = text.size();
  return *bytes != nullptr;
}

// Runs `body`, which returns a message: empty for success. Nothing is thrown out of here.
template <typename Body>
bool guarded(char **error, Body body) noexcept {
  try {
    const std::string message = body();
    if (message.empty()) return true;
    *error = copy(message);
  } catch (const std::exception &caught) {
    *error = copy(caught.what());
  } catch (...) {
    *error = copy("an unknown C++ exception");
  }
  return false;
}

std::string message(const Status &status) { return status.ok() ? std::string() : status.ToString(); }

const std::string out_of_memory = "out of memory";

// Lines in memory as the trainer reads them.
class Lines : public sentencepiece::SentenceIterator {
 public:
  Lines(const char *text, const size_t *offsets, size_t count)
      : text_(text), offsets_(offsets), count_(count) {
    read();
  }
  bool done() const override { return index_ >= count_; }
  void Next() override {
    ++index_;
    read();
  }
  const std::string &value() const override { return value_; }
  Status status() const override { return Status(); }

 private:
  void read() {
    if (!done()) value_.assign(text_ + offsets_[index_], offsets_[index_ + 1] - offsets_[index_]);
  }

  const char *text_;
  const size_t *offsets_;
  const size_t count_;
  size_t index_ = 0;
  std::string value_;
};

}  // namespace

void rnd_sp_free(void *memory) { std::free(memory); }

bool rnd_sp_train(const char *const *options, size_t option_count, const char *text, const size_t *offsets,
                  size_t line_count, uint32_t seed, char **model, size_t *model_size, char **error) {
  return guarded(error, [&]() -> std::string {
    std::unordered_map<std::string, std::string> arguments;
    for (size_t i = 0; i < option_count; ++i) arguments[options[2 * i]] = options[2 * i + 1];
    Lines lines(text, offsets, line_count);
    std::string bytes;
    sentencepiece::SetRandomGeneratorSeed(seed);
    const Status status = sentencepiece::SentencePieceTrainer::Train(arguments, &lines, &bytes);
    if (!status.ok()) return message(status);
    return give(bytes, model, model_size) ? std::string() : out_of_memory;
  });
}

bool rnd_sp_load(const void *bytes, size_t size, rnd_sp_model **model, char **error) {
  return guarded(error, [&]() -> std::string {
    const std::string_view content(static_cast<const char *>(bytes), size);
    const std::string problem = model_problem(content);
    if (!problem.empty()) return problem;
    auto loaded = std::make_unique<rnd_sp_model>();
    const Status status = loaded->processor.LoadFromSerializedProto(content);
    if (!status.ok()) return message(status);
    if (loaded->processor.GetPieceSize() == 0) return "a model without pieces";
    *model = loaded.release();
    return std::string();
  });
}

void rnd_sp_unload(rnd_sp_model *model) { delete model; }

int32_t rnd_sp_piece_count(const rnd_sp_model *model) { return model->processor.GetPieceSize(); }
int32_t rnd_sp_unknown_id(const rnd_sp_model *model) { return model->processor.unk_id(); }

const char *rnd_sp_piece(const rnd_sp_model *model, int32_t id, size_t *size) {
  if (id < 0 || id >= model->processor.GetPieceSize()) return nullptr;
  const std::string &piece = model->processor.IdToPiece(id);
  *size = piece.size();
  return piece.data();
}

bool rnd_sp_encode(const rnd_sp_model *model, const char *text, size_t size, int32_t **ids, size_t *count,
                   char **error) {
  return guarded(error, [&]() -> std::string {
    std::vector<int> found;
    const Status status = model->processor.Encode(std::string_view(text, size), &found);
    if (!status.ok()) return message(status);
    *ids = static_cast<int32_t *>(std::malloc((found.size() + 1) * sizeof(int32_t)));
    if (*ids == nullptr) return out_of_memory;
    for (size_t i = 0; i < found.size(); ++i) (*ids)[i] = found[i];
    *count = found.size();
    return std::string();
  });
}

bool rnd_sp_decode(const rnd_sp_model *model, const int32_t *ids, size_t count, char **text, size_t *size,
                   char **error) {
  return guarded(error, [&]() -> std::string {
    const int pieces = model->processor.GetPieceSize();
    const std::vector<int> given(ids, ids + count);
    for (const int id : given) {
      if (id < 0 || id >= pieces) {
        return "id " + std::to_string(id) + " of " + std::to_string(pieces) + " pieces";
      }
    }
    std::string decoded;
    const Status status = model->processor.Decode(given, &decoded);
    if (!status.ok()) return message(status);
    return give(decoded, text, size) ? std::string() : out_of_memory;
  });
}
