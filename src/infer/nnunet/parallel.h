/// Independent tasks on a few threads, for loops that take milliseconds or more.
#pragma once
#include <cstddef>
#include <functional>

namespace rouage::infer::nnunet {

/// task(0) ... task(count - 1), each once, in no order, on at most `threads` threads (the caller's is one of them).
/// Waits for all; the exception of the lowest failed index is thrown again.
void parallel_for(std::size_t count, int threads, const std::function<void(std::size_t)>& task);

}  // namespace rouage::infer::nnunet
