/// A fresh table of work items on SQLite or PostgreSQL.
#pragma once
#include <gtest/gtest.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>
#include <memory>
#include <string>

#include "base/service.h"
#include "route/route.h"
#include "store/database.h"
#include "store/databases.h"

namespace route_tests {

using namespace rouage;
using namespace rouage::route;
namespace fs = std::filesystem;

class Folder {
 public:
  Folder() {
    static std::atomic<int> count{0};
    path_ = fs::temp_directory_path() / ("rouage-route-" + std::to_string(::getpid()) + "-" + std::to_string(count++));
    fs::create_directories(path_);
  }
  ~Folder() { fs::remove_all(path_); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const fs::path& path() const { return path_; }

 private:
  fs::path path_;
};

/// Fast retries: 3 tries, 50 ms, 100 ms.
inline RetryRules quick() {
  return {.tries = 3, .first_wait_s = 0.05, .longest_wait_s = 1, .deaths = 4};
}

inline store::SeriesReady series(const std::string& uid = "1.2.1", int version = 0, const std::string& study = "1.2") {
  return {.study_instance_uid = study,
          .series_instance_uid = uid,
          .modality = "CR",
          .sender = "CR1",
          .version = version,
          .instances = 1};
}

inline Step step(const std::string& cog, Priority priority = Priority::routine) {
  Step step;
  step.rule = "rule of " + cog;
  step.cog = cog;
  step.priority = priority;
  return step;
}

inline Explanation steps(std::vector<Step> list) {
  Explanation explanation;
  explanation.steps = std::move(list);
  return explanation;
}

/// "sqlite" or "postgresql".
class ItemsTest : public ::testing::TestWithParam<std::string> {
 protected:
  void SetUp() override {
    store::DatabaseOptions options{.folder = folder_.path()};
    if (GetParam() == "postgresql") {
      options.postgresql = store::testing::new_postgresql_database();
      if (options.postgresql.empty()) GTEST_SKIP() << "no PostgreSQL can be started here";
    }
    database_ = std::make_unique<store::Database>(options);
    items_ = std::make_unique<Items>(*database_, quick());
  }
  void plan(const Explanation& explanation, const store::SeriesReady& ready) {
    database_->write([&](store::Transaction& tx) { items_->plan(tx, explanation, ready); });
  }
  std::optional<Item> take(double later_s = 0) {
    return items_->take(utc_now_s() + later_s, [](const std::string&) { return true; });
  }
  void done(const Item& item) {
    database_->write([&](store::Transaction& tx) { items_->done(tx, item.id, "done"); });
  }
  ItemState state(std::int64_t id) { return items_->find(id).value().state; }
  std::vector<Item> all() { return items_->list(std::nullopt, "", 10000); }

  Folder folder_;
  std::unique_ptr<store::Database> database_;
  std::unique_ptr<Items> items_;
};

}  // namespace route_tests
