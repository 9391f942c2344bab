#include "app/film_job.h"

#include <algorithm>
#include <filesystem>

#include "base/error.h"
#include "base/host.h"

namespace rouage::app {
namespace fs = std::filesystem;
namespace {

dicom::FilmInstance read_input(const FilmJob& job, std::uint64_t max_file_mb) {
  dicom::ReadLimits limits;
  limits.file_bytes = max_file_mb * kMebibyte;
  const dicom::FileKind kind = dicom::file_kind(job.path);
  if (kind == dicom::FileKind::png || kind == dicom::FileKind::jpeg) {
    if (!job.as_film)
      throw Error(ErrorCode::NotDicom, "a picture, not a DICOM file")
          .remedy("give --as-film if it is a film, with --table for age, sex and view");
    return dicom::read_picture_as_film(job.path, job.facts, limits);
  }
  return dicom::read_film(job.path, limits, job.frame);
}

/// What went wrong, as the answer of the job.
JobAnswer refusal(const std::string& input, const std::string& cog, const Error& error) {
  const std::string code(error_entry(error.code()).name);
  JobAnswer answer;
  answer.status = "refused";
  answer.error_code = code;
  answer.message = error.what();
  answer.document = refused_document(input, cog, code, error.what(), error.tag(), error.remedy());
  return answer;
}

/// Runs `work` and turns every failure into a refusal that names the input.
template <typename Work>
JobAnswer refused_on_error(const fs::path& input, const std::string& cog, const Work& work) {
  try {
    return work();
  } catch (Error& error) {
    return refusal(input.string(), cog, error.file(input));
  } catch (const std::bad_alloc&) {
    return refusal(input.string(), cog,
                   Error(ErrorCode::ImageTooLarge, "the worker's memory limit was reached").file(input));
  } catch (const std::exception& error) {
    return refusal(input.string(), cog, Error(ErrorCode::Internal, error.what()).file(input));
  }
}

std::vector<std::string> write_files(const std::vector<results::ResultFile>& files, const fs::path& folder) {
  std::vector<std::string> names;
  for (const results::ResultFile& file : files) {
    write_file(folder / file.name, file.bytes);
    names.push_back(file.name);
  }
  return names;
}

void write_results_json(JobAnswer& answer, const fs::path& folder, const std::string& input) {
  answer.files.emplace_back("results.json");
  const std::string document = with_outputs(answer.document, input, answer.files) + "\n";
  write_file(folder / "results.json", {reinterpret_cast<const std::uint8_t*>(document.data()), document.size()});
}

const cogs::Cog& the_cog(const RunSettings& settings) {
  if (const cogs::Cog* cog = cogs::find_cog(settings.cog)) return *cog;
  std::string known;
  for (const cogs::Cog& cog : cogs::all_cogs()) known += (known.empty() ? "" : ", ") + cog.name;
  throw Error(ErrorCode::Usage, "no cog is called " + settings.cog).remedy("known: " + known);
}

/// Where the packages of the cog are, by the cog's own names.
std::map<std::string, fs::path> package_folders(const RunSettings& settings, const cogs::Cog& cog) {
  const std::vector<fs::path> folders(settings.model_folders.begin(), settings.model_folders.end());
  std::map<std::string, fs::path> found;
  for (const std::string& name : cog.packages) {
    const auto chosen = settings.packages.find(name);
    found[name] = infer::find_package(chosen == settings.packages.end() ? name : chosen->second, folders);
  }
  return found;
}

/// Header of a film as its folder tells it: of the input, or of the source.dcm that stands for a picture.
dicom::InstanceHeader header_of_finished(const fs::path& folder, const std::string& input) {
  std::error_code ignored;
  if (!fs::exists(folder / "source.dcm", ignored)) return dicom::read_header(input, {});
  dicom::InstanceHeader header = dicom::read_header(folder / "source.dcm", {});
  header.made_from_picture = true;
  return header;
}

}  // namespace

Workshop::Workshop(RunSettings settings) : settings_(std::move(settings)), cog_(&the_cog(settings_)) {
  const infer::SessionOptions options{
      .threads = settings_.threads, .arena = true, .provider = settings_.provider, .spin = false};
  std::map<std::string, std::future<infer::Package>> reading;
  for (const auto& [name, folder] : package_folders(settings_, *cog_))
    reading[name] = std::async(std::launch::async, [folder = folder] { return infer::read_package(folder); });
  for (auto& [name, package] : reading) models_[name] = infer::load(package.get(), options);
}

void Workshop::open_nets() {
  for (const auto& [name, model] : models_)
    opening_.push_back(std::async(std::launch::async, [model = model] {
      try {
        model->head_weight();  // opens the net, and runs it once where it has a head to read
        model->net();
      } catch (const std::exception&) {
        // The film that needs this net tries again and is refused with the reason.
      }
    }));
}

std::string models_identity(const RunSettings& settings) {
  std::string text;
  for (const auto& [name, folder] : package_folders(settings, the_cog(settings)))
    text += name + "=" + infer::package_digest(folder) + ";";
  return text;
}

JobAnswer Workshop::film(const FilmJob& job, const fs::path& folder) const {
  return refused_on_error(job.path, settings_.cog, [&] { return film_or_throw(job, folder); });
}

JobAnswer Workshop::film_or_throw(const FilmJob& job, const fs::path& folder) const {
  dicom::FilmInstance instance = read_input(job, settings_.max_file_mb);
  cogs::CogInput input;
  input.current.push_back({std::move(instance.film), std::move(instance.header)});
  cogs::CogContext context;
  context.model = [this](const std::string& name) { return models_.at(name); };
  context.options = settings_.options;
  context.language = settings_.language;

  cogs::CogResult result = cog_->run(input, context);
  if (job.reported_at) results::say_after_report(result, *job.reported_at, settings_.language);
  const cogs::Picture& picture = input.current.front();
  const auto files =
      results::film_results(picture, result, {.language = settings_.language, .pictures = settings_.pictures});

  JobAnswer answer;
  answer.status = result.status == cogs::Status::done ? "done" : "ineligible";
  answer.study_instance_uid = picture.header.study_instance_uid;
  answer.sop_instance_uid = picture.header.sop_instance_uid;
  answer.document = with_objects(
      results::analyze_json(result, {job.path.string(), {}, {}, answer.study_instance_uid, answer.sop_instance_uid}),
      files);
  answer.files = write_files(files, folder);
  write_results_json(answer, folder, job.path.string());
  return answer;
}

JobAnswer Workshop::study(const std::string& study_uid, const std::vector<fs::path>& films, const fs::path& folder,
                          const std::optional<std::string>& reported_at) const {
  return refused_on_error(study_uid, settings_.cog, [&] {
    std::vector<results::FilmSummary> summaries;
    std::vector<cogs::CogResult> film_results;
    std::vector<std::string> inputs;
    for (const fs::path& film : films) {
      const std::string document = read_text(film / "results.json");
      results::FilmSummary summary;
      inputs.push_back(document_input(document));
      summary.header = header_of_finished(film, inputs.back());
      summary.result = results::parse_analyze_json(document);
      summary.files = document_objects(document);
      for (results::ResultFile& file : summary.files) file.name = (film.filename() / file.name).string();
      film_results.push_back(summary.result);
      summaries.push_back(std::move(summary));
    }
    cogs::CogResult study_result = cog_->combine(film_results, study_uid);
    if (reported_at) results::say_after_report(study_result, *reported_at, settings_.language);
    const auto files = results::study_results(summaries, study_result, {settings_.language, settings_.pictures});
    JobAnswer answer;
    answer.status = study_result.status == cogs::Status::done ? "done" : "ineligible";
    answer.study_instance_uid = study_uid;
    answer.document = with_objects(results::analyze_json(study_result, {study_uid, inputs, {}, study_uid, ""}), files);
    answer.files = write_files(files, folder);
    write_results_json(answer, folder, study_uid);
    return answer;
  });
}

}  // namespace rouage::app
