#include "model_check.h"

#include <cstdint>
#include <cstring>
#include <vector>

namespace {

// The fields of a protocol buffer message, one after the other.
class Fields {
 public:
  explicit Fields(std::string_view message) : rest_(message) {}

  // Goes to the next field; false at the end and if the bytes are not a message.
  bool next() {
    uint64_t key = 0;
    if (rest_.empty() || !varint(&key)) return false;
    number_ = key >> 3;
    content_ = std::string_view();
    uint64_t length = 0;
    switch (key & 7) {
      case 0: return varint(&length);
      case 1: return take(8);
      case 2: return varint(&length) && take(length);
      case 5: return take(4);
      default: return false;
    }
  }

  uint64_t number() const { return number_; }
  // The bytes of a field that has a length.
  std::string_view content() const { return content_; }

 private:
  bool varint(uint64_t *value) {
    *value = 0;
    for (int shift = 0; shift < 64 && !rest_.empty(); shift += 7) {
      const uint8_t byte = static_cast<uint8_t>(rest_.front());
      rest_.remove_prefix(1);
      *value |= static_cast<uint64_t>(byte & 0x7F) << shift;
      if (byte < 0x80) return true;
    }
    return false;
  }

  bool take(uint64_t length) {
    if (length > rest_.size()) return false;
    content_ = rest_.substr(0, length);
    rest_.remove_prefix(length);
    return true;
  }

  std::string_view rest_;
  uint64_t number_ = 0;
  std::string_view content_;
};

// The offset of the children of a unit of the double array (Darts-clone: Yata 2008).
uint32_t child_offset(uint32_t unit) { return (unit >> 10) << ((unit & (1U << 9)) >> 6); }

// True if every walk through the trie stays in it, and every value is the beginning of a text in `texts`.
bool is_closed(const std::vector<uint32_t> &units, std::string_view texts) {
  std::vector<bool> seen(units.size(), false);
  std::vector<uint32_t> open = {0};
  seen[0] = true;
  while (!open.empty()) {
    const uint32_t place = open.back();
    open.pop_back();
    const uint32_t children = place ^ child_offset(units[place]);
    if ((children | 0xFF) >= units.size()) return false;
    const bool has_value = (units[place] >> 8 & 1) != 0;
    if (has_value && (units[children] & 0x7FFFFFFF) >= texts.size()) return false;
    for (uint32_t byte = 0; byte < 256; ++byte) {
      const uint32_t child = children ^ byte;
      const uint32_t label = units[child] & (1U << 31 | 0xFF);
      if (label != byte || seen[child]) continue;
      seen[child] = true;
      open.push_back(child);
    }
  }
  return true;
}

// A table of normalization: the size of a trie, the trie, and the texts that its values begin, each ended by
// a zero.
bool is_sound(std::string_view table) {
  if (table.empty()) return true;
  uint32_t size = 0;
  if (table.size() < sizeof(size)) return false;
  std::memcpy(&size, table.data(), sizeof(size));
  table.remove_prefix(sizeof(size));
  if (size == 0 || size % sizeof(uint32_t) != 0 || size >= table.size() || table.back() != '\0') return false;
  std::vector<uint32_t> units(size / sizeof(uint32_t));
  std::memcpy(units.data(), table.data(), size);
  return is_closed(units, table.substr(size));
}

}  // namespace

std::string model_problem(std::string_view bytes) {
  const uint64_t normalizer = 3, denormalizer = 5, table = 2;
  for (Fields model(bytes); model.next();) {
    if (model.number() != normalizer && model.number() != denormalizer) continue;
    for (Fields spec(model.content()); spec.next();) {
      if (spec.number() == table && !is_sound(spec.content())) return "a damaged table of normalization";
    }
  }
  return std::string();
}
