#include <fmt/format.h>

#include <cmath>

#include "base/error.h"
#include "infer/package.h"

namespace rouage::infer {

LoadedModel::LoadedModel(Package package, SessionOptions options)
    : package_(std::move(package)), options_(std::move(options)) {}

const Session& LoadedModel::net() const {
  const std::lock_guard lock(mutex_);
  if (!net_) net_ = std::make_unique<Session>(Session::open(package_.folder / package_.model_file, options_));
  return *net_;
}

const Session* LoadedModel::guided() const {
  if (package_.guided_file.empty()) return nullptr;
  const std::lock_guard lock(mutex_);
  if (!guided_) guided_ = std::make_unique<Session>(Session::open(package_.folder / package_.guided_file, options_));
  return guided_.get();
}

std::vector<Tensor> LoadedModel::answer(const Tensor& input, const std::vector<std::string>& outputs) const {
  std::vector<Tensor> answers = net().run({{package_.input.name, input}}, outputs);
  for (std::size_t i = 0; i < answers.size(); ++i) {
    // Summing finds any NaN or infinity at memory speed; a finite sum of finite floats cannot overflow a double.
    double sum = 0;
    for (const float value : answers[i].values) sum += static_cast<double>(value);
    if (!std::isfinite(sum))
      throw Error(ErrorCode::OutputInvalid,
                  fmt::format("output {} of {} {}", outputs[i], package_.name, package_.version))
          .file(package_.folder / package_.model_file);
  }
  return answers;
}

void LoadedModel::read_head() const {
  const auto side = static_cast<std::int64_t>(package_.input.size);
  Tensor blank{.shape = {1, package_.input.channels, side, side}, .values = {}};
  blank.values.resize(static_cast<std::size_t>(package_.input.channels * side * side));
  std::vector<std::string> wanted{package_.head_weight};
  if (!package_.head_bias.empty()) wanted.push_back(package_.head_bias);
  std::vector<Tensor> head = answer(blank, wanted);
  if (head[0].shape.size() != 2)
    throw Error(ErrorCode::ModelInvalid, "the head's weights are not a matrix [outputs, channels]")
        .file(package_.folder / package_.model_file);
  const std::lock_guard lock(mutex_);
  if (head_weight_) return;  // another thread was faster; its tensors may already be lent out
  head_bias_ = std::make_unique<Tensor>(wanted.size() > 1 ? std::move(head[1]) : Tensor{});
  head_weight_ = std::make_unique<Tensor>(std::move(head[0]));
}

const Tensor& LoadedModel::head_weight() const {
  static const Tensor kNone;
  if (package_.head_weight.empty()) return kNone;
  bool known = false;
  {
    const std::lock_guard lock(mutex_);
    known = head_weight_ != nullptr;
  }
  if (!known) read_head();
  const std::lock_guard lock(mutex_);
  return *head_weight_;
}

const Tensor& LoadedModel::head_bias() const {
  static const Tensor kNone;
  if (head_weight().values.empty()) return kNone;
  const std::lock_guard lock(mutex_);
  return *head_bias_;
}

std::shared_ptr<const LoadedModel> load(Package package, const SessionOptions& options) {
  return std::make_shared<const LoadedModel>(std::move(package), options);
}

}  // namespace rouage::infer
