// nnU-Net's stages around the net, one a process so that peak memory is the stage's own. Prints one JSON object.
//   nnunet_stages preprocess|export10|export117|segment [threads] [repeats]
// preprocess: crop, CT normalisation, cubic resampling, 512x512x200 at 0.75x0.75x1.5 mm -> 256x256x200.
// export10: 10 classes 256x256x200 -> 512x512x200 labels. export117: 117 classes 256x256x800 -> 512x512x800, logits
// made plane by plane as a slab would hand them over (the making is timed apart). bench/nnunet_python_stages.py is the
// peer.
#include <sys/resource.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <string>

#include "base/host.h"
#include "infer/float16.h"
#include "infer/nnunet/crop.h"
#include "infer/nnunet/nnunet.h"
#include "infer/nnunet/preprocess.h"

namespace {

using namespace rouage;         // NOLINT: a program of one file
using namespace rouage::infer;  // NOLINT

double peak_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024.0;
}

NnunetModel model_of(std::uint32_t classes) {
  NnunetModel m;
  m.patch = {128, 128, 128};
  m.spacing_mm = {1.5, 1.5, 1.5};
  m.channels = {{"CT", Normalization::ct, false, 100, 300, -900, 1200}};
  m.data = {Resampling::data_or_seg_to_shape, 3, 0, std::nullopt};
  m.probabilities = {Resampling::data_or_seg_to_shape, 1, 0, std::nullopt};
  for (std::uint32_t c = 0; c < classes; ++c) m.written_labels.push_back(static_cast<std::uint16_t>(c));
  return m;
}

image::Volume<float> ct(std::uint32_t slices) {
  image::Volume<float> v;
  v.grid.size = {512, 512, slices};
  v.grid.step_mm = {image::Point3{0.75, 0, 0}, {0, 0.75, 0}, {0, 0, 1.5}};
  v.values.reserve(v.grid.voxels());
  for (std::uint32_t k = 0; k < slices; ++k)
    for (std::uint32_t j = 0; j < 512; ++j)
      for (std::uint32_t i = 0; i < 512; ++i)
        v.values.push_back(std::round(1500.0F * std::sin(0.05F * static_cast<float>(i + k)) *
                                      std::cos(0.03F * static_cast<float>(j))) +
                           0.5F);
  return v;
}

struct Timed {
  std::vector<double> seconds;
  double making_s = 0, checksum = 0;
};

void preprocess_once(const image::Volume<float>& volume, const NnunetModel& model, int threads, Timed& timed) {
  const double start = monotonic_s();
  const std::vector<nnunet::View<float>> views{nnunet::transposed_view(volume, model.transpose_forward)};
  const nnunet::Box box = nnunet::nonzero_box(views, threads);
  const nnunet::Geometry g = nnunet::geometry_of(model, views[0].size, box, nnunet::spacing_of(volume.grid), 0.5);
  const nnunet::Preprocessed data = nnunet::preprocess(views, nullptr, model, g, threads);
  timed.seconds.push_back(monotonic_s() - start);
  timed.checksum = static_cast<double>(data.images[0][data.images[0].size() / 2]);
}

void export_once(std::uint32_t classes, std::uint32_t slices, int threads, Timed& timed) {
  const NnunetModel model = model_of(classes);
  std::vector<std::uint16_t> wave(4096);
  for (std::size_t i = 0; i < wave.size(); ++i)
    wave[i] = float_to_half(10.0F * std::sin(0.0123F * static_cast<float>(i)));
  const double start = monotonic_s();
  double making = 0;
  std::uint64_t sum = 0;
  export_labels(
      {{slices, 512, 512}, {0, 0, 0}, {slices, 512, 512}, {slices, 256, 256}, {1.5, 0.75, 0.75}}, model,
      {.threads = threads},
      [&](std::uint32_t z, std::span<std::uint16_t> halves) {
        const double from = monotonic_s();
        for (std::size_t row = 0; row < halves.size() / 256; ++row)
          std::copy_n(wave.begin() + static_cast<std::ptrdiff_t>((row * 37 + row / 256 * 611 + z * 5) % 3840), 256,
                      halves.begin() + static_cast<std::ptrdiff_t>(row * 256));
        making += monotonic_s() - from;
      },
      [&](std::uint32_t, std::span<const std::uint16_t> slice) { sum += slice[slice.size() / 3]; });
  timed.seconds.push_back(monotonic_s() - start - making);
  timed.making_s = making;
  timed.checksum = static_cast<double>(sum);
}

void segment_once(const image::Volume<float>& volume, int threads, Timed& timed) {
  NnunetModel model = model_of(25);
  model.folds.resize(1);
  const NetFactory nets = [](std::size_t) -> PatchNet {
    return [](std::span<const float> patch, std::span<float> logits) {
      for (std::size_t c = 0; c < logits.size() / patch.size(); ++c)
        for (std::size_t i = 0; i < patch.size(); ++i)
          logits[c * patch.size() + i] = patch[i] * (static_cast<float>(c % 5) - 1.5F);
    };
  };
  const SegmentOptions options{.accumulation = Accumulation::exact, .threads = threads};
  const double start = monotonic_s();
  const SegmentResult done = segment({{&volume, 1}, nullptr, std::nullopt}, model, options, nets, {});
  timed.seconds.push_back(monotonic_s() - start);
  timed.checksum = static_cast<double>(done.memory.peak >> 20);
}

}  // namespace

int main(int argc, char** argv) {
  const std::string stage = argc > 1 ? argv[1] : "";
  const int threads = argc > 2 ? std::atoi(argv[2]) : 2, repeats = argc > 3 ? std::atoi(argv[3]) : 3;
  Timed timed;
  double before = 0;
  if (stage == "preprocess" || stage == "segment") {
    const image::Volume<float> volume = ct(200);
    before = peak_mib();
    for (int n = 0; n < repeats; ++n)
      stage == "segment" ? segment_once(volume, threads, timed) : preprocess_once(volume, model_of(2), threads, timed);
  } else if (stage == "export10" || stage == "export117") {
    before = peak_mib();
    for (int n = 0; n < repeats; ++n)
      stage == "export10" ? export_once(10, 200, threads, timed) : export_once(117, 800, threads, timed);
  } else {
    std::fprintf(stderr, "nnunet_stages preprocess|export10|export117|segment [threads] [repeats]\n");
    return 2;
  }
  std::string all;
  for (const double s : timed.seconds) all += (all.empty() ? "" : ", ") + fixed_text(s, 4);
  std::sort(timed.seconds.begin(), timed.seconds.end());
  std::printf(
      "{\"stage\": \"%s\", \"threads\": %d, \"median_s\": %.4f, \"all_s\": [%s], \"making_s\": %.3f, "
      "\"peak_mib\": %.0f, \"before_mib\": %.0f, \"checksum\": %g}\n",
      stage.c_str(), threads, timed.seconds[timed.seconds.size() / 2], all.c_str(), timed.making_s, peak_mib(), before,
      timed.checksum);
  return 0;
}
