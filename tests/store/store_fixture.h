/// A store on SQLite or PostgreSQL, for tests that must hold on both.
#pragma once
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "databases.h"
#include "made_objects.h"
#include "store/store.h"

namespace rouage::store::testing {

class StoreTest : public ::testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    options_.folder = scratch_folder("store") / "data";
    options_.keep_free_bytes = 1;
    if (std::string(GetParam()) == "postgresql") {
      options_.postgresql = new_postgresql_database();
      if (options_.postgresql.empty()) GTEST_SKIP() << "no PostgreSQL can be started here";
    }
    open();
  }
  /// As after a stop: a new Store on the same folder.
  void open() {
    store_.reset();
    store_ = std::make_unique<Store>(options_);
  }
  std::vector<dicom::Attributes> find(Level level, const dicom::Attributes& match, Policy policy = Policy::at_once) {
    std::vector<dicom::Attributes> answers;
    store_->query({.level = level, .match = match, .policy = policy}, [&](const dicom::Attributes& one) {
      answers.push_back(one);
      return true;
    });
    return answers;
  }
  std::vector<StoredObject> inside(const std::string& study) {
    return store_->objects({.study_instance_uid = study, .inside = true});
  }
  StoreOptions options_;
  std::unique_ptr<Store> store_;
};

#define ROUAGE_ON_BOTH(Fixture)                                                    \
  INSTANTIATE_TEST_SUITE_P(On, Fixture, ::testing::Values("sqlite", "postgresql"), \
                           [](const auto& backend) { return std::string(backend.param); })

}  // namespace rouage::store::testing
