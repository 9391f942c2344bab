// The cubic B-spline prefilter of specification 5.2, side by side for the columns of a block.
#include "infer/nnunet/rows.h"

#include <cmath>
#include "infer/nnunet/wide.h"

namespace rouage::infer::nnunet {
namespace {

const double kPole = std::sqrt(3.0) - 2.0;
/// Terms of the start sum beyond this one are below 1e-22 of the first: they do not reach a double's last bit.
constexpr std::size_t kStartTerms = 40;

void start_forward(double* block, std::size_t rows, std::size_t width) {
  const double last_power = std::pow(kPole, static_cast<double>(rows - 1));
  double* first = block;
  const double* last = block + (rows - 1) * width;
  for (std::size_t x = 0; x < width; ++x) first[x] += last_power * last[x];
  double power = kPole;
  for (std::size_t i = 1; i + 1 < rows && i <= kStartTerms; ++i, power *= kPole) {
    const double* near = block + i * width;
    const double* far = block + (rows - 1 - i) * width;
    on_this_cpu([=]() ROUAGE_INLINE {
      for (std::size_t x = 0; x < width; ++x) first[x] += power * (near[x] + last_power * far[x]);
    });
  }
  const double divisor = 1.0 - last_power * last_power;
  for (std::size_t x = 0; x < width; ++x) first[x] /= divisor;
}

}  // namespace

void spline_filter(std::span<double> block, std::size_t rows, std::size_t width) {
  const double gain = (1.0 - kPole) * (1.0 - 1.0 / kPole), pole = kPole;
  double* c = block.data();
  on_this_cpu([=]() ROUAGE_INLINE {
    for (std::size_t i = 0; i < rows * width; ++i) c[i] *= gain;
  });
  start_forward(c, rows, width);
  on_this_cpu([=]() ROUAGE_INLINE {
    for (std::size_t i = 1; i < rows; ++i) {
      double* row = c + i * width;
      const double* before = row - width;
      for (std::size_t x = 0; x < width; ++x) row[x] += pole * before[x];
    }
    double* last = c + (rows - 1) * width;
    for (std::size_t x = 0; x < width; ++x) last[x] = (pole * last[x - width] + last[x]) * pole / (pole * pole - 1.0);
    for (std::size_t i = rows - 1; i-- > 0;) {
      double* row = c + i * width;
      const double* after = row + width;
      for (std::size_t x = 0; x < width; ++x) row[x] = pole * (after[x] - row[x]);
    }
  });
}

void mix_four(const double* rows, std::size_t stride, std::span<const double, 4> weights, std::span<double> to) {
  on_this_cpu([=, t = to.data(), n = to.size(), w0 = weights[0], w1 = weights[1], w2 = weights[2], w3 = weights[3]]()
                  ROUAGE_INLINE {
                    const double *a = rows, *b = a + stride, *c = b + stride, *d = c + stride;
                    for (std::size_t x = 0; x < n; ++x) t[x] = a[x] * w0 + b[x] * w1 + c[x] * w2 + d[x] * w3;
                  });
}

}  // namespace rouage::infer::nnunet
