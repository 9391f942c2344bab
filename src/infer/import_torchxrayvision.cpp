#include <fmt/format.h>

#include <array>
#include <filesystem>
#include <map>

#include "base/error.h"
#include "base/host.h"
#include "infer/model_check.h"
#include "infer/onnx_file.h"
#include "infer/package_writer.h"
#include "infer/package_yaml.h"

namespace rouage::infer {
namespace {

constexpr std::uint64_t kFileCap = 1024 * kMebibyte;
constexpr int kSize = 224;

struct Pathology {
  const char* theirs;
  const char* ours;  ///< ChestX-ray14's name where it has one
};
/// The order in which a torchxrayvision DenseNet answers (its `pathologies` list).
constexpr std::array<Pathology, 18> kPathologies{{{"Atelectasis", "Atelectasis"},
                                                  {"Consolidation", "Consolidation"},
                                                  {"Infiltration", "Infiltration"},
                                                  {"Pneumothorax", "Pneumothorax"},
                                                  {"Edema", "Edema"},
                                                  {"Emphysema", "Emphysema"},
                                                  {"Fibrosis", "Fibrosis"},
                                                  {"Effusion", "Effusion"},
                                                  {"Pneumonia", "Pneumonia"},
                                                  {"Pleural_Thickening", "Pleural_Thickening"},
                                                  {"Cardiomegaly", "Cardiomegaly"},
                                                  {"Nodule", "Nodule"},
                                                  {"Mass", "Mass"},
                                                  {"Hernia", "Hernia"},
                                                  {"Lung Lesion", "Lung Lesion"},
                                                  {"Fracture", "Fracture"},
                                                  {"Lung Opacity", "Lung Opacity"},
                                                  {"Enlarged Cardiomediastinum", "Enlarged Cardiomediastinum"}}};

bool fits(std::int64_t extent, std::int64_t wanted) {
  return extent == -1 || extent == wanted;
}

void check_shapes(const Session& net) {
  if (net.inputs().size() != 1 || net.outputs().empty())
    throw Error(ErrorCode::ModelInvalid, fmt::format("one input and one output are expected, it has {} and {}",
                                                     net.inputs().size(), net.outputs().size()));
  const TensorInfo& in = net.inputs().front();
  const TensorInfo& out = net.outputs().front();
  if (in.shape.size() != 4 || !fits(in.shape[1], 1) || !fits(in.shape[2], kSize) || !fits(in.shape[3], kSize))
    throw Error(ErrorCode::ModelInvalid, "the input " + in.name + " is not [N,1,224,224]");
  if (out.shape.size() != 2 || !fits(out.shape[1], static_cast<std::int64_t>(kPathologies.size())))
    throw Error(ErrorCode::ModelInvalid, "the output " + out.name + " is not [N,18]");
}

/// A YAML scalar in double quotes.
std::string quoted(const std::string& text) {
  std::string made = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') made += '\\';
    made += static_cast<unsigned char>(c) < 0x20 ? ' ' : c;
  }
  return made + "\"";
}

std::string model_yaml(const ImportOptions& options, const Session& net, const std::map<std::string, Bytes>& files) {
  std::string yaml = fmt::format(
      "format: {}\nname: {}\nversion: {}\nmaker: {}\nlicence: {}\n"
      "intended_use: \"Imported chest film net. Not calibrated here: raw scores only, for research.\"\n"
      "cog: chest\nengine: onnxruntime\n"
      "eligibility:\n  modality: [CR, DX, RF, OT, SC]\n  body_part: CHEST\n  view: [PA, AP]\n  minimum_age_a: 18\n"
      "input:\n  name: {}\n  size: {}\n  channels: 1\n  axes: NCHW\n  resize: squeeze_area\n  normalisation: {}\n"
      "graph:\n  file: model.onnx\n  logits: {}\noutputs:\n",
      kPackageFormat, quoted(options.name), quoted(options.version), quoted(options.maker), quoted(options.licence),
      quoted(net.inputs().front().name), kSize, options.normalisation, quoted(net.outputs().front().name));
  for (std::size_t i = 0; i < kPathologies.size(); ++i)
    yaml += fmt::format("  - {{index: {}, label: {}, kind: finding}}\n", i, quoted(kPathologies[i].ours));
  yaml += "files:\n";
  for (const auto& [name, bytes] : files) yaml += fmt::format("  {}: {}\n", quoted(name), sha256(bytes).hex());
  return yaml;
}

}  // namespace

Package import_torchxrayvision(const std::filesystem::path& onnx, const ImportOptions& options,
                               const std::filesystem::path& out_folder) {
  try {
    const Session net = Session::open(onnx, options.session);
    check_shapes(net);
    PackageInput input{.name = net.inputs().front().name,
                       .size = kSize,
                       .channels = 1,
                       .resize = "squeeze_area",
                       .normalisation = options.normalisation};
    require_scale(probe_scales(net, input, net.outputs().front().name), options.normalisation);

    std::map<std::string, Bytes> files{{"model.onnx", read_file(onnx, kFileCap)}};
    for (const std::string& name : read_onnx(files.at("model.onnx")).external_files())
      files[name] = read_file(onnx.parent_path() / name, kFileCap);
    write_package(model_yaml(options, net, files), files, out_folder);
    return read_package(out_folder);
  } catch (Error& error) {
    throw error.file(onnx);
  }
}

}  // namespace rouage::infer
