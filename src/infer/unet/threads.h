/// One team of threads for oneDNN's loops and ours: that of OpenMP, which Debian's oneDNN brings.
///
/// The number is always said. Between runs the team sleeps: libgomp's threads spin for under a millisecond at a barrier
/// and then wait in the kernel, unless OMP_WAIT_POLICY=active is set, which the server must not do.
#pragma once
#include <cstddef>
#include <exception>

namespace rouage::infer::unet {

/// The calling thread's OpenMP setting, for as long as it lives: oneDNN asks for it when it makes and runs a primitive.
class TeamSize {
 public:
  explicit TeamSize(int threads);
  ~TeamSize();
  TeamSize(const TeamSize&) = delete;
  TeamSize& operator=(const TeamSize&) = delete;

 private:
  int before_;
};

/// Of the calling thread in its team, from 0.
std::size_t thread_index();

/// work(i) for i in 0..count-1, neighbours on one thread. work must not throw.
template <typename Work>
void parallel_for(int threads, std::size_t count, const Work& work) {
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(static)
#else
  static_cast<void>(threads);
#endif
  for (std::size_t i = 0; i < count; ++i) work(i);
}

/// work(i, thread) for each slab, whoever is free taking the next: slabs write apart, so the order does not show.
/// What work throws first is thrown again here.
template <typename Work>
void parallel_slabs(int threads, std::size_t count, const Work& work) {
  std::exception_ptr failed;
#ifdef _OPENMP
#pragma omp parallel for num_threads(threads) schedule(dynamic, 1)
#else
  static_cast<void>(threads);
#endif
  for (std::size_t i = 0; i < count; ++i) {
    try {
      work(i, thread_index());
    } catch (...) {
#ifdef _OPENMP
#pragma omp critical(rouage_unet_failed)
#endif
      if (!failed) failed = std::current_exception();
    }
  }
  if (failed) std::rethrow_exception(failed);
}

}  // namespace rouage::infer::unet
