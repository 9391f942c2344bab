#include "infer/unet/threads.h"

// Of libgomp; declared here because clang comes without its header.
extern "C" {
void omp_set_num_threads(int threads);
int omp_get_max_threads();
int omp_get_thread_num();
}

namespace rouage::infer::unet {

TeamSize::TeamSize(int threads) : before_(omp_get_max_threads()) {
  omp_set_num_threads(threads);
}
TeamSize::~TeamSize() {
  omp_set_num_threads(before_);
}

std::size_t thread_index() {
  return static_cast<std::size_t>(omp_get_thread_num());
}

}  // namespace rouage::infer::unet
