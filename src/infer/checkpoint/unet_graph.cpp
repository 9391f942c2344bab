#include "infer/checkpoint/unet_graph.h"

#include <fmt/format.h>

#include <utility>

#include "infer/checkpoint/weight_names.h"

namespace rouage::infer::checkpoint {
namespace {

using Dims = std::vector<std::int64_t>;

Dims dims_of(const Extents& extents) {
  return {extents.begin(), extents.end()};
}
bool all_ones(const Extents& extents) {
  for (const std::uint32_t extent : extents)
    if (extent != 1) return false;
  return true;
}

class Builder {
 public:
  explicit Builder(const UNetPlan& plan) : plan_(plan), ones_(static_cast<std::size_t>(plan.dimensions), 1) {}

  OnnxGraph run() {
    graph_.name = plan_.class_name;
    graph_.input = {"input", {plan_.channels}};
    graph_.output = {"logits", {plan_.classes}};
    for (const std::uint32_t extent : plan_.patch) {
      graph_.input.dims.push_back(extent);
      graph_.output.dims.push_back(extent);
    }
    const std::vector<std::string> skips = encoder();
    const std::string last = decoder(skips);
    const std::string head = fmt::format("decoder.seg_layers.{}", plan_.stages() - 2);
    convolution({.name = head,
                 .from = plan_.features.front(),
                 .to = plan_.classes,
                 .kernel = ones_,
                 .stride = ones_,
                 .bias = true},
                last, "logits");
    return std::move(graph_);
  }

 private:
  struct Convolution {
    std::string name;
    std::uint32_t from, to;
    Extents kernel, stride;
    bool bias;
  };

  std::vector<std::string> encoder() {
    std::string x = "input";
    std::uint32_t from = plan_.channels;
    if (plan_.residual) {
      x = block("encoder.stem.convs.0", from, plan_.features[0], plan_.kernels[0], ones_, x);
      from = plan_.features[0];
    }
    std::vector<std::string> skips;
    for (std::size_t s = 0; s < plan_.stages(); ++s) {
      for (std::uint32_t i = 0; i < plan_.encoder_blocks[s]; ++i) {
        const Extents& stride = i == 0 ? plan_.strides[s] : ones_;
        x = plan_.residual ? residual_block(fmt::format("encoder.stages.{}.blocks.{}", s, i), from, plan_.features[s],
                                            plan_.kernels[s], stride, x)
                           : block(fmt::format("encoder.stages.{}.0.convs.{}", s, i), from, plan_.features[s],
                                   plan_.kernels[s], stride, x);
        from = plan_.features[s];
      }
      skips.push_back(x);
    }
    return skips;
  }

  std::string decoder(const std::vector<std::string>& skips) {
    std::string x = skips.back();
    for (std::size_t d = 0; d + 1 < plan_.stages(); ++d) {
      const std::size_t below = plan_.stages() - 1 - d, here = below - 1;
      const std::string up = upsample(fmt::format("decoder.transpconvs.{}", d), below, here, x);
      x = fmt::format("decoder.concat.{}", d);
      node("Concat", x, {up, skips[here]}, x, {{"axis", std::int64_t{1}}});
      std::uint32_t from = 2 * plan_.features[here];
      for (std::uint32_t i = 0; i < plan_.decoder_convs[d]; ++i) {
        x = block(fmt::format("decoder.stages.{}.convs.{}", d, i), from, plan_.features[here], plan_.kernels[here],
                  ones_, x);
        from = plan_.features[here];
      }
    }
    return x;
  }

  std::string block(const std::string& name, std::uint32_t from, std::uint32_t to, const Extents& kernel,
                    const Extents& stride, const std::string& x) {
    return activation(name + ".nonlin",
                      norm(name, to, convolution({name + ".conv", from, to, kernel, stride, plan_.conv_bias}, x)));
  }

  /// Two convolutions, a way around them, the activation after the sum.
  std::string residual_block(const std::string& name, std::uint32_t from, std::uint32_t to, const Extents& kernel,
                             const Extents& stride, const std::string& x) {
    const std::string first = block(name + ".conv1", from, to, kernel, stride, x);
    const std::string second =
        norm(name + ".conv2", to, convolution({name + ".conv2.conv", to, to, kernel, ones_, plan_.conv_bias}, first));
    std::string around = x;
    int part = 0;
    if (!all_ones(stride)) {
      const std::string pool = fmt::format("{}.skip.{}", name, part++);
      node("AveragePool", pool, {around}, pool, {{"kernel_shape", dims_of(stride)}, {"strides", dims_of(stride)}});
      around = pool;
    }
    if (from != to) {
      const std::string projection = fmt::format("{}.skip.{}", name, part);
      around = norm(projection, to, convolution({projection + ".conv", from, to, ones_, ones_, false}, around));
    }
    node("Add", name + ".add", {second, around}, name + ".add", {});
    return activation(name + ".nonlin2", name + ".add");
  }

  std::string convolution(const Convolution& c, const std::string& x, const std::string& output = {}) {
    Dims shape{c.to, c.from}, pads;
    for (const std::uint32_t k : c.kernel) shape.push_back(k);
    for (int side = 0; side < 2; ++side)
      for (const std::uint32_t k : c.kernel) pads.push_back((k - 1) / 2);
    std::vector<std::string> inputs{x, weight(c.name + ".weight", shape)};
    if (c.bias) inputs.push_back(weight(c.name + ".bias", {c.to}));
    std::string made = output.empty() ? c.name : output;
    node("Conv", c.name, std::move(inputs), made,
         {{"dilations", dims_of(ones_)},
          {"group", std::int64_t{1}},
          {"kernel_shape", dims_of(c.kernel)},
          {"pads", pads},
          {"strides", dims_of(c.stride)}});
    return made;
  }

  std::string upsample(const std::string& name, std::size_t below, std::size_t here, const std::string& x) {
    const Extents& stride = plan_.strides[below];
    Dims shape{plan_.features[below], plan_.features[here]};
    for (const std::uint32_t s : stride) shape.push_back(s);
    std::vector<std::string> inputs{x, weight(name + ".weight", shape)};
    if (plan_.conv_bias) inputs.push_back(weight(name + ".bias", {plan_.features[here]}));
    node("ConvTranspose", name, std::move(inputs), name,
         {{"dilations", dims_of(ones_)},
          {"group", std::int64_t{1}},
          {"kernel_shape", dims_of(stride)},
          {"pads", Dims(2 * stride.size(), 0)},
          {"strides", dims_of(stride)}});
    return name;
  }

  std::string norm(const std::string& block_name, std::uint32_t features, const std::string& x) {
    std::string name = block_name + ".norm";
    const std::string scale = plan_.norm_affine ? name + ".weight" : kConstantOne + name;
    const std::string shift = plan_.norm_affine ? name + ".bias" : kConstantZero + name;
    node("InstanceNormalization", name, {x, weight(scale, {features}), weight(shift, {features})}, name,
         {{"epsilon", plan_.norm_epsilon}});
    return name;
  }

  std::string activation(const std::string& name, const std::string& x) {
    if (plan_.negative_slope == 0.0F)
      node("Relu", name, {x}, name, {});
    else
      node("LeakyRelu", name, {x}, name, {{"alpha", plan_.negative_slope}});
    return name;
  }

  std::string weight(const std::string& name, Dims dims) {
    graph_.weights.push_back({name, std::move(dims)});
    return name;
  }
  void node(const char* op, const std::string& name, std::vector<std::string> inputs, const std::string& output,
            std::vector<OnnxAttribute> attributes) {
    graph_.nodes.push_back({op, name, std::move(inputs), output, std::move(attributes)});
  }

  const UNetPlan& plan_;
  Extents ones_;
  OnnxGraph graph_;
};

}  // namespace

OnnxGraph build_unet(const UNetPlan& plan) {
  OnnxGraph made = Builder(plan).run();
  made.weight_values();  // refuses what no file holds before a weight is read
  return made;
}

}  // namespace rouage::infer::checkpoint
