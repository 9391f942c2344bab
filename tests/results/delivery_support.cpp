#include "results/delivery_support.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <stdexcept>
#include <thread>

#include "base/host.h"
#include "results/external.h"
#include "results/results.h"
#include "results/sample.h"

namespace rouage::test {
namespace {

sockaddr_in loopback(int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<std::uint16_t>(port));
  return address;
}

}  // namespace

bool wait_until(const std::function<bool()>& true_now, double seconds) {
  const double until_s = monotonic_s() + seconds;
  while (!true_now()) {
    if (monotonic_s() > until_s) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  return true;
}

int free_port() {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address = loopback(0);
  socklen_t size = sizeof address;
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0) throw std::runtime_error("no free port");
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  close(descriptor);
  return ntohs(address.sin_port);
}

bool port_answers(int port) {
  const int descriptor = socket(AF_INET, SOCK_STREAM, 0);
  const sockaddr_in address = loopback(port);
  const bool answers = connect(descriptor, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  close(descriptor);
  return answers;
}

Child::Child(const std::vector<std::string>& command, const std::filesystem::path& log) {
  const std::string file = log.string();
  pid_ = fork();
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  setenv("TCP_NODELAY", "1", 1);
  if (freopen(file.c_str(), "w", stdout) == nullptr || dup2(1, 2) < 0) _exit(126);
  std::vector<char*> words;
  for (const std::string& word : command) words.push_back(const_cast<char*>(word.c_str()));
  words.push_back(nullptr);
  execvp(words[0], words.data());
  _exit(127);
}

Child::Child(const std::function<void()>& work) {
  pid_ = fork();
  if (pid_ != 0) return;
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  work();
  _exit(0);
}

Child::~Child() {
  kill();
}

Child& Child::operator=(Child&& other) noexcept {
  kill();
  pid_ = std::exchange(other.pid_, -1);
  return *this;
}

void Child::kill() {
  if (pid_ <= 0) return;
  ::kill(pid_, SIGKILL);
  waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

store::ExitAnswer HandPermit::ask(const store::ExitRequest& request) const {
  const std::lock_guard lock(mutex_);
  asked_.push_back(request);
  if (withheld_.contains(request.study_instance_uid)) return {false, "waits for a first read"};
  return {true, ""};
}

void HandPermit::withhold(const std::string& study) {
  const std::lock_guard lock(mutex_);
  withheld_.insert(study);
}

void HandPermit::release(const std::string& study) {
  const std::lock_guard lock(mutex_);
  withheld_.erase(study);
}

std::vector<store::ExitRequest> HandPermit::asked() const {
  const std::lock_guard lock(mutex_);
  return asked_;
}

void TestDatabase::reopen() {
  database.reset();
  database = std::make_unique<store::Database>(store::DatabaseOptions{folder, "", 2});
}

TestDatabase new_database(const std::string& name) {
  TestDatabase test{fresh_folder(name), nullptr};
  test.reopen();
  return test;
}

results::ResultSet sample_set(const std::filesystem::path& folder, int study) {
  cogs::Picture picture = sample_picture();
  const std::string study_uid = "1.2.3." + std::to_string(study);
  picture.header.study_instance_uid = study_uid;
  picture.header.series_instance_uid = study_uid + ".1";
  picture.header.sop_instance_uid = study_uid + ".1.1";
  for (dicom::RawAttribute& attribute : picture.header.patient_and_study)
    if (attribute.group == 0x0020 && attribute.element == 0x000D)
      attribute = dicom::raw_text(0x0020, 0x000D, "UI", study_uid);
  cogs::CogResult result = sample_result();
  result.provenance.input_uids = {picture.header.sop_instance_uid};
  results::FilmSummary film{picture.header, result, results::film_results(picture, result, {"en", false})};
  cogs::CogResult whole = study_result();
  whole.provenance.input_uids = {picture.header.sop_instance_uid};
  std::vector<results::ResultFile> files = film.files;
  std::erase_if(files, [](const results::ResultFile& file) { return file.role == "fhir"; });
  for (results::ResultFile& file : results::study_results({film}, whole, {"en", false}))
    files.push_back(std::move(file));
  results::ResultSet set;
  set.study_instance_uid = study_uid;
  set.series_instance_uid = picture.header.series_instance_uid;
  set.cog = "chest";
  const auto place = folder / std::to_string(study);
  std::filesystem::create_directories(place);
  for (const results::ResultFile& file : files) {
    write_file(place / file.name, file.bytes);
    set.objects.push_back(
        {place / file.name, file.role, file.sop_class_uid, file.sop_instance_uid, sha256(file.bytes).hex()});
  }
  return set;
}

results::Destination quick_destination(const std::string& name, results::DestinationKind kind) {
  results::Destination destination;
  destination.name = name;
  destination.kind = kind;
  destination.policy = store::Policy::at_once;
  destination.host = "127.0.0.1";
  destination.ae_title = "PACS";
  destination.first_wait_s = 0.2;
  destination.longest_wait_s = 1;
  return destination;
}

std::size_t count_of(const results::Deliveries& deliveries, results::DeliveryState state,
                     const std::string& destination) {
  const auto all = deliveries.list(state, 100000);
  return static_cast<std::size_t>(std::count_if(all.begin(), all.end(), [&](const results::Delivery& delivery) {
    return destination.empty() || delivery.destination == destination;
  }));
}

results::Delivery delivery_of(const results::Deliveries& deliveries, const std::string& destination,
                              const std::string& role) {
  for (const results::Delivery& delivery : deliveries.list(std::nullopt, 100000))
    if (delivery.destination == destination && delivery.role == role) return delivery;
  throw std::runtime_error("no delivery of " + role + " to " + destination);
}

void plan(store::Database& database, results::Deliveries& deliveries, const results::ResultSet& set) {
  database.write([&](store::Transaction& tx) { deliveries.plan(tx, set); });
}

Recorder::Recorder(const std::string& json, const std::vector<std::string>& arguments)
    : folder_(fresh_folder("recorder-" + std::to_string(free_port()))), port_(free_port()) {
  replies(json);
  std::vector<std::string> command{"/usr/bin/python3", ROUAGE_SOURCE_DIR "/tests/results/http_recorder.py",
                                   folder_.string(), std::to_string(port_)};
  command.insert(command.end(), arguments.begin(), arguments.end());
  child_ = Child(command, folder_ / "log.txt");
  if (!wait_until([&] { return port_answers(port_); })) throw std::runtime_error("http_recorder.py does not start");
}

void Recorder::replies(const std::string& json) const {
  write_file_atomic(folder_ / "replies.json", json);
}

std::vector<std::string> Recorder::files(const std::string& ending) const {
  std::vector<std::string> texts;
  for (const auto& file : files_below(folder_))
    if (file.filename().string().ends_with(ending)) texts.push_back(read_text(file));
  return texts;
}

std::vector<std::string> Recorder::bodies() const {
  return files(".body");
}
std::vector<std::string> Recorder::headers() const {
  return files(".headers");
}

}  // namespace rouage::test
