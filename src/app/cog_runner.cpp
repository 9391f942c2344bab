#include "app/cog_runner.h"

#include <fmt/format.h>

#include <algorithm>
#include <condition_variable>
#include <mutex>
#include <set>

#include "app/cog_children.h"
#include "app/unavailable_writer.h"
#include "base/error.h"
#include "base/host.h"
#include "base/service.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

/// Names of folders are digests: nothing that came from the network becomes a path.
std::string name_for(const std::string& uid) {
  return sha256(uid).short_hex();
}

/// A refusal that a child told by name.
Error error_named(const std::string& name, const std::string& message) {
  const auto entry =
      std::find_if(kErrorTable.begin(), kErrorTable.end(), [&](const ErrorEntry& known) { return known.name == name; });
  return Error(entry == kErrorTable.end() ? ErrorCode::Internal : entry->code, message);
}

/// What one child made: its answer, and the folder in which it lies.
struct Made {
  JobAnswer answer;
  fs::path folder;
};

/// Everything that one item made, before it is in the store.
struct Harvest {
  std::vector<store::ResultObject> objects;
  std::vector<std::string> roles;                ///< of the objects, in order
  std::vector<results::OutgoingObject> bundles;  ///< FHIR
};

void gather(Harvest& harvest, const fs::path& folder, const std::vector<results::ResultFile>& files,
            receive::HeaderReader& headers) {
  constexpr std::uint64_t kLargest = 4096 * kMebibyte;
  for (const results::ResultFile& file : files) {
    const fs::path path = folder / fs::path(file.name).filename();
    if (file.sop_instance_uid.empty()) {
      if (file.role == "fhir")
        harvest.bundles.push_back({.file = path,
                                   .role = file.role,
                                   .sop_class_uid = {},
                                   .sop_instance_uid = {},
                                   .digest = file_digest(path, kLargest).hex()});
      continue;
    }
    harvest.objects.push_back({.file = path,
                               .entry = headers.read(path),
                               .bytes = fs::file_size(path),
                               .digest = file_digest(path, kLargest)});
    harvest.roles.push_back(file.role);
  }
}

/// The files of a child's answer: its DICOM objects, and the FHIR bundle beside them.
std::vector<results::ResultFile> files_of(const Made& made) {
  std::vector<results::ResultFile> files = document_objects(made.answer.document);
  for (const std::string& name : made.answer.files)
    if (name == "fhir.json") files.push_back({name, "fhir", {}, "", "", ""});
  return files;
}

}  // namespace

struct CogRunner::State {
  State(CogRunnerOptions given, store::Store& the_store, route::Items& the_items, results::Deliveries& the_deliveries,
        receive::HeaderReader& the_headers)
      : options(std::move(given)),
        store(the_store),
        items(the_items),
        deliveries(the_deliveries),
        headers(the_headers),
        children(kIdleChildren) {}

  route::RunOutcome run(const route::Item& item, const std::function<bool()>& cancelled);
  std::vector<store::StoredObject> sources(const route::Item& item) const;
  std::optional<std::string> reported_at(const route::Item& item) const;
  std::vector<Made> make_films(const route::Item& item, CogChildren::Loan& child,
                               const std::function<bool()>& cancelled, std::vector<Error>& refusals);
  Made make_examination(const route::Item& item, CogChildren::Loan& child, const std::function<bool()>& cancelled);
  void record(const route::Item& item, Harvest harvest, const std::function<void(store::Transaction&)>& end_item);
  route::RunOutcome failed(const route::Item& item, const Error& error, CogRunner& runner);

  RunSettings settings_of(const route::Item& item) const {
    RunSettings settings = options.settings;
    settings.cog = item.cog;
    for (const auto& [name, value] : item.options) settings.options[name] = value;
    return settings;
  }
  std::uint64_t memory_mb(const std::string& cog) const {
    const auto found = options.limits.find(cog);
    return found == options.limits.end() ? route::CogLimits{}.memory_mb : found->second.memory_mb;
  }
  fs::path work_folder(const route::Item& item) const { return options.folder / "work" / item.uid; }
  fs::path results_folder(const route::Item& item) const {
    return options.folder / "results" / name_for(item.study_instance_uid) / item.cog;
  }

  static constexpr int kIdleChildren = 8;
  CogRunnerOptions options;
  store::Store& store;
  route::Items& items;
  results::Deliveries& deliveries;
  receive::HeaderReader& headers;
  CogChildren children;
  UnavailableWriter unavailable;
  std::mutex mutex;
  std::condition_variable study_left;
  std::set<std::string> studies;  ///< at work: two items of one study would write the same examination
};

namespace {

/// Holds a study for one item.
class StudyHold {
 public:
  StudyHold(std::mutex& mutex, std::condition_variable& left, std::set<std::string>& held, std::string study)
      : mutex_(mutex), left_(left), held_(held), study_(std::move(study)) {
    std::unique_lock lock(mutex_);
    left_.wait(lock, [this] { return !held_.contains(study_); });
    held_.insert(study_);
  }
  ~StudyHold() {
    const std::lock_guard lock(mutex_);
    held_.erase(study_);
    left_.notify_all();
  }
  StudyHold(const StudyHold&) = delete;
  StudyHold& operator=(const StudyHold&) = delete;

 private:
  std::mutex& mutex_;
  std::condition_variable& left_;
  std::set<std::string>& held_;
  std::string study_;
};

/// One request to a child, and its folder published at `place` when it made something.
Made make(CogChildren::Loan& child, const std::string& request, StagedFolder& staged, const fs::path& place,
          double deadline_s, const std::function<bool()>& cancelled) {
  const route::ChildAnswer said = child.ask(request, deadline_s, cancelled);
  using Kind = route::ChildAnswer::Kind;
  if (said.kind == Kind::unfit) throw_from_json(said.text);  // a changed package, no runtime: people mend that
  if (said.kind == Kind::cancelled) throw Error(ErrorCode::Cancelled);
  if (!said.answered()) throw Error(ErrorCode::WorkerEnded, said.text);
  Made made{parse_answer(said.text), place};
  if (made.answer.status != "refused") staged.publish(place);
  return made;
}

}  // namespace

/// The objects of the series that came from outside.
std::vector<store::StoredObject> CogRunner::State::sources(const route::Item& item) const {
  std::vector<store::StoredObject> objects = store.objects({.patient_id = {},
                                                            .study_instance_uid = item.study_instance_uid,
                                                            .series_instance_uid = item.series_instance_uid,
                                                            .sop_instance_uid = {},
                                                            .inside = true});
  std::erase_if(objects, [](const store::StoredObject& object) { return object.is_result; });
  if (objects.empty()) throw Error(ErrorCode::NotFound, "the series has no object");
  return objects;
}

/// When the study already has a final report: its time ("" when not said).
std::optional<std::string> CogRunner::State::reported_at(const route::Item& item) const {
  constexpr std::uint32_t kAccession = 0x00080050, kPatientId = 0x00100020, kStudy = 0x0020000D;
  store::Query query{
      .level = store::Level::study, .match = {{kStudy, item.study_instance_uid}}, .wanted = {}, .limit = 1};
  std::string accession, patient;
  store.query(query, [&](const dicom::Attributes& study) {
    if (const auto found = study.find(kAccession); found != study.end()) accession = found->second;
    if (const auto found = study.find(kPatientId); found != study.end()) patient = found->second;
    return false;
  });
  for (const receive::OrderMessage& message : store.messages_for(accession, patient)) {
    const bool final_report =
        message.message_type.starts_with("ORU") && (message.report_status == "F" || message.report_status == "C");
    const bool this_study = message.study_instance_uid == item.study_instance_uid ||
                            (!accession.empty() && message.accession_number == accession);
    if (final_report && this_study) return message.report_at;
  }
  return std::nullopt;
}

std::vector<Made> CogRunner::State::make_films(const route::Item& item, CogChildren::Loan& child,
                                               const std::function<bool()>& cancelled, std::vector<Error>& refusals) {
  std::vector<Made> made;
  FilmJob job;
  job.reported_at = reported_at(item);
  for (const store::StoredObject& object : sources(item)) {
    StagedFolder staged(work_folder(item) / "film");
    job.path = object.file;
    const fs::path place = results_folder(item) / "films" / name_for(object.sop_instance_uid);
    Made film = make(child, film_request(job, staged.path()), staged, place, options.deadline_s, cancelled);
    if (film.answer.status == "refused")
      refusals.push_back(error_named(film.answer.error_code, film.answer.message));
    else
      made.push_back(std::move(film));
  }
  return made;
}

Made CogRunner::State::make_examination(const route::Item& item, CogChildren::Loan& child,
                                        const std::function<bool()>& cancelled) {
  std::vector<fs::path> films;
  for (const auto& entry : fs::directory_iterator(results_folder(item) / "films")) films.push_back(entry.path());
  std::sort(films.begin(), films.end());
  StagedFolder staged(work_folder(item) / "examination");
  const std::string request = study_request(item.study_instance_uid, films, staged.path(), reported_at(item));
  Made study = make(child, request, staged, results_folder(item) / "examination", options.deadline_s, cancelled);
  if (study.answer.status == "refused") throw error_named(study.answer.error_code, study.answer.message);
  return study;
}

/// Objects, deliveries and the end of the item in one transaction: all or nothing.
void CogRunner::State::record(const route::Item& item, Harvest harvest,
                              const std::function<void(store::Transaction&)>& end_item) {
  const std::vector<store::ResultObject> objects = store.keep_results(std::move(harvest.objects));
  results::ResultSet set{.study_instance_uid = item.study_instance_uid,
                         .series_instance_uid = item.series_instance_uid,
                         .cog = item.cog,
                         .series_version = item.series_version,
                         .destinations = item.destinations,
                         .objects = {}};
  std::vector<route::OutputReference> outputs;
  for (std::size_t i = 0; i < objects.size(); ++i) {
    const dicom::IndexEntry& entry = objects[i].entry;
    set.objects.push_back({.file = objects[i].file,
                           .role = harvest.roles[i],
                           .sop_class_uid = entry.sop_class_uid,
                           .sop_instance_uid = entry.sop_instance_uid,
                           .digest = objects[i].digest.hex()});
    outputs.push_back({entry.series_instance_uid, entry.sop_class_uid, entry.sop_instance_uid});
  }
  set.objects.insert(set.objects.end(), harvest.bundles.begin(), harvest.bundles.end());
  store.database().write([&](store::Transaction& tx) {
    store.index_results(tx, objects, item.series_instance_uid, item.series_version);
    deliveries.plan(tx, set);
    items.note_outputs(tx, item.id, outputs);
    end_item(tx);
  });
}

route::RunOutcome CogRunner::State::run(const route::Item& item, const std::function<bool()>& cancelled) {
  const StudyHold hold(mutex, study_left, studies, item.study_instance_uid);
  CogChildren::Loan child = children.borrow(settings_of(item), memory_mb(item.cog));
  std::vector<Error> refusals;
  std::vector<Made> made = make_films(item, child, cancelled, refusals);
  if (made.empty()) throw refusals.front();
  made.push_back(make_examination(item, child, cancelled));
  const auto ineligible =
      std::count_if(made.begin(), made.end() - 1, [](const Made& film) { return film.answer.status == "ineligible"; });
  const std::string message =
      fmt::format("{} films: {} answered, {} not eligible, {} refused{}", made.size() - 1 + refusals.size(),
                  std::ssize(made) - 1 - ineligible, ineligible, refusals.size(),
                  refusals.empty() ? "" : std::string(": ") + refusals.front().detail());
  Harvest harvest;
  for (const Made& one : made) gather(harvest, one.folder, files_of(one), headers);
  record(item, std::move(harvest), [&](store::Transaction& tx) { items.done(tx, item.id, message); });
  std::error_code ignored;
  fs::remove_all(work_folder(item), ignored);
  return {.good = true, .retry = false, .message = message};
}

route::RunOutcome CogRunner::State::failed(const route::Item& item, const Error& error, CogRunner& runner) {
  std::error_code ignored;
  fs::remove_all(work_folder(item), ignored);
  const bool cancelled = error.code() == ErrorCode::Cancelled;
  const bool last = !cancelled && (!error_entry(error.code()).retry || item.tries >= options.tries);
  if (last) runner.say_unavailable(item, unavailable_reason(error.code()), error.what());
  return {.good = false, .retry = !last, .message = error.what()};
}

CogRunner::CogRunner(CogRunnerOptions options, store::Store& store, route::Items& items,
                     results::Deliveries& deliveries, receive::HeaderReader& headers)
    : state_(std::make_unique<State>(std::move(options), store, items, deliveries, headers)) {}

CogRunner::~CogRunner() = default;

route::RunOutcome CogRunner::run(const route::Item& item, const std::function<bool()>& cancelled) {
  try {
    return state_->run(item, cancelled);
  } catch (const Error& error) {
    return state_->failed(item, error, *this);
  } catch (const std::exception& error) {
    // Of a library or the system (no file handle, no memory): may be better next time.
    return state_->failed(item, Error(ErrorCode::WorkerEnded, error.what()), *this);
  }
}

void CogRunner::say_unavailable(const route::Item& item, results::UnavailableReason reason, const std::string& why) {
  try {
    const std::vector<store::StoredObject> sources = state_->sources(item);
    const cogs::Cog* cog = cogs::find_cog(item.cog);
    const fs::path folder = state_->results_folder(item) / ("unavailable-" + name_for(item.uid));
    StagedFolder staged(state_->work_folder(item) / "unavailable");
    const auto files = state_->unavailable.write({.source = sources.front().file,
                                                  .folder = staged.path(),
                                                  .facts = {.reason = reason,
                                                            .cog = item.cog,
                                                            .cog_version = cog == nullptr ? "" : cog->version,
                                                            .models = {},
                                                            .detail = why,
                                                            .series_version = item.series_version,
                                                            .instances = static_cast<int>(sources.size())},
                                                  .language = state_->options.settings.language});
    staged.publish(folder);
    Harvest harvest;
    gather(harvest, folder, files, state_->headers);
    state_->record(item, std::move(harvest), [](store::Transaction&) {});
  } catch (const std::exception& error) {
    log_event(LogLevel::error, "app", "\"AI unavailable\" cannot be said for a series",
              {patient_field("series", item.series_instance_uid), {"why", error.what()}});
  }
}

void CogRunner::forget(const std::string& study_instance_uid) {
  std::error_code ignored;
  fs::remove_all(state_->options.folder / "results" / name_for(study_instance_uid), ignored);
}

void CogRunner::warm(const std::string& cog, int children) {
  route::Item item;
  item.cog = cog;
  state_->children.warm(state_->settings_of(item), state_->memory_mb(cog), children);
}

}  // namespace rouage::app
