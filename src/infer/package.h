/// Model packages: a folder with model.yaml and .onnx files, refused when a digest does not match.
///
///   infer::Package package = infer::read_package(folder);           // digests checked
///   auto model = infer::load(package, {.threads = 2});              // sessions opened lazily, shared between threads
#pragma once
#include <cstdint>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/values.h"
#include "image/film.h"
#include "infer/session.h"

namespace rouage::infer {

struct PackageOperatingPoint {
  std::string name;
  double threshold = 0.5;  ///< on the calibrated probability
  std::optional<double> sensitivity, specificity;
  int positives = 0, negatives = 0;
  std::string set_on;
};

/// One output of the net and how to read it.
struct PackageOutput {
  int index = 0;
  std::string label;
  std::string kind;  ///< finding, score, view, sex, age, refusal
  std::string unit;
  std::optional<double> platt_a, platt_b;  ///< probability = 1 / (1 + exp(-(a * logit + b)))
  std::string calibrated_on;
  double scale = 1, offset = 0;  ///< kind age: value = offset + scale * output
  std::optional<double> uncertainty_sd;
  std::vector<PackageOperatingPoint> operating_points;

  /// Calibrated where the package says how, else absent.
  std::optional<double> probability(double logit) const;
  const PackageOperatingPoint* operating_point(const std::string& name) const;  ///< nullptr when absent
};

struct PackageInput {
  std::string name = "image";
  int size = 0;  ///< square, pixels
  int channels = 1;
  std::string resize;         ///< "squeeze_area": whole film squeezed to size x size by area averaging
  std::string normalisation;  ///< "film_standardise" (mean 0, SD 1, clipped) | "scale_1024" (0..1 -> -1024..1024) |
                              ///< "scale_255" | "unit" (0..1)
  double clip = 0;            ///< film_standardise: values beyond +-clip are clipped; 0: not
};

struct PackageFigure {
  std::string figure, label, stratum, data;
  Estimate estimate;
  int n = 0, positives = 0;
};

struct Package {
  std::filesystem::path folder;
  std::string name, version, maker, licence, intended_use, cog, engine;
  std::vector<std::string> modalities, views;
  std::string body_part;
  std::optional<double> minimum_age_a;
  PackageInput input;
  std::string model_file, features, logits, head_weight, head_bias;       ///< graph names; features etc. may be empty
  std::string guided_file, guided_image, guided_target, guided_gradient;  ///< empty where there is no guided graph
  std::vector<PackageOutput> outputs;
  std::map<std::string, double>
      numbers;  ///< further numeric settings, flattened: "sharpness.threshold", "aspect.maximum"
  std::vector<PackageFigure> performance;
  std::map<std::string, std::string> files;  ///< name -> SHA-256 hex
  std::string digest;                        ///< SHA-256 over model.yaml: it names every file's digest
};

/// Errors: FileMissing, PackageInvalid (names key and line), PackageDigest (names the file).
Package read_package(const std::filesystem::path& folder);
/// Package::digest without reading more than model.yaml: says which package it claims to be, checks nothing.
/// Errors: FileMissing.
std::string package_digest(const std::filesystem::path& folder);
/// `name_or_path`: a folder, or a name below a models folder. Errors: FileMissing lists what there is.
std::filesystem::path find_package(const std::string& name_or_path,
                                   const std::vector<std::filesystem::path>& model_folders);

/// A package with its sessions: opened at first use, thread-safe.
class LoadedModel {
 public:
  LoadedModel(Package package, SessionOptions options);
  const Package& package() const { return package_; }
  const Session& net() const;
  /// nullptr where the package has no guided graph.
  const Session* guided() const;
  /// Head weights [outputs][channels], read once from the graph's constant output; empty where there is none.
  const Tensor& head_weight() const;
  /// Head biases [outputs]; empty where the package names none.
  const Tensor& head_bias() const;
  /// One picture through the net: the named outputs, every value finite.  input: [1, channels, size, size].
  /// Errors: OutputInvalid (names the output), InferenceFailed, ModelInvalid.
  std::vector<Tensor> answer(const Tensor& input, const std::vector<std::string>& outputs) const;

 private:
  void read_head() const;
  Package package_;
  SessionOptions options_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<Session> net_, guided_;
  mutable std::unique_ptr<Tensor> head_weight_, head_bias_;
};

std::shared_ptr<const LoadedModel> load(Package package, const SessionOptions& options);

/// The film as the net's input tensor [1, channels, size, size], by the package's resize and normalisation.
/// Errors: PackageInvalid for a normalisation that this version does not know; InputRange for a film whose values are
/// not finite or not within 0..1.
Tensor film_tensor(const image::Film& film, const PackageInput& input);

/// Area-averaging squeeze of row-major `values` to size x size (bilinear on an axis where it is smaller); exposed for
/// the gate's sharpness measure and for tests.
std::vector<float> squeeze_area(const std::vector<float>& values, std::uint32_t columns, std::uint32_t rows,
                                std::uint32_t out_columns, std::uint32_t out_rows);

}  // namespace rouage::infer
