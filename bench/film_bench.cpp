// Where the time of one film goes: decode, preprocess, net, map, objects, pictures. One thread, so that stages add up.
//   build/release/film_bench [--benchmark_filter=...]        figures: docs/benchmarks.md
#include <benchmark/benchmark.h>

#include <cstdlib>
#include <filesystem>

#include "app/phantom_header.h"
#include "base/host.h"
#include "cogs/cog.h"
#include "dicom/reading.h"
#include "image/phantom_film.h"
#include "infer/package.h"
#include "results/results.h"

namespace {

using namespace rouage;

/// Synthetic films, written once: the usual one and a full-size detector's.
const Bytes& film_bytes(std::uint32_t columns, std::uint32_t rows) {
  static std::map<std::pair<std::uint32_t, std::uint32_t>, Bytes> made;
  Bytes& bytes = made[{columns, rows}];
  if (bytes.empty()) {
    image::PhantomOptions options;
    options.columns = columns;
    options.rows = rows;
    options.noise = 2;
    options.effusion = image::Side::left;
    options.nodules = {{70, -20, 24}};
    bytes = app::phantom_dicom(image::make_phantom_film(options));
  }
  return bytes;
}

std::shared_ptr<const infer::LoadedModel> model(const std::string& name) {
  static std::map<std::string, std::shared_ptr<const infer::LoadedModel>> loaded;
  auto& found = loaded[name];
  if (!found) {
    const std::filesystem::path folder = std::filesystem::path(ROUAGE_SOURCE_DIR) / "models" / name;
    found = infer::load(infer::read_package(folder), {.threads = 1, .arena = true, .provider = "cpu", .spin = false});
  }
  return found;
}

cogs::CogContext context() {
  cogs::CogContext lent;
  lent.model = [](const std::string& name) { return model(name); };
  return lent;
}

struct Sample {
  cogs::CogInput input;
  cogs::CogResult result;
};

/// A film with the chest cog's own result.
const Sample& analysed() {
  static const Sample sample = [] {
    Sample made;
    dicom::FilmInstance instance = dicom::read_film(film_bytes(1024, 1024), {});
    made.input.current.push_back({std::move(instance.film), std::move(instance.header)});
    made.result = cogs::find_cog("chest")->run(made.input, context());
    return made;
  }();
  return sample;
}

void decode(benchmark::State& state) {
  const Bytes& bytes =
      film_bytes(static_cast<std::uint32_t>(state.range(0)), static_cast<std::uint32_t>(state.range(1)));
  for (auto _ : state) benchmark::DoNotOptimize(dicom::read_film(bytes, {}));
}

void preprocess(benchmark::State& state) {
  const auto instance = dicom::read_film(
      film_bytes(static_cast<std::uint32_t>(state.range(0)), static_cast<std::uint32_t>(state.range(1))), {});
  const infer::PackageInput input = model("rouage-chest")->package().input;
  for (auto _ : state) benchmark::DoNotOptimize(infer::film_tensor(instance.film, input));
}

void net(benchmark::State& state) {
  const auto chest = model("rouage-chest");
  const infer::Tensor input = infer::film_tensor(*analysed().input.current[0].film(), chest->package().input);
  for (auto _ : state)
    benchmark::DoNotOptimize(
        chest->net().run({{chest->package().input.name, input}}, {chest->package().logits, chest->package().features}));
}

/// Gate, net, calibration, maps and regions together; minus `net` and the gate's net: what the cog itself costs.
void cog(benchmark::State& state) {
  const Sample& sample = analysed();
  const cogs::CogContext lent = context();
  for (auto _ : state) benchmark::DoNotOptimize(cogs::find_cog("chest")->run(sample.input, lent));
}

void objects(benchmark::State& state) {
  const Sample& sample = analysed();
  state.counters["findings"] = static_cast<double>(sample.result.findings.size());
  state.counters["regions"] = static_cast<double>(sample.result.regions.size());
  for (auto _ : state)
    benchmark::DoNotOptimize(results::film_results(sample.input.current[0], sample.result, {"en", false}));
}

void objects_and_pictures(benchmark::State& state) {
  const Sample& sample = analysed();
  for (auto _ : state)
    benchmark::DoNotOptimize(results::film_results(sample.input.current[0], sample.result, {"en", true}));
}

BENCHMARK(decode)->Args({1024, 1024})->Args({2500, 3000})->Unit(benchmark::kMillisecond);
BENCHMARK(preprocess)->Args({1024, 1024})->Args({2500, 3000})->Unit(benchmark::kMillisecond);
BENCHMARK(net)->Unit(benchmark::kMillisecond);
BENCHMARK(cog)->Unit(benchmark::kMillisecond);
BENCHMARK(objects)->Unit(benchmark::kMillisecond);
BENCHMARK(objects_and_pictures)->Unit(benchmark::kMillisecond);

}  // namespace

BENCHMARK_MAIN();
