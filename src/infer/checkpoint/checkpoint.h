/// What an nnU-Net v2 checkpoint (.pth, torch 1.6 or later) says, without Python: weights by name, and the few words
/// beside them.
///
///   Checkpoint checkpoint(open_file(folder / "fold_0/checkpoint_final.pth"));
///   std::vector<float> values = checkpoint.load("encoder.stages.0.0.convs.0.conv.weight");
///
/// Names are those of the module itself: leading `module.` (DataParallel) and `_orig_mod.` (torch.compile) are taken
/// off. Weights stay in the file until they are loaded, one at a time. Source: specification section 1;
/// torch/serialization.py's container: `<name>/data.pkl` refers to storages by persistent ids ("storage", type, key,
/// location, elements), whose bytes are
/// `<name>/data/<key>`.
#pragma once
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "infer/checkpoint/random_access.h"
#include "infer/checkpoint/zip_archive.h"

namespace rouage::infer::checkpoint {

enum class Element { float32, float16, bfloat16, float64, other };

/// A tensor as a view of a storage; sizes and strides in elements, slowest axis first.
struct TensorView {
  std::string storage;  ///< key below data/
  Element element = Element::other;
  std::string type;  ///< torch's name of the storage, for messages
  std::uint64_t storage_elements = 0, offset = 0;
  std::vector<std::uint64_t> sizes, strides;
  std::uint64_t elements() const;  ///< checked on reading: fits 64 bits
  friend bool operator==(const TensorView&, const TensorView&) = default;
};

class Checkpoint {
 public:
  /// Errors: CheckpointInvalid (another format, damaged, hostile, no network_weights, the same weight twice).
  explicit Checkpoint(RandomAccess file);

  const std::map<std::string, TensorView>& weights() const { return weights_; }
  /// Values in row-major order as float32 (float64 is rounded). Errors: CheckpointInvalid (absent, another type, beyond
  /// its storage, not finite).
  std::vector<float> load(const std::string& name);

  std::string trainer;        ///< "trainer_name", or ""
  std::string configuration;  ///< "init_args.configuration", or ""
  bool mirroring_known = false;
  std::optional<std::vector<int>> mirroring_axes;  ///< spatial axes 0..2 in transposed order; absent: None
  std::string plans_json, dataset_json;            ///< from init_args, or ""

 private:
  void read_pickle_entry();
  ZipArchive archive_;
  std::string root_;  ///< "<name>/" before every entry
  std::map<std::string, TensorView> weights_;
};

}  // namespace rouage::infer::checkpoint
