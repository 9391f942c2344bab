/// Reading a table of times: which rows count, what a column means. Inner header of `survival`.
#pragma once
#include <optional>
#include <string>
#include <vector>

#include "evidence/evidence.h"
#include "stats/survival.h"

namespace rouage::evidence::survival {

struct Roles {
  std::string time, event, start, weight, strata, cluster;  ///< columns; "" for none
  std::vector<std::string> event_values;                    ///< cells that mean the event; empty: 0 and 1
  std::vector<std::string> competing_values{};  ///< cells that mean a competing event: censored but for incidence
};

/// The rows that have all they need; the rest is counted.
struct Subjects {
  std::vector<std::size_t> row{};
  std::vector<double> time{}, entry{}, weight{};
  std::vector<std::uint8_t> event{};  ///< 0 or 1
  std::vector<std::uint8_t> cause{};  ///< 2: a competing event; else as event
  std::vector<std::uint32_t> stratum{}, cluster{};
  std::size_t left_out = 0;

  stats::SurvivalView view() const {
    return {.time = time, .event = event, .entry = entry, .weight = weight, .stratum = stratum};
  }
  std::uint64_t events() const;
};
/// needed: columns without which a row does not count. Errors: TableInvalid (line and column named).
Subjects subjects_of(const DataTable& table, const Roles& roles, const std::vector<std::string>& needed);

/// Levels of a column among the subjects, by alphabet or, where all are numbers, by number.
struct Levels {
  std::vector<std::string> names{};
  std::vector<std::uint32_t> of{};  ///< by subject
};
Levels levels_of(const DataTable& table, const Subjects& subjects, const std::string& column);

struct Covariates {
  std::vector<std::string> names{};  ///< "age", "stage=II"
  std::vector<double> values{};      ///< [subject][column]
  std::vector<std::string> notes{};  ///< which level a column is compared with
};
/// Numbers as they are; words become indicator columns, compared with the first level.
Covariates covariates_of(const DataTable& table, const Subjects& subjects, const std::vector<std::string>& columns);

}  // namespace rouage::evidence::survival
