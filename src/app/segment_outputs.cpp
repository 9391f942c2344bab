#include <algorithm>

#include "app/segment.h"
#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

bool wants(const SegmentArguments& arguments, const std::string& what) {
  return arguments.write.empty() ||
         std::find(arguments.write.begin(), arguments.write.end(), what) != arguments.write.end();
}

void write_map(const fs::path& file, const SegmentSource& source, const results::VolumeSegmentation& segmentation) {
  image::LabelMapWriteOptions options;
  for (const results::VolumeLabel& label : segmentation.names) options.labels.push_back({label.value, label.name});
  if (source.header && source.header->format == image::VolumeFormat::nifti) options.file.like = source.header;
  image::write_label_map(file, segmentation.labels, options);
}

}  // namespace

results::VolumeContext segment_context(const SegmentArguments& arguments, const SegmentSource& source,
                                       std::vector<std::string> outputs, std::string memory) {
  results::VolumeContext context;
  context.inputs = arguments.inputs;
  context.outputs = std::move(outputs);
  context.memory = std::move(memory);
  if (source.series) {
    context.series_instance_uid = source.series->series_instance_uid;
    context.study_instance_uid = source.series->instances.front().study_instance_uid;
  }
  return context;
}

std::vector<std::string> write_segment_outputs(const SegmentArguments& arguments, const SegmentSource& source,
                                               results::VolumeSegmentation& segmentation, std::string memory) {
  const fs::path out = arguments.out;
  results::VolumeContext context = segment_context(arguments, source, {}, std::move(memory));
  if (image::is_volume_name(out)) {
    write_map(out, source, segmentation);
    return {out.string()};
  }
  fs::path staging = out;
  staging += ".part";
  StagedFolder staged(staging);
  if (wants(arguments, "nifti")) {
    write_map(staged.path() / "labels.nii.gz", source, segmentation);
    context.outputs.emplace_back("labels.nii.gz");
  }
  if (source.series) {
    const results::VolumeResultOptions options{.language = arguments.language,
                                               .seg = wants(arguments, "seg"),
                                               .label_map = wants(arguments, "labelmap"),
                                               .structures = wants(arguments, "rtstruct"),
                                               .report = wants(arguments, "sr"),
                                               .threads = static_cast<unsigned>(std::max(1, arguments.threads))};
    for (const results::ResultFile& file :
         results::write_volume_results(*source.series, segmentation, options, staged.path()))
      context.outputs.push_back(file.name);
  }
  context.outputs.emplace_back("results.json");
  write_file_atomic(staged.path() / "results.json", results::volume_json(segmentation, context) + "\n");
  staged.publish(out);
  std::vector<std::string> paths;
  for (const std::string& name : context.outputs) paths.push_back((out / name).string());
  return paths;
}

}  // namespace rouage::app
