#include "store/query_tables.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <charconv>

#include "base/error.h"
#include "store/name_key.h"

namespace rouage::store::sql {
namespace {

enum class Kind { text, list, uid, name, date, time, count };
struct Column {
  std::uint32_t tag;
  Level level;
  const char* column;   ///< what is answered
  const char* matched;  ///< what is compared
  Kind kind;
};

constexpr Level kPatient = Level::patient, kStudy = Level::study, kSeries = Level::series, kInstance = Level::instance;
constexpr std::array<Column, 38> kColumns = {{
    {0x00100020, kPatient, "t.patient_id", "t.patient_id", Kind::text},
    {0x00100021, kPatient, "t.issuer", "t.issuer", Kind::text},
    {0x00100010, kPatient, "t.patient_name", "t.name_key", Kind::name},
    {0x00100030, kPatient, "t.birth_date", "t.birth_date", Kind::date},
    {0x00100040, kPatient, "t.sex", "t.sex", Kind::text},
    {0x0020000D, kStudy, "t.study_uid", "t.study_uid", Kind::uid},
    {0x00080020, kStudy, "t.study_date", "t.study_date", Kind::date},
    {0x00080030, kStudy, "t.study_time", "t.study_time", Kind::time},
    {0x00080050, kStudy, "t.accession", "t.accession", Kind::text},
    {0x00200010, kStudy, "t.study_id", "t.study_id", Kind::text},
    {0x00081030, kStudy, "t.description", "t.description", Kind::text},
    {0x00080090, kStudy, "t.referring", "t.referring_key", Kind::name},
    {0x00101010, kStudy, "t.patient_age", "t.patient_age", Kind::text},
    {0x0020000E, kSeries, "s.series_uid", "s.series_uid", Kind::uid},
    {0x00080060, kSeries, "s.modality", "s.modality", Kind::list},
    {0x00200011, kSeries, "s.number", "s.number", Kind::text},
    {0x0008103E, kSeries, "s.description", "s.description", Kind::text},
    {0x00180015, kSeries, "s.body_part", "s.body_part", Kind::text},
    {0x00181030, kSeries, "s.protocol", "s.protocol", Kind::text},
    {0x00200060, kSeries, "s.laterality", "s.laterality", Kind::text},
    {0x00080070, kSeries, "s.manufacturer", "s.manufacturer", Kind::text},
    {0x00081010, kSeries, "s.station", "s.station", Kind::text},
    {0x00080080, kSeries, "s.institution", "s.institution", Kind::text},
    {0x00080021, kSeries, "s.series_date", "s.series_date", Kind::date},
    {0x00080031, kSeries, "s.series_time", "s.series_time", Kind::time},
    {0x00200052, kSeries, "s.frame_of_reference", "s.frame_of_reference", Kind::uid},
    {0x00185101, kSeries, "s.view_position", "s.view_position", Kind::text},
    {0x00080018, kInstance, "i.sop_uid", "i.sop_uid", Kind::uid},
    {0x00080016, kInstance, "i.sop_class", "i.sop_class", Kind::uid},
    {0x00083002, kInstance, "i.transfer_syntax", "i.transfer_syntax", Kind::uid},
    {0x00200013, kInstance, "i.number", "i.number", Kind::text},
    {0x00080008, kInstance, "i.image_type", "i.image_type", Kind::text},
    {0x00080023, kInstance, "i.content_date", "i.content_date", Kind::date},
    {0x00200012, kInstance, "i.acquisition", "i.acquisition", Kind::text},
    {0x00280010, kInstance, "i.image_rows", "i.image_rows", Kind::count},
    {0x00280011, kInstance, "i.image_columns", "i.image_columns", Kind::count},
    {0x00280008, kInstance, "i.frames", "i.frames", Kind::count},
    {0x00280100, kInstance, "i.bits", "i.bits", Kind::count},
}};
constexpr std::uint32_t kModalitiesInStudy = 0x00080061, kSopClassesInStudy = 0x00080062;
/// Behind every text that begins with a prefix, byte by byte.
constexpr char kLast[] = "\xF4\x8F\xBF\xBF";

std::string places(std::size_t count) {
  std::string text = "(";
  for (std::size_t i = 0; i < count; ++i) text += i == 0 ? "?" : ", ?";
  return text + ")";
}

Clause one_of(const std::string& column, const std::vector<std::string>& values) {
  constexpr std::size_t kMostValues = 2'000;
  if (values.size() > kMostValues)
    throw Error(ErrorCode::RequestTooLarge,
                fmt::format("a list of {} values, {} are allowed", values.size(), kMostValues));
  Clause clause;
  // Few lengths, so that statements are prepared once: the last value fills the places up.
  std::size_t count = 1;
  while (count < values.size()) count *= 2;
  clause.sql = count == 1 ? column + " = ?" : column + " IN " + places(count);
  for (std::size_t i = 0; i < count; ++i) clause.values.emplace_back(values[std::min(i, values.size() - 1)]);
  return clause;
}

/// "*" any characters, "?" one; everything else means itself.
Clause wild(const std::string& column, const std::string& value) {
  const std::size_t first = value.find_first_of("*?");
  if (first == std::string::npos) return one_of(column, {value});
  std::string pattern;
  for (const char c : value) {
    if (c == '%' || c == '_' || c == '!') pattern += '!';
    pattern += c == '*' ? '%' : c == '?' ? '_' : c;
  }
  Clause clause{column + " LIKE ? ESCAPE '!'", {pattern}};
  if (first > 0) {  // the index finds the beginning, LIKE checks the rest
    const std::string prefix = value.substr(0, first);
    clause.and_also({column + " >= ? AND " + column + " < ?", {prefix, prefix + kLast}});
  }
  return clause;
}

std::vector<std::string> values_of(const std::string& value) {
  std::vector<std::string> values;
  for (const std::string& one : split(value, '\\'))
    if (!trimmed(one).empty()) values.emplace_back(trimmed(one));
  return values;
}

/// "A-B", "A-", "-B" or one value. A time may be cut after any part: 10 means from 10:00:00 to 10:59:59.999.
Clause range(const std::string& column, std::string value, Kind kind) {
  std::erase_if(value, [&](char c) { return c == ' ' || c == ':' || (kind == Kind::date && c == '.'); });
  const std::size_t dash = value.find('-');
  const std::string tail = kind == Kind::time ? "~" : "";  // behind all digits
  if (dash == std::string::npos) {
    if (kind == Kind::date) return one_of(column, {value});
    return {column + " >= ? AND " + column + " <= ?", {value, value + tail}};
  }
  const std::string from = value.substr(0, dash), to = value.substr(dash + 1);
  Clause clause{column + " <> ''", {}};
  if (!from.empty()) clause.and_also({column + " >= ?", {from}});
  if (!to.empty()) clause.and_also({column + " <= ?", {to + tail}});
  return clause;
}

/// Word by word: each word begins a word of the name; wild cards (viewers put some around what was typed) stand for any
/// characters.
Clause fuzzy_name(const std::string& column, const std::string& value) {
  Clause clause;
  std::string key = name_key(value);
  std::replace_if(
      key.begin(), key.end(), [](char c) { return c == '^' || c == '='; }, ' ');
  for (const std::string& word : split(key, ' ')) {
    if (word.empty()) continue;
    std::string pattern = "% ";
    for (const char c : word) {
      if (c == '%' || c == '_' || c == '!') pattern += '!';
      pattern += c == '*' ? '%' : c == '?' ? '_' : c;
    }
    clause.and_also(
        {"(' ' || REPLACE(REPLACE(" + column + ", '^', ' '), '=', ' ')) LIKE ? ESCAPE '!'", {pattern + "%"}});
  }
  return clause;
}

Clause clause_of(const Column& column, const std::string& value, bool fuzzy) {
  const std::string name = column.matched;
  switch (column.kind) {
    case Kind::uid:
      return one_of(name, values_of(value));
    case Kind::date:
    case Kind::time:
      return range(name, value, column.kind);
    case Kind::name:
      return fuzzy ? fuzzy_name(name, value) : wild(name, name_key(value));
    case Kind::list:
      if (value.find('\\') != std::string::npos) return one_of(name, values_of(value));
      return wild(name, std::string(trimmed(value)));
    case Kind::count: {
      std::int64_t number = -1;
      std::from_chars(value.data(), value.data() + value.size(), number);
      return {name + " = ?", {number}};
    }
    case Kind::text:
      break;
  }
  return wild(name, std::string(trimmed(value)));
}

bool asks_nothing(const std::string& value) {
  return value.find_first_not_of("* \\") == std::string::npos;
}

std::string select_list(Level level) {
  std::string list;
  for (const Column& column : kColumns) {
    if (column.level > level) continue;
    if (!list.empty()) list += ", ";
    list += column.column;
  }
  return list;
}

std::string where(std::vector<std::string> parts) {
  std::erase(parts, std::string());
  std::string text;
  for (const std::string& part : parts) text += (text.empty() ? " WHERE " : " AND ") + part;
  return text;
}

/// Studies of which some series, with some instance, meets the conditions.
Clause with_series(const Conditions& c) {
  if (!c.below_study()) return {};
  Clause inner = c.series;
  std::string from = "FROM series s";
  if (!c.instance.sql.empty()) {
    from += " JOIN instance i ON i.series = s.id";
    inner.and_also({"i.copy = 0", {}});
    inner.and_also(c.instance);
  }
  if (c.names_a_uid) return {"t.id IN (SELECT s.study " + from + " WHERE " + inner.sql + ")", inner.values};
  return {"EXISTS (SELECT 1 " + from + " WHERE s.study = t.id AND " + inner.sql + ")", inner.values};
}

Hit hit_of(const Row& row, Level level, std::size_t first) {
  Hit hit;
  std::size_t at = first;
  for (const Column& column : kColumns)
    if (column.level <= level) hit.attributes[column.tag] = row.text(at++);
  return hit;
}

std::vector<Value> values_of(std::initializer_list<const Clause*> clauses, std::size_t most) {
  std::vector<Value> values;
  for (const Clause* clause : clauses) values.insert(values.end(), clause->values.begin(), clause->values.end());
  values.emplace_back(static_cast<std::int64_t>(most));
  return values;
}

std::vector<Hit> patient_hits(Transaction& tx, const Conditions& c, const std::optional<Hit>& last, std::size_t most) {
  const Clause series = with_series(c);
  Clause after;
  if (last)
    after = {"(t.patient_id, t.issuer) > (?, ?)", {last->attributes.at(0x00100020), last->attributes.at(0x00100021)}};
  std::vector<Hit> found;
  tx.each("SELECT t.patient_id, t.issuer, MAX(t.patient_name), MAX(t.birth_date), MAX(t.sex) FROM study t" +
              where({c.study.sql, series.sql, after.sql}) +
              " GROUP BY t.patient_id, t.issuer ORDER BY t.patient_id, t.issuer LIMIT ?",
          values_of({&c.study, &series, &after}, most), [&](const Row& row) {
            found.push_back(hit_of(row, Level::patient, 0));
            return true;
          });
  return found;
}

std::vector<Hit> study_hits(Transaction& tx, const Conditions& c, const std::optional<Hit>& last, std::size_t most) {
  const Clause series = with_series(c);
  Clause after;
  if (last) after = {"(t.study_date, t.id) < (?, ?)", {last->attributes.at(0x00080020), last->study_id}};
  std::vector<Hit> found;
  tx.each("SELECT t.id, " + select_list(Level::study) + " FROM study t" + where({c.study.sql, series.sql, after.sql}) +
              " ORDER BY t.study_date DESC, t.id DESC LIMIT ?",
          values_of({&c.study, &series, &after}, most), [&](const Row& row) {
            Hit hit = hit_of(row, Level::study, 1);
            hit.study_id = row.integer(0);
            hit.study_uid = hit.attributes.at(0x0020000D);
            found.push_back(std::move(hit));
            return true;
          });
  return found;
}

std::vector<Hit> series_hits(Transaction& tx, const Conditions& c, const std::optional<Hit>& last, std::size_t most) {
  Clause inner;
  if (!c.instance.sql.empty())
    inner = {"EXISTS (SELECT 1 FROM instance i WHERE i.series = s.id AND i.copy = 0 AND " + c.instance.sql + ")",
             c.instance.values};
  Clause after;
  if (last) after = {"s.id > ?", {last->series_id}};
  std::vector<Hit> found;
  tx.each("SELECT s.id, s.study, s.is_result, " + select_list(Level::series) +
              " FROM series s JOIN study t ON t.id = s.study" +
              where({c.study.sql, c.series.sql, inner.sql, after.sql}) + " ORDER BY s.id LIMIT ?",
          values_of({&c.study, &c.series, &inner, &after}, most), [&](const Row& row) {
            Hit hit = hit_of(row, Level::series, 3);
            hit.series_id = row.integer(0);
            hit.study_id = row.integer(1);
            hit.is_result = row.integer(2) != 0;
            hit.study_uid = hit.attributes.at(0x0020000D);
            found.push_back(std::move(hit));
            return true;
          });
  return found;
}

std::vector<Hit> instance_hits(Transaction& tx, const Conditions& c, const std::optional<Hit>& last, std::size_t most) {
  Clause after{"i.copy = 0", {}};
  if (last) after.and_also({"(i.series, i.sop_uid) > (?, ?)", {last->series_id, last->sop_uid}});
  std::vector<Hit> found;
  tx.each("SELECT s.id, s.study, i.is_result, i.digest, " + select_list(Level::instance) +
              " FROM instance i JOIN series s ON s.id = i.series JOIN study t ON t.id = s.study" +
              where({c.study.sql, c.series.sql, c.instance.sql, after.sql}) + " ORDER BY i.series, i.sop_uid LIMIT ?",
          values_of({&c.study, &c.series, &c.instance, &after}, most), [&](const Row& row) {
            Hit hit = hit_of(row, Level::instance, 4);
            hit.series_id = row.integer(0);
            hit.study_id = row.integer(1);
            hit.is_result = row.integer(2) != 0;
            hit.digest = row.text(3);
            hit.study_uid = hit.attributes.at(0x0020000D);
            hit.sop_uid = hit.attributes.at(0x00080018);
            found.push_back(std::move(hit));
            return true;
          });
  return found;
}

}  // namespace

void Clause::and_also(const Clause& more) {
  if (more.sql.empty()) return;
  sql += (sql.empty() ? "" : " AND ") + more.sql;
  values.insert(values.end(), more.values.begin(), more.values.end());
}

Conditions conditions_of(const Query& query,
                         const std::function<std::vector<std::string>(const std::string&)>& same_patient) {
  Conditions conditions;
  for (const auto& [tag, value] : query.match) {
    if (asks_nothing(value)) continue;
    if (tag == 0x00100020 && value.find_first_of("*?") == std::string::npos) {
      conditions.study.and_also(one_of("t.patient_id", same_patient(std::string(trimmed(value)))));
      continue;
    }
    if (tag == kModalitiesInStudy || tag == kSopClassesInStudy) {
      const bool modality = tag == kModalitiesInStudy;
      const Column column{tag, kSeries, "", modality ? "s.modality" : "i.sop_class", Kind::list};
      (modality ? conditions.series : conditions.instance).and_also(clause_of(column, value, false));
      continue;
    }
    for (const Column& column : kColumns) {
      if (column.tag != tag) continue;
      Clause& clause = column.level <= Level::study    ? conditions.study
                       : column.level == Level::series ? conditions.series
                                                       : conditions.instance;
      clause.and_also(clause_of(column, value, query.fuzzy));
      conditions.names_a_uid = conditions.names_a_uid || tag == 0x0020000E || tag == 0x00080018;
    }
  }
  return conditions;
}

std::vector<Hit> hits(Transaction& tx, Level level, const Conditions& conditions, const std::optional<Hit>& last,
                      std::size_t most) {
  switch (level) {
    case Level::patient:
      return patient_hits(tx, conditions, last, most);
    case Level::study:
      return study_hits(tx, conditions, last, most);
    case Level::series:
      return series_hits(tx, conditions, last, most);
    case Level::instance:
      break;
  }
  return instance_hits(tx, conditions, last, most);
}

std::vector<SeriesContent> content_of_study(Transaction& tx, std::int64_t study_id) {
  std::vector<SeriesContent> content;
  tx.each("SELECT id, modality, instances, is_result FROM series WHERE study = ?", {study_id}, [&](const Row& row) {
    content.push_back({row.integer(0), row.text(1), row.integer(2), row.integer(3) != 0});
    return true;
  });
  return content;
}

std::vector<std::string> current_instances(Transaction& tx, std::int64_t series_id) {
  std::vector<std::string> uids;
  tx.each("SELECT sop_uid FROM instance WHERE series = ? AND copy = 0", {series_id}, [&](const Row& row) {
    uids.push_back(row.text(0));
    return true;
  });
  return uids;
}

std::vector<std::string> sop_classes_of_study(Transaction& tx, std::int64_t study_id) {
  std::vector<std::string> uids;
  tx.each(
      "SELECT DISTINCT i.sop_class FROM instance i JOIN series s ON s.id = i.series WHERE s.study = ? AND i.copy = 0 "
      "AND "
      "s.is_result = 0 ORDER BY i.sop_class",
      {study_id}, [&](const Row& row) {
        uids.push_back(row.text(0));
        return true;
      });
  return uids;
}

std::vector<PatientStudy> studies_of_patient(Transaction& tx, const std::vector<std::string>& patient_ids,
                                             const std::optional<std::string>& issuer) {
  Clause clause = one_of("patient_id", patient_ids);
  if (issuer) clause.and_also({"issuer = ?", {*issuer}});
  std::vector<PatientStudy> studies;
  tx.each("SELECT id, study_uid FROM study WHERE " + clause.sql, clause.values, [&](const Row& row) {
    studies.push_back({row.integer(0), row.text(1)});
    return true;
  });
  return studies;
}

std::vector<std::pair<std::string, bool>> matching_instances(Transaction& tx, std::int64_t study_id,
                                                             const Conditions& c) {
  std::vector<std::pair<std::string, bool>> found;
  std::vector<Value> values{study_id};
  for (const Clause* clause : {&c.series, &c.instance})
    values.insert(values.end(), clause->values.begin(), clause->values.end());
  tx.each("SELECT i.sop_uid, i.is_result FROM series s JOIN instance i ON i.series = s.id" +
              where({"s.study = ?", "i.copy = 0", c.series.sql, c.instance.sql}) + " ORDER BY i.is_result",
          values, [&](const Row& row) {
            found.emplace_back(row.text(0), row.integer(1) != 0);
            return found.back().second;  // one that is no result is enough
          });
  return found;
}

std::optional<std::pair<std::string, std::string>> any_file(Transaction& tx, std::int64_t study_id,
                                                            std::int64_t series_id) {
  const std::string select = "SELECT i.sop_uid, i.digest FROM instance i JOIN series s ON s.id = i.series WHERE ";
  const auto row = series_id > 0
                       ? tx.first(select + "i.series = ? AND i.copy = 0 LIMIT 1", {series_id})
                       : tx.first(select + "s.study = ? AND s.is_result = 0 AND i.copy = 0 LIMIT 1", {study_id});
  return row ? std::optional(std::pair(row->text(0), row->text(1))) : std::nullopt;
}

std::vector<StoredObject> objects(Transaction& tx, const Selection& selection,
                                  const std::vector<std::string>& patient_ids) {
  Clause clause{"i.copy = 0", {}};
  if (!patient_ids.empty()) clause.and_also(one_of("t.patient_id", patient_ids));
  const std::array<std::pair<const char*, const std::string*>, 3> parts = {
      {{"t.study_uid", &selection.study_instance_uid},
       {"s.series_uid", &selection.series_instance_uid},
       {"i.sop_uid", &selection.sop_instance_uid}}};
  for (const auto& [column, value] : parts)
    if (!value->empty()) clause.and_also(one_of(column, values_of(*value)));
  std::vector<StoredObject> found;
  tx.each(
      "SELECT t.study_uid, s.series_uid, i.sop_uid, i.sop_class, i.transfer_syntax, i.digest, i.bytes, i.frames, "
      "i.is_result FROM instance i JOIN series s ON s.id = i.series JOIN study t ON t.id = s.study WHERE " +
          clause.sql + " ORDER BY i.series, i.sop_uid",
      clause.values, [&](const Row& row) {
        StoredObject object;
        object.study_instance_uid = row.text(0);
        object.series_instance_uid = row.text(1);
        object.sop_instance_uid = row.text(2);
        object.sop_class_uid = row.text(3);
        object.transfer_syntax_uid = row.text(4);
        object.digest = row.text(5);
        object.bytes = static_cast<std::uint64_t>(row.integer(6));
        object.frames = static_cast<std::uint32_t>(row.integer(7));
        object.is_result = row.integer(8) != 0;
        found.push_back(std::move(object));
        return true;
      });
  return found;
}

}  // namespace rouage::store::sql
