/// Figures of merit of free-response data.
#include "stats/froc.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <utility>

#include "base/error.h"

namespace rouage::stats {
namespace {

constexpr double kNone = std::numeric_limits<double>::quiet_NaN();
constexpr double kNoMark = -std::numeric_limits<double>::infinity();

/// Marks by case; kNoMark where there is none.
struct ByCase {
  std::vector<std::vector<double>> other;   ///< NL ratings
  std::vector<std::vector<double>> lesion;  ///< one a lesion
};

ByCase by_case(const FrocTruth& truth, const FrocCell& cell) {
  ByCase marks;
  marks.other.resize(truth.weights.size());
  for (const auto& weights : truth.weights) marks.lesion.emplace_back(weights.size(), kNoMark);
  for (const FrocMark& mark : cell.marks) {
    if (mark.of_case >= truth.weights.size()) throw Error(ErrorCode::Internal, "a mark of an unknown case");
    if (mark.lesion < 0) {
      marks.other[mark.of_case].push_back(mark.rating);
      continue;
    }
    auto& found = marks.lesion[mark.of_case].at(static_cast<std::size_t>(mark.lesion));
    found = std::max(found, mark.rating);
  }
  return marks;
}

double highest(const std::vector<double>& ratings) {
  return ratings.empty() ? kNoMark : *std::max_element(ratings.begin(), ratings.end());
}

double mean_rating(const std::vector<double>& ratings) {
  double sum = 0, count = 0;
  for (const double x : ratings)
    if (x != kNoMark) {
      sum += x;
      count += 1;
    }
  return count > 0 ? sum / count : kNoMark;
}

PairItems lesion_items(const FrocTruth& truth, const ByCase& marks, bool weighed, bool all_cases) {
  PairItems items;
  for (std::uint32_t k = 0; k < truth.weights.size(); ++k) {
    if (truth.weights[k].empty() || all_cases) {
      items.negative.push_back(highest(marks.other[k]));
      items.negative_case.push_back(k);
    }
    for (std::size_t lesion = 0; lesion < truth.weights[k].size(); ++lesion) {
      items.positive.push_back(marks.lesion[k][lesion]);
      items.weight.push_back(weighed ? truth.weights[k][lesion] : 1.0);
      items.positive_case.push_back(k);
    }
  }
  return items;
}

/// One rating a case: the highest mark, or the larger of the mean NL and the mean LL rating (Song's A1).
PairItems case_items(const FrocTruth& truth, const ByCase& marks, bool mean) {
  std::vector<double> ratings;
  std::vector<std::uint8_t> positive;
  for (std::size_t k = 0; k < truth.weights.size(); ++k) {
    ratings.push_back(mean ? std::max(mean_rating(marks.other[k]), mean_rating(marks.lesion[k]))
                           : std::max(highest(marks.other[k]), highest(marks.lesion[k])));
    positive.push_back(truth.weights[k].empty() ? 0 : 1);
  }
  return area_items(ratings, positive);
}

/// Does a mark of the abnormal case, drawn at random, beat one of the normal case more often than not?
double dominates(const std::vector<double>& abnormal, const std::vector<double>& normal) {
  double won = 0;
  for (const double a : abnormal)
    for (const double n : normal) won += a == n ? 0.5 : (a > n ? 1.0 : 0.0);
  const double half = 0.5 * static_cast<double>(abnormal.size() * normal.size());
  return won == half ? 0.5 : (won > half ? 1.0 : 0.0);
}

CellFigure song_a2(const FrocTruth& truth, const ByCase& marks) {
  const std::size_t cases = truth.weights.size();
  std::vector<std::vector<double>> ratings(cases);
  for (std::size_t k = 0; k < cases; ++k) {
    ratings[k] = marks.other[k];
    for (const double x : marks.lesion[k])
      if (x != kNoMark) ratings[k].push_back(x);
    if (ratings[k].empty()) ratings[k].push_back(kNoMark);
  }
  std::vector<double> lost(cases);
  double sum = 0, positives = 0, negatives = 0;
  for (std::size_t p = 0; p < cases; ++p) (truth.weights[p].empty() ? negatives : positives) += 1;
  for (std::size_t p = 0; p < cases; ++p)
    for (std::size_t n = 0; n < cases && !truth.weights[p].empty(); ++n) {
      if (!truth.weights[n].empty()) continue;
      const double won = dominates(ratings[p], ratings[n]);
      sum += won;
      lost[p] += won;
      lost[n] += won;
    }
  CellFigure figure{.value = kNone, .left_out = std::vector<double>(cases, kNone), .influence = {}};
  if (!(positives > 0) || !(negatives > 0)) return figure;
  figure.value = sum / (positives * negatives);
  for (std::size_t k = 0; k < cases; ++k) {
    const double left = truth.weights[k].empty() ? positives * (negatives - 1) : (positives - 1) * negatives;
    if (left > 0) figure.left_out[k] = (sum - lost[k]) / left;
  }
  return figure;
}

CellFigure shares(const FrocTruth& truth, const ByCase& marks, FrocFigure kind) {
  const std::size_t cases = truth.weights.size();
  std::vector<double> over(cases), under(cases);
  for (std::size_t k = 0; k < cases; ++k) {
    const bool normal = truth.weights[k].empty();
    const double others = static_cast<double>(marks.other[k].size());
    const bool marked = std::max(highest(marks.other[k]), highest(marks.lesion[k])) != kNoMark;
    if (kind == FrocFigure::MaxLLF) {
      under[k] = static_cast<double>(marks.lesion[k].size());
      over[k] = under[k] - static_cast<double>(std::count(marks.lesion[k].begin(), marks.lesion[k].end(), kNoMark));
    } else if (kind == FrocFigure::MaxNLFAllCases) {
      under[k] = 1;
      over[k] = others;
    } else if (kind == FrocFigure::HrSe ? !normal : normal) {
      under[k] = 1;
      const bool counts = kind == FrocFigure::HrSe ? marked : !marked;
      over[k] = kind == FrocFigure::HrSe || kind == FrocFigure::HrSp ? (counts ? 1.0 : 0.0) : others;
    }
  }
  CellFigure figure = share_figure(over, under);
  if (kind == FrocFigure::ExpTrnsfmSp) {
    figure.value = std::exp(-figure.value);
    for (double& x : figure.left_out) x = std::exp(-x);
  }
  return figure;
}

constexpr std::array<std::pair<std::string_view, FrocFigure>, 13> kNames{
    {{"AFROC", FrocFigure::AFROC},
     {"AFROC1", FrocFigure::AFROC1},
     {"wAFROC", FrocFigure::wAFROC},
     {"wAFROC1", FrocFigure::wAFROC1},
     {"HrAuc", FrocFigure::HrAuc},
     {"HrSe", FrocFigure::HrSe},
     {"HrSp", FrocFigure::HrSp},
     {"MaxLLF", FrocFigure::MaxLLF},
     {"MaxNLF", FrocFigure::MaxNLF},
     {"MaxNLFAllCases", FrocFigure::MaxNLFAllCases},
     {"SongA1", FrocFigure::SongA1},
     {"SongA2", FrocFigure::SongA2},
     {"ExpTrnsfmSp", FrocFigure::ExpTrnsfmSp}}};

}  // namespace

std::optional<FrocFigure> froc_figure_named(std::string_view name) {
  for (const auto& [known, figure] : kNames)
    if (known == name) return figure;
  return {};
}

CellFigure froc_figure(const FrocTruth& truth, const FrocCell& cell, FrocFigure figure) {
  const ByCase marks = by_case(truth, cell);
  const auto cases = static_cast<std::uint32_t>(truth.weights.size());
  switch (figure) {
    case FrocFigure::AFROC:
    case FrocFigure::AFROC1:
      return pair_figure(lesion_items(truth, marks, false, figure == FrocFigure::AFROC1), cases);
    case FrocFigure::wAFROC:
    case FrocFigure::wAFROC1:
      return pair_figure(lesion_items(truth, marks, true, figure == FrocFigure::wAFROC1), cases);
    case FrocFigure::HrAuc:
    case FrocFigure::SongA1:
      return pair_figure(case_items(truth, marks, figure == FrocFigure::SongA1), cases);
    case FrocFigure::SongA2:
      return song_a2(truth, marks);
    default:
      return shares(truth, marks, figure);
  }
}

CaseScope froc_scope(const FrocTruth& truth, FrocFigure figure) {
  const bool normal = figure == FrocFigure::HrSp || figure == FrocFigure::MaxNLF || figure == FrocFigure::ExpTrnsfmSp;
  const bool abnormal = figure == FrocFigure::HrSe || figure == FrocFigure::MaxLLF;
  CaseScope scope;
  if (!normal && !abnormal) return scope;
  for (std::uint32_t k = 0; k < truth.weights.size(); ++k)
    if (truth.weights[k].empty() == normal) scope.push_back(k);
  return scope;
}

}  // namespace rouage::stats
