/// The chest cog around tiny nets: everything but the medicine.
#pragma once
#include <memory>
#include <string>
#include <vector>

#include "cogs/chest/chest.h"
#include "infer/probe_films.h"
#include "infer/small_package.h"

namespace rouage::testing {

/// A model package ("model": Effusion, remarkable, estimated_age) and a gate package ("gate": mirrored, `second`,
/// child, each refused at `gate_threshold`), lent to cogs by name.
struct ChestBench {
  SmallPackage model{"model"}, gate{"gate", {"tiny.onnx"}};
  cogs::CogContext context;

  explicit ChestBench(double effusion_threshold = 0.01, double gate_threshold = 0.9999999,
                      const char* second = "cropped_apex") {
    replace(model.yaml, "threshold: 0.4", "threshold: " + number_text(effusion_threshold));
    model.write();
    replace(gate.yaml, "guided: {file: tiny_guided.onnx, image: image, target: target, gradient: guided_gradient}\n",
            "");
    const auto from = gate.yaml.find("outputs:\n"), to = gate.yaml.find("sharpness:");
    std::string outputs = "outputs:\n";
    int index = 0;
    for (const char* label : {"mirrored", second, "child"})
      outputs +=
          "  - {index: " + std::to_string(index++) + ", label: " + label +
          ", kind: refusal, calibration: {method: platt, a: 1, b: 0}, operating_points: [{name: refuse, threshold: " +
          number_text(gate_threshold) + "}]}\n";
    gate.yaml.replace(from, to - from, outputs);
    replace(gate.yaml, "threshold: -1.75", "minimum_matrix_px: 200, threshold: -5");
    replace(gate.yaml, "sharpness:", "aspect: {minimum: 0.55, maximum: 1.8}\nsharpness:");
    gate.write();
    lend();
  }

  void lend() {
    const auto net = infer::load(infer::read_package(model.folder), {}),
               guard = infer::load(infer::read_package(gate.folder), {});
    context.model = [net, guard](const std::string& name) { return name == cogs::chest::kGate ? guard : net; };
  }
};

/// An adult's upright PA film by header, with synthetic pixels.
inline cogs::Picture adult_film(std::size_t number = 0) {
  cogs::Picture picture;
  static const std::vector<image::Film> kFilms = infer::probe_films();
  picture.image = kFilms.at(number);
  picture.header.sop_instance_uid = "1.2.3." + std::to_string(number + 1);
  picture.header.study_instance_uid = "1.2.3";
  picture.header.modality = "DX";
  picture.header.body_part = "CHEST";
  picture.header.view_position = "PA";
  picture.header.age_a = 54;
  picture.header.patient_orientation = {"L", "F"};
  return picture;
}

inline cogs::CogInput input_of(cogs::Picture picture) {
  cogs::CogInput input;
  input.current.push_back(std::move(picture));
  return input;
}

}  // namespace rouage::testing
