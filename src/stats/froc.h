/// Free response: readers mark places, each mark with a rating; marks on a lesion (LL) and elsewhere (NL).
///
///   FrocCell cell = ...; CellFigure wafroc = froc_figure(truth, cell, FrocFigure::wAFROC);
///   FrocCurve curve = froc_curve(truth, cell);
///
/// Cases are numbered from 0; pure, thread-safe. Sources: Chakraborty (2017), "Observer Performance Methods for
/// Diagnostic Imaging"; Song, Bandos, Rockette and Gur (2008) for A1 and A2.
#pragma once
#include <cstdint>
#include <optional>
#include <span>
#include <string_view>
#include <vector>

#include "stats/mrmc.h"

namespace rouage::stats {

struct FrocTruth {
  std::vector<std::vector<double>> weights;  ///< one list a case, one weight a lesion (sum 1); empty: a normal case
};
struct FrocMark {
  std::uint32_t of_case = 0;
  std::int32_t lesion = -1;  ///< index in the case's lesions; -1: NL
  double rating = 0;
};
/// One reader in one arm. A lesion marked twice counts with its highest rating.
struct FrocCell {
  std::vector<FrocMark> marks;
};

enum class FrocFigure {
  AFROC,
  AFROC1,
  wAFROC,
  wAFROC1,
  HrAuc,
  HrSe,
  HrSp,
  MaxLLF,
  MaxNLF,
  MaxNLFAllCases,
  SongA1,
  SongA2,
  ExpTrnsfmSp
};
/// By the names above. Absent: none of them.
std::optional<FrocFigure> froc_figure_named(std::string_view name);
/// NaN where the class it needs is not there. O(n log n) but for SongA2: O(positives * negatives).
CellFigure froc_figure(const FrocTruth& truth, const FrocCell& cell, FrocFigure figure);
/// Cases the jackknife deletes: normal ones for HrSp, MaxNLF, ExpTrnsfmSp; abnormal ones for HrSe, MaxLLF; else all
/// (empty).
CaseScope froc_scope(const FrocTruth& truth, FrocFigure figure);

/// Operating points as the threshold falls, from (0, 0). times: how often each case counts (a bootstrap draw); empty:
/// once.
struct FrocCurve {
  std::vector<double> threshold;
  std::vector<double> nlf;   ///< NL marks a case, all cases
  std::vector<double> llf;   ///< share of lesions found
  std::vector<double> fpf;   ///< share of normal cases with an NL mark
  std::vector<double> wllf;  ///< weighted share of lesions, mean of abnormal cases
};
FrocCurve froc_curve(const FrocTruth& truth, const FrocCell& cell, std::span<const std::uint32_t> times = {});
/// Share of lesions found at most at this number of NL marks a case (step function); NaN without lesions.
double llf_at(const FrocCurve& curve, double nlf);
/// Mean of llf_at 1/8, 1/4, 1/2, 1, 2, 4 and 8 (LUNA16's score).
double mean_llf(const FrocCurve& curve);
/// Area under precision over recall of lesions, precision made monotone (PASCAL VOC 2010); NaN without lesions.
double average_precision(const FrocTruth& truth, const FrocCell& cell, std::span<const std::uint32_t> times = {});

/// A box or mark in the image's own units (pixels or mm, the same for both), two or three axes.
struct Box {
  std::uint32_t of_case = 0;
  double low[3] = {0, 0, 0}, high[3] = {0, 0, 0};
};
struct PlacedMark {
  Box place{};  ///< low = high: a point
  double rating = 0;
};
enum class Matching { centre_in_box, overlap, distance };
struct MatchingRule {
  Matching kind = Matching::centre_in_box;
  double least_overlap = 0.5;   ///< intersection over union
  double most_distance = 10.0;  ///< of centres
};
/// Each mark, highest rating first, takes the best lesion of its case that it fits (nearest centre, largest overlap);
/// a further mark on a lesion that is taken is neither LL nor NL (left out). lesions: boxes; their index within their
/// case, in the order given, is the lesion number.
FrocCell match_marks(std::span<const Box> lesions, std::span<const PlacedMark> marks, const MatchingRule& rule);

}  // namespace rouage::stats
