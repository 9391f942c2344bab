/// Time that this thread spent on a processor: on a shared machine the wall clock measures the neighbours.
#pragma once
#include <ctime>

namespace rouage::testing {

template <typename Act>
double cpu_ms(const Act& act) {
  const auto now = [] {
    timespec t{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return static_cast<double>(t.tv_sec) * 1e3 + static_cast<double>(t.tv_nsec) * 1e-6;
  };
  const double begin = now();
  act();
  return now() - begin;
}

}  // namespace rouage::testing
