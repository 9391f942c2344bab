// Bytes as a checkpoint: the zip container, the pickle, the tensors. Weights or a rouage::Error; anything else is a
// finding. The first byte chooses: a whole archive, or a pickle alone, since no mutation finds its way through a
// CRC-32.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "base/error.h"
#include "infer/checkpoint/checkpoint.h"
#include "infer/checkpoint/pickle.h"

namespace {

using rouage::infer::checkpoint::Checkpoint;
using rouage::infer::checkpoint::in_memory;
using rouage::infer::checkpoint::Pickle;
using rouage::infer::checkpoint::read_pickle;

void read_archive(std::span<const std::uint8_t> bytes) {
  Checkpoint checkpoint(in_memory(bytes));
  int loaded = 0;
  for (const auto& [name, view] : checkpoint.weights()) {
    if (++loaded > 20) break;
    if (checkpoint.load(name).size() != view.elements()) std::abort();
  }
}

void read_pickle_alone(std::span<const std::uint8_t> bytes) {
  const Pickle pickle = read_pickle(bytes, {.bytes = 1 << 20, .nodes = 100'000, .references = 400'000});
  for (const auto item : pickle.at(pickle.root()).items) try {
      if (pickle.json_of(item).empty()) std::abort();
    } catch (const rouage::Error& error) {
      if (error.code() != rouage::ErrorCode::CheckpointInvalid) std::abort();
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size == 0) return 0;
  const std::span<const std::uint8_t> rest(data + 1, size - 1);
  try {
    if (data[0] == 'P')
      read_pickle_alone(rest);
    else
      read_archive(rest);
  } catch (const rouage::Error& error) {
    if (error.code() == rouage::ErrorCode::Internal) std::abort();
  }
  return 0;
}
