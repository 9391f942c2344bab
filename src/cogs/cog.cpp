#include "cogs/cog.h"

#include <algorithm>

namespace rouage::cogs {
namespace {

void add_list(std::vector<std::string>& parts, const char* name, std::vector<std::string> values) {
  std::sort(values.begin(), values.end());
  parts.emplace_back(name);
  parts.push_back(std::to_string(values.size()));
  parts.insert(parts.end(), values.begin(), values.end());
}

}  // namespace

std::vector<std::string> Provenance::uid_parts() const {
  std::vector<std::string> parts{"cog", cog, cog_version, "models", std::to_string(models.size())};
  for (const ModelIdentity& m : models) parts.insert(parts.end(), {m.name, m.version, m.digest});
  parts.insert(parts.end(), {"engine", engine, precision, language, "parameters", std::to_string(parameters.size())});
  for (const auto& [key, value] : parameters) parts.insert(parts.end(), {key, value});  // a map: sorted by key
  add_list(parts, "inputs", input_uids);
  add_list(parts, "upstream", upstream_uids);
  return parts;
}

}  // namespace rouage::cogs
