// Deliveries without a network: what is planned, in which order, who may leave, what survives a restart. The folder is
// the destination here; delivery_web_test.cpp and delivery_peers_test.cpp have the others.
#include "results/delivery.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/error.h"
#include "base/host.h"
#include "results/delivery_support.h"
#include "results/external.h"
#include "store/databases.h"

namespace rouage::test {
namespace {

using results::Deliveries;
using results::DeliveryState;
using results::Destination;
using results::DestinationKind;

Destination folder_destination(const std::string& name, const std::filesystem::path& folder) {
  Destination destination = quick_destination(name, DestinationKind::folder);
  destination.folder = folder;
  return destination;
}

std::set<std::string> names_in(const std::filesystem::path& folder) {
  std::set<std::string> names;
  if (std::filesystem::exists(folder))
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder))
      if (entry.is_regular_file()) names.insert(entry.path().filename().string());
  return names;
}

class DeliveryTest : public ::testing::Test {
 protected:
  TestDatabase test_ = new_database("delivery");
  HandPermit permit_;
  std::filesystem::path out_ = test_.folder / "out";
};

TEST_F(DeliveryTest, everyObjectIsDeliveredByteEqual) {
  Deliveries deliveries(*test_.database, {folder_destination("share", out_)}, permit_, "ROUAGE");
  const auto set = sample_set(test_.folder, 1);
  plan(*test_.database, deliveries, set);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == set.objects.size(); }));
  std::set<std::string> delivered;
  for (const auto& file : files_below(out_)) delivered.insert(file_digest(file, kMebibyte).hex());
  for (const auto& object : set.objects) EXPECT_TRUE(delivered.contains(object.digest)) << object.role;
  EXPECT_EQ(delivered.size(), set.objects.size());
  EXPECT_FALSE(deliveries.wanted(set.study_instance_uid));
}

TEST_F(DeliveryTest, planningTwiceDeliversOnce) {
  Deliveries deliveries(*test_.database, {folder_destination("share", out_)}, permit_, "ROUAGE");
  const auto set = sample_set(test_.folder, 1);
  plan(*test_.database, deliveries, set);
  plan(*test_.database, deliveries, set);
  EXPECT_EQ(deliveries.list(std::nullopt, 100).size(), set.objects.size());
}

TEST_F(DeliveryTest, aPlanThatIsUndoneWithItsTransactionDeliversNothing) {
  Deliveries deliveries(*test_.database, {folder_destination("share", out_)}, permit_, "ROUAGE");
  const auto set = sample_set(test_.folder, 1);
  EXPECT_THROW(test_.database->write([&](store::Transaction& tx) {
    deliveries.plan(tx, set);
    throw Error(ErrorCode::Internal, "the item failed after all");
  }),
               Error);
  EXPECT_TRUE(deliveries.list(std::nullopt, 100).empty());
}

TEST_F(DeliveryTest, keyObjectsGoLastAndTheOthersInTheirOrder) {
  Deliveries deliveries(*test_.database, {folder_destination("share", out_)}, permit_, "ROUAGE");
  auto set = sample_set(test_.folder, 1);
  const auto key = std::find_if(set.objects.begin(), set.objects.end(),
                                [](const results::OutgoingObject& object) { return object.role == "key_objects"; });
  ASSERT_NE(key, set.objects.end());
  std::rotate(set.objects.begin(), key, key + 1);
  plan(*test_.database, deliveries, set);
  std::vector<std::string> roles;
  for (const auto& delivery : deliveries.list(std::nullopt, 100)) roles.insert(roles.begin(), delivery.role);
  EXPECT_EQ(roles, (std::vector<std::string>{"sr", "cad_sr", "seg", "gsps", "fhir", "key_objects"}));
}

TEST_F(DeliveryTest, aDestinationTakesWhatItsKindAndItsRolesSay) {
  auto dicom = quick_destination("pacs", DestinationKind::dicom);
  auto stow = quick_destination("archive", DestinationKind::stow);
  stow.url = "http://127.0.0.1:1/studies";
  stow.roles = {"sr", "seg"};
  auto fhir = quick_destination("ris", DestinationKind::fhir);
  fhir.url = "http://127.0.0.1:1/fhir";
  Deliveries deliveries(*test_.database, {dicom, stow, fhir}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, sample_set(test_.folder, 1));
  EXPECT_EQ(count_of(deliveries, DeliveryState::due, "pacs"), 5U) << "all DICOM objects, not the bundle";
  EXPECT_EQ(count_of(deliveries, DeliveryState::due, "archive"), 2U);
  EXPECT_EQ(count_of(deliveries, DeliveryState::due, "ris"), 1U);
}

TEST_F(DeliveryTest, onlyTheNamedDestinationsGetASet) {
  Deliveries deliveries(*test_.database, {folder_destination("one", out_ / "1"), folder_destination("two", out_ / "2")},
                        permit_, "ROUAGE");
  auto set = sample_set(test_.folder, 1);
  set.destinations = {"two", "unknown"};
  plan(*test_.database, deliveries, set);
  EXPECT_EQ(count_of(deliveries, DeliveryState::due, "one"), 0U);
  EXPECT_EQ(count_of(deliveries, DeliveryState::due, "two"), set.objects.size());
}

// RES-6: every exit asks ReleasePermit right before an object leaves.
TEST_F(DeliveryTest, nothingLeavesBeforeThePermitAllowsIt) {
  Deliveries deliveries(*test_.database, {folder_destination("share", out_)}, permit_, "ROUAGE");
  const auto set = sample_set(test_.folder, 1), other = sample_set(test_.folder, 2);
  permit_.withhold(set.study_instance_uid);
  plan(*test_.database, deliveries, set);
  plan(*test_.database, deliveries, other);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == other.objects.size(); }));
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::waiting_release) == set.objects.size(); }));
  EXPECT_FALSE(std::filesystem::exists(out_ / set.study_instance_uid));
  EXPECT_EQ(deliveries.list(DeliveryState::waiting_release, 1).front().message, "waits for a first read");
  EXPECT_TRUE(deliveries.wanted(set.study_instance_uid)) << "retention must keep what still has to leave";

  permit_.release(set.study_instance_uid);
  deliveries.release_changed(set.study_instance_uid);
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::waiting_release) == 0; }));
  ASSERT_TRUE(wait_until(
      [&] { return count_of(deliveries, DeliveryState::delivered) == set.objects.size() + other.objects.size(); }));
  std::set<std::string> asked;
  for (const auto& request : permit_.asked()) {
    EXPECT_EQ(request.exit, "share");
    asked.insert(request.study_instance_uid + request.sop_instance_uid);
  }
  for (const auto& object : set.objects)
    EXPECT_TRUE(asked.contains(set.study_instance_uid + object.sop_instance_uid)) << object.role;
}

// RES-7: a shadow destination gets nothing, whatever the permit answers.
TEST_F(DeliveryTest, aShadowDestinationNeverGetsAnything) {
  auto shadow = folder_destination("shadow", out_);
  shadow.policy = store::Policy::never;
  Deliveries deliveries(*test_.database, {shadow}, permit_, "ROUAGE");
  const auto set = sample_set(test_.folder, 1);
  plan(*test_.database, deliveries, set);
  deliveries.start();
  deliveries.release_changed(set.study_instance_uid);
  for (const auto& delivery : deliveries.list(std::nullopt, 100)) EXPECT_FALSE(deliveries.retry(delivery.id));
  EXPECT_FALSE(wait_until([&] { return std::filesystem::exists(out_); }, 0.5));
  EXPECT_EQ(count_of(deliveries, DeliveryState::waiting_release), set.objects.size());
  EXPECT_FALSE(deliveries.wanted(set.study_instance_uid)) << "withheld for ever is no reason to keep a study for ever";
}

TEST_F(DeliveryTest, aPolicyThatBecameNeverWithholdsWhatWasPlannedBefore) {
  const auto set = sample_set(test_.folder, 1);
  {
    Deliveries before(*test_.database, {folder_destination("share", out_)}, permit_, "ROUAGE");
    plan(*test_.database, before, set);
  }
  auto shadow = folder_destination("share", out_);
  shadow.policy = store::Policy::never;
  Deliveries deliveries(*test_.database, {shadow}, permit_, "ROUAGE");
  deliveries.start();
  EXPECT_EQ(count_of(deliveries, DeliveryState::waiting_release), set.objects.size());
  EXPECT_FALSE(wait_until([&] { return std::filesystem::exists(out_); }, 0.3));
}

TEST_F(DeliveryTest, anotherContentUnderTheSameNameIsReportedNotOverwritten) {
  auto destination = folder_destination("share", out_);
  destination.roles = {"sr", "seg"};
  const auto set = sample_set(test_.folder, 1);
  const auto place = out_ / set.study_instance_uid / ("sr-" + set.objects[0].sop_instance_uid + ".dcm");
  std::filesystem::create_directories(place.parent_path());
  write_file_atomic(place, "somebody else's");
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; }))
      << "the other object does not wait for the refused one";
  EXPECT_EQ(read_text(place), "somebody else's");
  const auto refused = delivery_of(deliveries, "share", "sr");
  EXPECT_EQ(refused.state, DeliveryState::due);
  EXPECT_NE(refused.message.find("not overwritten"), std::string::npos);
  EXPECT_EQ(deliveries.queues().front().refused, 1U);

  std::filesystem::remove(place);
  EXPECT_TRUE(deliveries.retry(refused.id));
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 2; }));
}

TEST_F(DeliveryTest, theSameContentUnderTheSameNameIsDelivered) {
  auto destination = folder_destination("share", out_);
  destination.roles = {"sr"};
  const auto set = sample_set(test_.folder, 1);
  const auto place = out_ / set.study_instance_uid / ("sr-" + set.objects[0].sop_instance_uid + ".dcm");
  std::filesystem::create_directories(place.parent_path());
  std::filesystem::copy_file(set.objects[0].file, place);
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; }));
  EXPECT_EQ(names_in(out_).size(), 1U);
}

TEST_F(DeliveryTest, aFolderThatCannotBeMadeIsTriedAgainUntilItCan) {
  // A file where the folder should be: works for root too, whom a read-only folder does not stop.
  write_file_atomic(out_, "in the way");
  Deliveries deliveries(*test_.database, {folder_destination("share", out_ / "in")}, permit_, "ROUAGE");
  const auto set = sample_set(test_.folder, 1);
  plan(*test_.database, deliveries, set);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return !deliveries.queues().front().reachable; }));
  EXPECT_NE(deliveries.queues().front().last_error.find("cannot be made"), std::string::npos);
  std::filesystem::remove(out_);
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == set.objects.size(); }));
  EXPECT_TRUE(deliveries.queues().front().reachable);
  EXPECT_TRUE(deliveries.queues().front().last_error.empty());
}

TEST_F(DeliveryTest, aFullDiskIsTriedAgainAndLeavesNoHalfFile) {
  const auto disk = test_.folder / "disk";
  std::filesystem::create_directories(disk);
  if (run_command("mount -t tmpfs -o size=16k tmpfs " + disk.string()).status != 0)
    GTEST_SKIP() << "a small file system cannot be mounted here";
  Deliveries deliveries(*test_.database, {folder_destination("share", disk / "in")}, permit_, "ROUAGE");
  const auto set = sample_set(test_.folder, 1);
  plan(*test_.database, deliveries, set);
  deliveries.start();
  EXPECT_TRUE(wait_until([&] { return !deliveries.queues().front().reachable; }));
  for (const auto& name : names_in(disk)) EXPECT_FALSE(name.ends_with(".part")) << name;
  EXPECT_EQ(run_command("mount -o remount,size=4m " + disk.string()).status, 0);
  EXPECT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == set.objects.size(); }));
  deliveries.stop(5);
  EXPECT_EQ(run_command("umount " + disk.string()).status, 0);
}

TEST_F(DeliveryTest, aFileThatChangedSinceThePlanIsNotSent) {
  auto destination = folder_destination("share", out_);
  destination.roles = {"sr", "seg"};
  const auto set = sample_set(test_.folder, 1);
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, set);
  write_file_atomic(set.objects[0].file, "damaged");
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; }));
  EXPECT_NE(delivery_of(deliveries, "share", "sr").message.find("not the one that was planned"), std::string::npos);
}

TEST_F(DeliveryTest, aCancelledObjectIsNotSentAndMayBeTakenUpAgain) {
  auto destination = folder_destination("share", out_);
  destination.roles = {"sr"};
  Deliveries deliveries(*test_.database, {destination}, permit_, "ROUAGE");
  plan(*test_.database, deliveries, sample_set(test_.folder, 1));
  const auto id = deliveries.list(std::nullopt, 1).front().id;
  EXPECT_TRUE(deliveries.cancel(id));
  EXPECT_FALSE(deliveries.cancel(id));
  EXPECT_FALSE(deliveries.cancel(id + 1000));
  deliveries.start();
  EXPECT_FALSE(wait_until([&] { return std::filesystem::exists(out_); }, 0.3));
  EXPECT_TRUE(deliveries.retry(id));
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == 1; }));
  EXPECT_FALSE(deliveries.retry(id)) << "delivered is delivered";
}

TEST_F(DeliveryTest, aRestartGoesOnWhereItWas) {
  const auto one = sample_set(test_.folder, 1), two = sample_set(test_.folder, 2);
  permit_.withhold(two.study_instance_uid);
  {
    Deliveries deliveries(*test_.database, {folder_destination("share", out_)}, permit_, "ROUAGE");
    plan(*test_.database, deliveries, one);
    plan(*test_.database, deliveries, two);
    deliveries.start();
    ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::waiting_release) == two.objects.size(); }));
  }
  permit_.release(two.study_instance_uid);  // while nobody ran
  test_.reopen();
  Deliveries deliveries(*test_.database, {folder_destination("share", out_)}, permit_, "ROUAGE");
  deliveries.start();
  ASSERT_TRUE(wait_until(
      [&] { return count_of(deliveries, DeliveryState::delivered) == one.objects.size() + two.objects.size(); }));
  EXPECT_EQ(names_in(out_).size(), one.objects.size() + two.objects.size());
}

TEST_F(DeliveryTest, theSameOnPostgresql) {
  const std::string connection = store::testing::new_postgresql_database();
  if (connection.empty()) GTEST_SKIP() << "PostgreSQL 15 cannot be started here";
  store::Database database(store::DatabaseOptions{{}, connection, 2});
  Deliveries deliveries(database, {folder_destination("share", out_)}, permit_, "ROUAGE");
  const auto one = sample_set(test_.folder, 1), two = sample_set(test_.folder, 2);
  permit_.withhold(two.study_instance_uid);
  plan(database, deliveries, one);
  plan(database, deliveries, one);
  plan(database, deliveries, two);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == one.objects.size(); }));
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::waiting_release) == two.objects.size(); }));
  permit_.release(two.study_instance_uid);
  deliveries.release_changed(two.study_instance_uid);
  ASSERT_TRUE(wait_until(
      [&] { return count_of(deliveries, DeliveryState::delivered) == one.objects.size() + two.objects.size(); }));
  EXPECT_EQ(deliveries.queues().front().delivered, one.objects.size() + two.objects.size());
}

TEST_F(DeliveryTest, aConfigurationThatCannotWorkIsRefused) {
  const auto refused = [&](const std::vector<Destination>& destinations) {
    try {
      Deliveries deliveries(*test_.database, destinations, permit_, "ROUAGE");
    } catch (const Error& error) {
      return error.code() == ErrorCode::ConfigInvalid;
    }
    return false;
  };
  const auto good = folder_destination("share", out_);
  EXPECT_TRUE(refused({good, good})) << "two of one name";
  auto bad = good;
  bad.folder.clear();
  EXPECT_TRUE(refused({bad}));
  bad = quick_destination("web", DestinationKind::stow);
  bad.url = "ftp://elsewhere/studies";
  EXPECT_TRUE(refused({bad}));
  bad = good;
  bad.first_wait_s = 0;
  EXPECT_TRUE(refused({bad}));
}

TEST_F(DeliveryTest, theFiguresAreShown) {
  Deliveries deliveries(*test_.database, {folder_destination("figures", out_)}, permit_, "ROUAGE");
  const auto set = sample_set(test_.folder, 1);
  plan(*test_.database, deliveries, set);
  deliveries.start();
  ASSERT_TRUE(wait_until([&] { return count_of(deliveries, DeliveryState::delivered) == set.objects.size(); }));
  EXPECT_TRUE(wait_until([&] {
    return metrics().text().find("rouage_deliveries_waiting{destination=\"figures\",state=\"due\"} 0") !=
           std::string::npos;
  }));
  const std::string text = metrics().text();
  EXPECT_NE(text.find("rouage_delivered_total{destination=\"figures\"} " + std::to_string(set.objects.size())),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("rouage_delivery_seconds"), std::string::npos);
}

// The guard: whatever this room writes is known to be ours when it comes back.
TEST_F(DeliveryTest, everyObjectOfOursIsRecognised) {
  Deliveries deliveries(*test_.database, {folder_destination("share", out_)}, permit_, "ROUAGE");
  const auto set = sample_set(test_.folder, 1);
  for (const auto& object : set.objects)
    if (!object.sop_class_uid.empty()) {
      EXPECT_TRUE(dicom::index_entry(object.file).made_by_rouage) << object.role;
    }
  plan(*test_.database, deliveries, set);
  dicom::IndexEntry stripped;  // somebody rewrote the equipment, the UID is still ours
  stripped.sop_instance_uid = set.objects[0].sop_instance_uid;
  dicom::IndexEntry stranger;
  stranger.sop_instance_uid = "1.2.840.1";
  test_.database->read([&](store::Transaction& tx) {
    EXPECT_TRUE(results::own_result(tx, stripped));
    EXPECT_FALSE(results::own_result(tx, stranger));
  });
}

}  // namespace
}  // namespace rouage::test
