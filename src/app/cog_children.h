/// Children with nets open, kept between items: one per set of settings at work, idle ones bounded.
#pragma once
#include <functional>
#include <memory>
#include <string>

#include "app/film_job.h"
#include "route/child.h"

namespace rouage::app {

class CogChildren {
 public:
  explicit CogChildren(int idle_most);
  ~CogChildren();

  /// A child with these settings for the time of a loan; it comes back alive, or is replaced by a later one.
  /// Thread-safe.
  class Loan {
   public:
    Loan(CogChildren& home, std::string key, std::unique_ptr<route::Child> child);
    ~Loan();
    Loan(Loan&&) = default;
    Loan& operator=(Loan&&) = delete;
    route::ChildAnswer ask(const std::string& line, double deadline_s, const std::function<bool()>& cancelled);

   private:
    CogChildren* home_;
    std::string key_;
    std::unique_ptr<route::Child> child_;
  };
  Loan borrow(const RunSettings& settings, std::uint64_t memory_mb);
  /// Starts `count` idle children in the background, so that the first item finds open nets.
  void warm(const RunSettings& settings, std::uint64_t memory_mb, int count);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace rouage::app
